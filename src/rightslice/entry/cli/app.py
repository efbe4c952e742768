"""The command line: its verbs, and the one place where errors become exit codes.

Exit codes: 0 done, 2 bad input, 3 something outside failed, 4 the answer is "no".
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from rightslice import __version__
from rightslice.entry.cli import catalog, fit, pack, plan, predict, schema, size
from rightslice.entry.cli.console import Exit, complain
from rightslice.errors import InputError, UnavailableError

app = typer.Typer(
    name="rightslice",
    help="The smallest GPU slice that meets an LLM server's latency target.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for verb in (catalog, size, predict, fit, pack, plan, schema):
    verb.register(app)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls back with the flag's value
    if wanted:
        typer.echo(f"rightslice {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """The smallest GPU slice that meets an LLM server's latency target."""


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; every expected error becomes a message."""
    try:
        outcome = app(args=arguments or ["--help"], standalone_mode=False)
    except InputError as error:
        complain(str(error))
        return Exit.BAD_INPUT
    except UnavailableError as error:
        complain(str(error))
        return Exit.UNAVAILABLE
    except typer.TyperException as error:
        complain(getattr(error, "format_message", error.__str__)())
        return Exit.BAD_INPUT
    except OSError as error:  # files are checked where they are read: only the output is left
        complain(f"the answer cannot be printed: {error.strerror}")
        return Exit.UNAVAILABLE
    except SystemExit:  # so typer ends when the reader of the output has gone
        return Exit.UNAVAILABLE
    return outcome if isinstance(outcome, int) else Exit.DONE


def main() -> None:
    """Run the process's own command line."""
    raise SystemExit(run(sys.argv[1:]))
