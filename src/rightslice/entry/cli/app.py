"""The command line: its verbs, and the one place where errors become exit codes.

Exit codes: 0 done, 2 bad input, 3 something outside failed, 4 the answer is "no".

Only the verb that is called is imported: ``--help`` shows each verb's one line from here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from importlib import import_module
from typing import Annotated, Final

import typer

from rightslice import __version__
from rightslice.entry.cli.console import Exit, complain, with_live
from rightslice.errors import InputError, UnavailableError

_WORDS: Final = (
    ("Value error, ", ""),
    (
        "Input should be a valid integer, unable to parse string as an integer",
        "must be a whole number, as in 8",
    ),
    ("Unable to parse input string as an integer, exceeded maximum size", "is far too large"),
    ("Input should be greater than or equal to", "must be at least"),
    ("Input should be less than or equal to", "must be at most"),
)
"""What the library under typer says of a value, and what a person would."""

VERBS: Final = {
    "plan": "A fleet file in; offers, replicas, flags, slots and bill out.",
    "fit": "The cheapest offer that holds a load, and why no other one.",
    "share": "A card alone, by MIG, by MPS or in turns: compared.",
    "predict": "TPOT, TTFT, tokens a second and the knee of one server.",
    "calibrate": "Constants from points that you measured; which to measure.",
    "size": "Memory of one server, term by term, and whether it fits.",
    "pack": "The fewest GPUs that hold a list of MIG slices, proven.",
    "repack": "Fewer GPUs for the slices that run, in proven fewest moves.",
    "why-not": "What keeps a slice from its place, and which one move helps.",
    "layouts": "Everything that one card can hold, drawn slot by slot.",
    "parse": "What the manifests of others say of their vLLM servers.",
    "snapshot": "A cluster in one file that plan, fit and repack read.",
    "webhook": "Serve the admission webhook that sizes pods in a cluster.",
    "operator": "Decide about ModelDeployments in a cluster, and say why.",
    "catalog": "The facts: GPUs, MIG profiles, models, releases, instances.",
    "schema": "JSON Schema of the files read and of every answer.",
}
"""Each verb, whose module stands beside this one (`why_not` for why-not), and what it does."""


def command_line(verbs: Collection[str] = tuple(VERBS)) -> typer.Typer:
    """Return the command line, of which only *verbs* are loaded and can be called."""
    app = typer.Typer(
        name="rightslice",
        help="The smallest GPU slice that meets an LLM server's latency target.",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(_root)
    for name, line in VERBS.items():
        if name in verbs:
            import_module(f"rightslice.entry.cli.{name.replace('-', '_')}").register(app)
        else:
            app.command(name, help=line)(_not_loaded)
    return app


def _not_loaded() -> None:
    raise AssertionError("the first word that is no option is the verb, and that one is loaded")


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
    """The smallest GPU slice that meets an LLM server's latency target."""


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; every expected error becomes a message."""
    verb = next((word for word in arguments if not word.startswith("-")), "")
    words = with_live(arguments) or ["--help"]
    return exit_code_of(lambda: command_line([verb]), words, "rightslice")


def exit_code_of(made: Callable[[], typer.Typer], arguments: Sequence[str], program: str) -> int:
    """Run *arguments* on the command line that *made* returns; return the exit code."""
    try:
        outcome = made()(args=list(arguments), prog_name=program, standalone_mode=False)
    except InputError as error:
        complain(str(error))
        return Exit.BAD_INPUT
    except UnavailableError as error:
        complain(str(error))
        return Exit.UNAVAILABLE
    except typer.TyperException as error:
        complain(_usage(error))
        return Exit.BAD_INPUT
    except OSError as error:  # files are checked where they are read: only the output is left
        complain(f"the answer cannot be printed: {error.strerror}")
        return Exit.UNAVAILABLE
    except SystemExit:  # so typer ends when the reader of the output has gone
        return Exit.UNAVAILABLE
    return outcome if isinstance(outcome, int) else Exit.DONE


def _usage(error: typer.TyperException) -> str:
    """Return what is wrong with the command line, in our words, and where help is."""
    message = str(getattr(error, "format_message", error.__str__)())
    for theirs, ours in _WORDS:
        message = message.replace(theirs, ours)
    context = getattr(error, "ctx", None)
    return message if context is None else f"{message}\n`{context.command_path} --help` says more."


def main() -> None:
    """Run the process's own command line."""
    raise SystemExit(run(sys.argv[1:]))
