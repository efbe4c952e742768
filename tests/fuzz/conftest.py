"""What the fuzz tests share: the command line in process, and what must be true of every run.

The examples are derandomized, so that a run repeats: more seeds with ``--hypothesis-seed``.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from rightslice.entry.cli.app import run

CODES = (0, 2, 3, 4)
LONGEST_MESSAGE = 1000

settings.register_profile(
    "fuzz",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True)
class Answer:
    """What one command line gave back."""

    code: int
    out: str
    err: str


def call(*arguments: str) -> Answer:
    """Run one command line; what it prints is kept."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(list(arguments))
    return Answer(code, out.getvalue(), err.getvalue())


def check(answer: Answer, names: Collection[str]) -> None:
    """Assert what must hold for any input; a refusal must hold one of *names*."""
    assert answer.code in CODES
    assert "Traceback" not in answer.out + answer.err
    assert "\x1b[" not in answer.out + answer.err
    if answer.code in (2, 3):
        assert answer.out == ""
        assert answer.err.count("error: ") >= 1
        assert answer.err.startswith("error: ")
        message = answer.err.removeprefix("error: ").strip()
        assert 0 < len(message) < LONGEST_MESSAGE, message
        assert "\nerror: " not in message
        assert any(name.lower() in message.lower() for name in names), (message, names)


@pytest.fixture(scope="session")
def checked() -> Callable[..., Answer]:
    """Return a function that runs one command line and checks what must always be true."""

    def run_checked(*arguments: str, names: Collection[str]) -> Answer:
        answer = call(*arguments)
        check(answer, names)
        return answer

    return run_checked


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty working folder, which is the current one."""
    path = tmp_path_factory.mktemp("fuzz")
    before = Path.cwd()
    os.chdir(path)
    yield path
    os.chdir(before)
