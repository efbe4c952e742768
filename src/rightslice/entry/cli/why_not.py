"""`rightslice why-not`: what keeps a slice from its place, and which one move would help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rightslice.core.packing.live import LiveState
from rightslice.core.packing.why_not import Place, WhyNot, why_not
from rightslice.entry.cli.clusters import live_state_at
from rightslice.entry.cli.console import Exit, Output, OutputOption, print_json

_MOST_LISTED = 12
"""Longest list, in cards; the JSON form holds every card."""

StateArgument = Annotated[
    Path,
    typer.Argument(
        metavar="STATE",
        help="A state file, a cluster's objects (JSON), a node's nvidia-smi text, or a folder.",
    ),
]
GpuOption = Annotated[
    str | None, typer.Option("--gpu", metavar="GPU", help="The kind of card, where there are more.")
]
ProfileArgument = Annotated[
    str, typer.Argument(metavar="PROFILE", help="The slice that has no place: 7g.80gb.")
]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("why-not")(why_not_command)


def why_not_command(
    state: StateArgument,
    profile: ProfileArgument,
    *,
    gpu: GpuOption = None,
    output: OutputOption = Output.TABLE,
) -> int:
    """Which GPUs would hold a slice after which single move, and what blocks the others.

    Example: rightslice why-not state.yaml 7g.80gb
    """
    live = live_state_at(state, None, gpu)
    answer = why_not(live, profile)
    if output is Output.JSON:
        print_json(answer)
    else:
        for line in describe(live, answer, str(state)):
            typer.echo(line)
    return Exit.DONE if answer.fits else Exit.NO


def describe(state: LiveState, answer: WhyNot, file: str) -> list[str]:
    """Return the answer as lines of text; *file* is named in the command that would help."""
    cards = "1 GPU" if answer.cards == 1 else f"{answer.cards:,} GPUs"
    if answer.fits:
        head = f"{answer.profile} fits now on {len(answer.fits):,} of {cards}"
        return [head, *_listed([f"  {_at(place)}" for place in answer.fits])]
    lines = [f"{answer.profile} fits on none of {cards} ({state.grid.name}) as things stand"]
    if answer.after_one_move:
        lines += ["", "After one move it fits:"]
        lines += _listed(
            [
                f"  {_at(move.place)}: move {move.pod} ({move.pod_from.profile} at slot"
                f" {move.pod_from.start}, weight {move.weight:g}) to {_at(move.pod_to)}"
                for move in answer.after_one_move
            ]
        )
    if answer.blocked:
        lines += ["", "What blocks the others:" if answer.after_one_move else "What blocks it:"]
        lines += _listed(
            [
                f"  {_at(each.place)}: {each.reason}"
                + (f" ({', '.join(each.pods or each.pinned)})" if len(each.pods) != 1 else "")
                for each in answer.blocked
            ]
        )
    return [*lines, "", *_ending(answer, file)]


def _ending(answer: WhyNot, file: str) -> list[str]:
    if answer.moves_needed is None:
        return [f"No moves make room: {answer.refusal}."]
    moves = "1 move" if answer.moves_needed == 1 else f"{answer.moves_needed} moves"
    return [
        f"Least disturbance that makes room: {moves} of weight {answer.weight_needed:g};",
        f"steps: rightslice repack {file} --room {answer.profile}=1",
    ]


def _at(place: Place) -> str:
    node = f"{place.node}, " if place.node else ""
    return f"{node}{place.card} slot {place.placement.start}"


def _listed(lines: list[str]) -> list[str]:
    more = len(lines) - _MOST_LISTED
    left = [f"  ... and {more:,} more; --output json lists each"] if more > 0 else []
    return [*lines[:_MOST_LISTED], *left]
