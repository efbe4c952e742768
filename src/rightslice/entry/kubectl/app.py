"""``kubectl rightslice``: what runs where, why this offer, and what a change would do.

kubectl runs the program ``kubectl-rightslice`` that it finds on the PATH (kubernetes.io "Extend
kubectl with plugins"). Exit codes are those of the command line.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from rightslice import __version__
from rightslice.entry.cli.app import exit_code_of
from rightslice.entry.kubectl import explain, status, whatif

PROGRAM: Final = "kubectl rightslice"


def command_line() -> typer.Typer:
    """Return the plugin's command line."""
    app = typer.Typer(
        name=PROGRAM,
        help="What models run on which GPU slices, why, and what a change would do.",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(_root)
    for one in (status, explain, whatif):
        one.register(app)
    return app


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls back with the flag's value
    if wanted:
        typer.echo(f"rightslice {__version__}")
        raise typer.Exit


def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """What models run on which GPU slices, why, and what a change would do. Nothing is written."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    return exit_code_of(command_line, list(arguments) or ["--help"], PROGRAM)


def main() -> None:
    """Run the process's own command line."""
    raise SystemExit(run(sys.argv[1:]))
