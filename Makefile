# Every target bootstraps what it needs; `make test` is exactly what CI runs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
COG    := $(BIN)/cog -P --verbosity=1 -I . -p 'from tools.docs.pages import *'
LOCK    = uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --exclude-newer "$$(date -d '-7 days' +%F)" pyproject.toml
COGGED  = README.md $$(grep -rlF '[[[cog' docs --include='*.md')

.PHONY: demo demo-cluster test lint types imports unit docs bench e2e test-oracle lock golden setup clean help

help:            ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/'

setup: $(VENV)/.ready  ## create .venv from the hashed lock

$(VENV)/.ready: requirements/dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("rightslice needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: setup      ## plan the example fleet: pictures, manifests and a report in out/
	@$(BIN)/rightslice plan examples/gpu-as-a-service/fleet.yaml --write out/manifests --report out/report.html

demo-cluster: setup  ## webhook and operator on a real API server: what becomes of pods and models
	@$(BIN)/python -m tools.testbed.demo

test: setup lint types imports unit docs  ## everything CI checks

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy

imports: setup
	$(BIN)/lint-imports

unit: setup
	$(BIN)/pytest --ignore=tests/e2e -n 2 --dist loadgroup --cov --cov-report=term:skip-covered
	$(BIN)/coverage report --include='src/rightslice/core/*,src/rightslice/kube/*' --fail-under=95 --format=total

docs: setup      ## generated parts are current, and the site builds without a warning
	$(COG) --check --diff $(COGGED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

e2e: setup       ## tests on a real control plane; its programs are built once, into ~/.cache
	@$(BIN)/python -m tools.testbed.assets > /dev/null || echo 'THE CLUSTER TESTS WILL BE SKIPPED: no control plane'
	$(BIN)/pytest tests/e2e tests/golden/test_chart.py -rs

test-oracle: setup  ## compare KV planning with vLLM's own code; RIGHTSLICE_ORACLE names its wheels
	$(BIN)/pytest -q -s -rs tests/oracle

bench: setup     ## print the measured figures that the documentation quotes
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

golden: setup    ## rewrite the golden files and the generated documentation
	$(BIN)/pytest -q tests/golden --rewrite-golden
	$(COG) -r $(COGGED)

lock:            ## refresh requirements/*.txt (needs uv; packages at least a week old)
	$(LOCK) -o requirements/runtime.txt
	$(LOCK) --extra cluster -o requirements/cluster.txt
	$(LOCK) --extra cluster --group dev -o requirements/dev.txt
	echo hatchling | $(subst pyproject.toml,--constraints requirements/dev.txt -,$(LOCK)) -o requirements/build.txt

clean:
	rm -rf $(VENV) out site .mypy_cache .ruff_cache .pytest_cache
