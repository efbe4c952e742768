"""The command line's reference: the help of every verb, as it prints it."""

from __future__ import annotations

from tools.docs.transcript import output_of

VERBS = (
    "catalog",
    "size",
    "predict",
    "calibrate",
    "fit",
    "share",
    "pack",
    "repack",
    "why-not",
    "layouts",
    "plan",
    "parse",
    "snapshot",
    "webhook",
    "operator",
    "schema",
)
PLUGIN = ("status", "explain", "whatif")
SUBJECTS = ("gpus", "mig", "models", "engines", "instances")


def command_lines() -> tuple[str, ...]:
    """Return every command that has a help text, in the order of the page."""
    subjects = tuple(f"catalog {subject}" for subject in SUBJECTS)
    return ("catalog", *subjects, *VERBS[1:])


def cli_help() -> None:
    """Print a section for the program and for each of its commands."""
    _section("rightslice", "##")
    for command in command_lines():
        _section(f"rightslice {command}", "###" if " " in command else "##")


def kubectl_help() -> None:
    """Print a section for each verb of the kubectl plugin."""
    for verb in PLUGIN:
        _section(f"kubectl rightslice {verb}", "##")


def _section(command: str, level: str) -> None:
    help_text = output_of(f"{command} --help")
    print("\n".join([f"{level} {command}", "", "```text", *help_text, "```", ""]))
