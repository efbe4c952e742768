# One image for the webhook and the command line: `docker build -t REGISTRY/rightslice:0.1.0 .`
# No step reads anything but the files copied here and a package index; every package is pinned by
# its hash. `make e2e` runs the same steps without an engine (tools/testbed/image.py).
ARG PYTHON=python:3.13-slim-bookworm

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements/build.txt requirements/cluster.txt requirements/
RUN python -m venv /build && /build/bin/pip install --quiet --no-deps --require-hashes -r requirements/build.txt
RUN python -m venv /opt/rightslice && /opt/rightslice/bin/pip install --quiet --no-deps --require-hashes -r requirements/cluster.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY LICENSES LICENSES
COPY src src
RUN /build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /build/wheel .
RUN /opt/rightslice/bin/pip install --quiet --no-deps --no-index /build/wheel/*.whl && /opt/rightslice/bin/pip uninstall --quiet --yes setuptools pip && rm -rf /opt/rightslice/lib/python3*/site-packages/*/tests

FROM ${PYTHON}
COPY --from=build /opt/rightslice /opt/rightslice
ENV PATH=/opt/rightslice/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# The chart's number; restricted namespaces want one that is not root's.
USER 65532:65532
ENTRYPOINT ["rightslice"]
CMD ["--help"]
