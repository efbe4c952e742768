"""Real output for the pages: run a command line or Python here, and write what it printed.

Commands run in this process, 100 columns wide, as they print into a pipe. What depends on the day
(the age of a price) is left out, so that a page only changes when the product does.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import runpy
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

WIDTH = 100
ROOT = Path(__file__).resolve().parents[2]
CUT = "..."
"""Stands for lines that a page leaves out."""

_BY_THE_DAY = re.compile(r"note: the price of \S+ is \d+ days old")


@contextlib.contextmanager
def _at_the_root() -> Iterator[None]:
    columns = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(WIDTH)
    try:
        with contextlib.chdir(ROOT):
            yield
    finally:
        if columns is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = columns


def output_of(command: str) -> list[str]:
    """Return the lines that ``rightslice ...``, or the kubectl plugin, prints, errors last."""
    words = shlex.split(command.replace("\\\n", " "))
    run, arguments = _program(words)
    said, complained = io.StringIO(), io.StringIO()
    streams = contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained)
    with _at_the_root(), streams[0], streams[1]:
        run(arguments)
    return tidy(said.getvalue() + complained.getvalue())


def _program(words: list[str]) -> tuple[Callable[[list[str]], int], list[str]]:
    """Return what *words* run, and its arguments.

    Raises:
        ValueError: when that is neither the command line nor the plugin.
    """
    from rightslice.entry.cli import app  # noqa: PLC0415 - the product, not its documentation
    from rightslice.entry.kubectl import app as plugin  # noqa: PLC0415 - as above

    if words[0] == "rightslice":
        return app.run, words[1:]
    if words[:2] == ["kubectl", "rightslice"]:
        return plugin.run, words[2:]
    raise ValueError(f"only rightslice is run here, not {words[0]!r}")


def tidy(text: str) -> list[str]:
    """Return the lines of *text* without trailing blanks, empty ends, and what the day decides."""
    lines = [line.rstrip() for line in text.splitlines()]
    lines = [line for line in lines if _BY_THE_DAY.match(line) is None]
    while lines and not lines[0]:
        lines.pop(0)
    while lines and not lines[-1]:
        lines.pop()
    return lines


def cut(lines: list[str], start: str | None, stop: str | None) -> list[str]:
    """Return *lines* from the first one with *start* to the next one with *stop*, both kept.

    Raises:
        ValueError: when there is no such line.
    """
    first = 0 if start is None else _index(lines, start, 0)
    last = len(lines) - 1 if stop is None else _index(lines, stop, first)
    before = [CUT] if first > 0 else []
    after = [CUT] if last < len(lines) - 1 else []
    return [*before, *lines[first : last + 1], *after]


def _index(lines: list[str], text: str, begin: int) -> int:
    for index in range(begin, len(lines)):
        if text in lines[index]:
            return index
    raise ValueError(f"no line of the output has {text!r}")


def show(
    command: str,
    *,
    start: str | None = None,
    stop: str | None = None,
    keep: Sequence[tuple[str, str]] = (),
) -> None:
    """Print *command* and its output as a console block.

    Args:
        command: the command line, ``rightslice ...``.
        start: text in the first line to show; None: the first line.
        stop: text in the last line to show; None: the last line.
        keep: several parts instead, each by its first and last line.
    """
    output = output_of(command)
    parts = [cut(output, first, last) for first, last in keep] or [cut(output, start, stop)]
    lines = [line for part in parts for line in part]
    once = [
        line
        for line, before in zip(lines, ["", *lines], strict=False)
        if line != CUT or before != CUT
    ]
    print("\n".join(["```console", f"$ {command}", *once, "```"]))


def include(path: str, *, start: str | None = None, stop: str | None = None) -> None:
    """Print a file of the project as a code block, cut to the lines asked for."""
    lines = cut((ROOT / path).read_text(encoding="utf-8").splitlines(), start, stop)
    print("\n".join([f"```{Path(path).suffix.removeprefix('.')}", *lines, "```"]))


def example(path: str) -> None:
    """Run an example script of the project and print what it prints."""
    said = io.StringIO()
    with _at_the_root(), contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        runpy.run_path(path, run_name="__main__")
    print("\n".join(["```text", *tidy(said.getvalue()), "```"]))


def session(source: str, names: dict[str, object]) -> None:
    """Print *source* run statement by statement, as the Python prompt shows it.

    Args:
        source: Python code.
        names: what earlier code of the page has defined: its ``globals()``.
    """
    source = source.strip()
    lines = ["```python"]
    with _at_the_root():
        for statement in ast.parse(source).body:
            text = ast.get_source_segment(source, statement)
            assert text is not None
            first, *rest = text.splitlines()
            lines += [f">>> {first}", *(f"... {line}" for line in rest), *_said(statement, names)]
    print("\n".join([*lines, "```"]))


def _said(statement: ast.stmt, names: dict[str, object]) -> list[str]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        module = ast.Interactive(body=[statement])
        exec(compile(module, "<page>", "single"), names)  # noqa: S102 - our own pages' code
    names.pop("_", None)
    return tidy(said.getvalue())
