"""What every verb shares: output forms, exit codes, and parsing of what people type."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from rightslice.records import to_json

if TYPE_CHECKING:
    from rich.console import Console

    from rightslice.core.packing.rounding import Progress

_T = TypeVar("_T")
CLUSTER: Final = "--cluster"
LIVE: Final = "live"
"""What ``--cluster`` means when nothing stands after it."""
_LONGEST_WORD: Final = 200
_LONGEST_MESSAGE: Final = 900


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    BAD_INPUT = 2
    UNAVAILABLE = 3
    NO = 4
    """The answer is no: nothing fits, or nothing holds the load."""


class Output(Enum):
    """How an answer is printed."""

    TABLE = "table"
    JSON = "json"


OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="A table for people, or JSON for machines.")
]


def console() -> Console:
    """Return a console on standard output: colour on a terminal only, 100 columns in a pipe."""
    from rich.console import Console  # noqa: PLC0415 - rich loads where it is used

    return Console(
        highlight=False,
        soft_wrap=False,
        width=None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "100")),
    )


def print_json(value: object) -> None:
    """Print *value* in its documented JSON form."""
    typer.echo(json.dumps(to_json(value), indent=2, ensure_ascii=False, allow_nan=False))


def complain(message: str) -> None:
    """Say on standard error what is wrong."""
    typer.secho("error: ", fg=typer.colors.RED, bold=True, nl=False, err=True)
    typer.echo(readable(message), err=True)


def warn(message: str) -> None:
    """Say on standard error what the reader should know."""
    typer.secho("note: ", fg=typer.colors.YELLOW, bold=True, nl=False, err=True)
    typer.echo(readable(message), err=True)


def readable(message: str) -> str:
    r"""Return *message* as a terminal can show it, whatever the input that it quotes.

    Characters that do not print are escaped; the middle of endless words and texts is left out.

    >>> print(readable("a\x1b[31mb"))
    a\x1b[31mb
    """
    plain = "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode("ascii")
        for c in message
    )
    words = re.sub(rf"\S{{{_LONGEST_WORD},}}", lambda word: _shortened(word[0], 80), plain)
    return words if len(words) <= _LONGEST_MESSAGE else _shortened(words, 400)


def _shortened(text: str, ends: int) -> str:
    return f"{text[:ends]}[...]{text[-ends:]}"


def with_live(arguments: Sequence[str]) -> list[str]:
    """Return *arguments* with ``live`` after a ``--cluster`` that stands alone.

    >>> with_live(["plan", "--cluster", "--why"])
    ['plan', '--cluster', 'live', '--why']
    """
    found: list[str] = []
    for word, after in zip(arguments, [*arguments[1:], "-"], strict=False):
        found.append(word)
        if word == CLUSTER and after.startswith("-"):
            found.append(LIVE)
    return found


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show on a terminal's standard error that *what* goes on; silent in a pipe."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console  # noqa: PLC0415 - rich loads where it is used

    with Console(stderr=True).status(f"{what} ..."):
        yield


@contextmanager
def searching(what: str) -> Iterator[Callable[[Progress], None] | None]:
    """Show on a terminal's standard error how far the search for *what* is; silent in a pipe."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - rich loads where it is used

    with Console(stderr=True).status(f"{what} ...") as status:
        yield lambda progress: status.update(f"{what}: {progress_text(progress)} ...")


def progress_text(progress: Progress) -> str:
    """Return how far a search is, in words.

    >>> from rightslice.core.packing.rounding import Progress
    >>> progress_text(Progress(best=40.0, bound=39.0))
    'best so far 40, none below 39, gap 2.5%'
    """
    if progress.best is None or progress.gap is None:
        return f"nothing found yet, none below {progress.bound:,.4g}"
    return (
        f"best so far {progress.best:,.6g}, none below {progress.bound:,.6g},"
        f" gap {progress.gap:.1%}"
    )


def tracked(items: Sequence[_T], what: str) -> Iterator[_T]:
    """Yield *items*, with a progress bar on a terminal's standard error from the second second."""
    start = time.monotonic()
    items_left = iter(items)
    done = 0
    for item in items_left:
        yield item
        done += 1
        if sys.stderr.isatty() and time.monotonic() - start > 1:
            break
    if done == len(items):
        return
    from rich.console import Console  # noqa: PLC0415 - rich loads where it is used
    from rich.progress import Progress  # noqa: PLC0415 - as above

    with Progress(console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(what, total=len(items), completed=done)
        for item in items_left:
            yield item
            bars.advance(bar)
