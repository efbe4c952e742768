"""Run the Dockerfile's build stage where no container engine is: its COPY and RUN steps, in order.

    .venv/bin/python -m tools.testbed.image FOLDER

Absolute paths of the image lie below FOLDER, the commands are the Dockerfile's own, and of the
environment only what reaches a package index is passed on. What is not tried this way: the base
image, its user, and that nothing outside the copied files is read.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
PASSED_ON = re.compile(
    r"^(https?_proxy|no_proxy|pip_.*|ssl_cert_file|requests_ca_bundle|home)$", re.IGNORECASE
)
PLACES = ("/src", "/build", "/opt/rightslice")


class StepError(Exception):
    """A step failed; the text has it and the end of what it wrote."""


def instructions(text: str) -> list[tuple[str, str]]:
    """Return the instructions of the first stage, continued lines joined, comments left out."""
    lines = re.sub(r"\\\n", " ", text).splitlines()
    found = [line.split(None, 1) for line in lines if line.strip() and not line.startswith("#")]
    starts = [index for index, one in enumerate(found) if one[0] == "FROM"]
    return [(one[0], one[1]) for one in found[starts[0] + 1 : starts[1]]]


def placed(text: str, folder: Path) -> str:
    """Return *text* with the image's absolute paths below *folder*."""
    for place in PLACES:
        text = re.sub(rf"(?<![\w.]){re.escape(place)}(?=/|\s|$)", f"{folder}{place}", text)
    return text


def build(folder: Path) -> Path:
    """Run the steps, and return the `rightslice` that the image would start.

    Raises:
        StepError: a step failed, or is one that this module does not know.
    """
    inside = folder
    passed = {name: value for name, value in os.environ.items() if PASSED_ON.match(name)}
    path = f"{Path(sys.base_prefix) / 'bin'}:/usr/local/bin:/usr/bin:/bin"
    environment = {**passed, "PATH": path}
    for name, rest in instructions(DOCKERFILE.read_text(encoding="utf-8")):
        print(f"{name} {rest}", file=sys.stderr, flush=True)
        if name == "ENV":
            environment |= dict(one.split("=", 1) for one in rest.split())
        elif name == "WORKDIR":
            inside = Path(placed(rest, folder))
            inside.mkdir(parents=True, exist_ok=True)
        elif name == "COPY":
            _copy(rest.split(), inside)
        elif name == "RUN":
            _run(placed(rest, folder), inside, environment)
        else:
            raise StepError(f"{name} is no step that is known here")
    return folder / "opt" / "rightslice" / "bin" / "rightslice"


def _copy(words: list[str], inside: Path) -> None:
    *sources, target = words
    for one in sources:
        source = ROOT / one
        if source.is_dir():
            shutil.copytree(source, inside / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (inside / target).mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, inside / target)


def _run(command: str, inside: Path, environment: dict[str, str]) -> None:
    ended = subprocess.run(
        ["sh", "-eu", "-c", command],
        cwd=inside,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        raise StepError(f"{command}\n{(ended.stdout + ended.stderr)[-2000:]}")


if __name__ == "__main__":
    print(build(Path(sys.argv[1]).resolve()))
