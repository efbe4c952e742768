"""The image's steps, run in a clean folder: what it installs, and that it starts alone."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tools.testbed.image import DOCKERFILE, ROOT, build

PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;]+)", re.MULTILINE)
OF_DEVELOPMENT = ("pytest", "ruff", "mypy", "hypothesis", "hatchling", "pip",
                  "setuptools")  # fmt: skip
LARGEST_BYTES = 350 * 1024 * 1024


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the `rightslice` of a fresh build."""
    return build(tmp_path_factory.mktemp("image"))


def said(program: Path, *arguments: str) -> str:
    """Return what the image's entry point prints, with an empty environment."""
    ended = subprocess.run(
        [str(program), *arguments], env={}, capture_output=True, text=True, check=True
    )
    return ended.stdout


def test_the_entry_point_starts(program: Path) -> None:
    """The version is the package's, and the webhook's packages are there."""
    assert said(program, "--version").strip().endswith("0.1.0")
    assert "--certificates" in said(program, "webhook", "--help")
    loaded = "import rightslice.entry.webhook.run, rightslice.core.packing.solver"
    subprocess.run([str(program.with_name("python")), "-c", loaded], env={}, check=True)


def test_it_answers_a_question(program: Path) -> None:
    """The catalogue and the constants are in the image: a model is sized without a network."""
    assert "1.3" in said(program, "size", "opt-1.3b", "--gpu", "A100-40GB")


def test_only_what_runs_is_installed(program: Path) -> None:
    """No tool of development, not even pip; nothing that is not in the hashed list."""
    listed = PIN.findall((ROOT / "requirements" / "cluster.txt").read_text("utf-8"))
    code = "from importlib.metadata import distributions as d; print(*{x.name for x in d()})"
    python = str(program.with_name("python"))
    ended = subprocess.run([python, "-c", code], env={}, capture_output=True, text=True, check=True)
    installed = {re.sub(r"[-_.]+", "-", one).lower() for one in ended.stdout.split()}
    assert not installed & set(OF_DEVELOPMENT)
    wanted = {re.sub(r"[-_.]+", "-", name).lower() for name, _ in listed}
    assert installed <= {*wanted, "rightslice"}


def test_it_is_small(program: Path) -> None:
    """What is copied into the image stays under 350 MiB; scipy and numpy are most of it."""
    files = (path for path in program.parents[1].rglob("*") if path.is_file())
    assert sum(path.lstat().st_size for path in files) < LARGEST_BYTES


def test_the_image_is_not_roots() -> None:
    """The last stage names the chart's user, and starts rightslice itself."""
    last = DOCKERFILE.read_text("utf-8").rsplit("FROM", 1)[1]
    assert "USER 65532:65532" in last
    assert 'ENTRYPOINT ["rightslice"]' in last


def test_what_builds_it_is_what_builds_the_checkout() -> None:
    """The build's pins are development's, hashes included."""
    build_list = (ROOT / "requirements" / "build.txt").read_text("utf-8")
    dev_list = (ROOT / "requirements" / "dev.txt").read_text("utf-8")
    assert set(PIN.findall(build_list)) <= set(PIN.findall(dev_list))
    hashes = re.compile(r"sha256:[0-9a-f]{64}")
    assert set(hashes.findall(build_list)) <= set(hashes.findall(dev_list))
