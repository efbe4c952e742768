"""`rightslice repack`: fewer cards for what runs, or room for what waits, with the fewest moves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rightslice.core.packing.backends import Backend
from rightslice.core.packing.carry_out import carry_out, resumed
from rightslice.core.packing.live import LiveState, table_of
from rightslice.core.packing.repack import (
    NoRepack,
    RepackLimits,
    RepackPlan,
    make_room,
    moves_worth,
    repack,
)
from rightslice.core.packing.step_costs import StepRates
from rightslice.core.packing.steps import apply_steps
from rightslice.edge.text_files import check_target, write_text
from rightslice.entry.cli.card_drawing import draw_card, draw_ruler, slot_width
from rightslice.entry.cli.clusters import ClusterOption, live_state_at
from rightslice.entry.cli.console import Exit, Output, OutputOption, print_json, searching
from rightslice.entry.cli.repack_text import cost_text, shown_names, steps_text
from rightslice.entry.cli.slices import parse_slices
from rightslice.errors import InputError

_MOST_DRAWN = 24
"""Longest picture, in cards."""

StateArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="STATE",
        help="A state file, a snapshot, a cluster's objects, nvidia-smi text, or a folder.",
    ),
]
GpuOption = Annotated[
    str | None, typer.Option("--gpu", metavar="GPU", help="The kind of card, where there are more.")
]
NowOption = Annotated[
    Path | None,
    typer.Option("--now", metavar="STATE", help="Where the cards stand now: the steps left."),
]
BackendOption = Annotated[
    Backend | None, typer.Option("--backend", help="Who makes the slices: which steps it can take.")
]
PriceOption = Annotated[
    float | None, typer.Option("--gpu-hour", min=0, metavar="USD", help="What a GPU costs an hour.")
]
StartOption = Annotated[
    float,
    typer.Option(
        "--start", min=0, metavar="SECONDS", help="Until a replica serves, where nothing tells."
    ),
]
ReportOption = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE.html", help="Write before, moves and after as a page."),
]
BudgetOption = Annotated[
    float | None, typer.Option("--moves-budget", min=0, metavar="N", help="Weighted moves in all.")
]
DialOption = Annotated[
    float | None,
    typer.Option("--moves-per-gpu", min=0, metavar="N", help="Weighted moves that a GPU is worth."),
]
DollarsOption = Annotated[
    float | None,
    typer.Option(
        "--dollars-per-move",
        metavar="USD",
        help="What a move costs: a GPU is worth the moves that --gpu-hour saves in --hours.",
    ),
]
HoursOption = Annotated[
    float, typer.Option("--hours", min=0, help="How long a freed GPU stays free.")
]
TimeLimitOption = Annotated[
    float, typer.Option("--time-limit", min=0.01, metavar="SECONDS", help="For the search.")
]
RoomOption = Annotated[
    list[str],
    typer.Option(
        "--room", metavar="PROFILE=COUNT", help="Make room for these instead of saving GPUs."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("repack")(repack_command)


def repack_command(  # noqa: PLR0913 - one parameter an option
    state: StateArgument = None,
    *,
    cluster: ClusterOption = None,
    moves_budget: BudgetOption = None,
    moves_per_gpu: DialOption = None,
    dollars_per_move: DollarsOption = None,
    hours: HoursOption = 24.0,
    time_limit: TimeLimitOption = RepackLimits.time_limit_seconds,
    room: RoomOption = [],  # noqa: B006 - typer reads the default and never changes it
    gpu: GpuOption = None,
    now: NowOption = None,
    backend: BackendOption = None,
    gpu_hour: PriceOption = None,
    start: StartOption = StepRates.start_seconds,
    report: ReportOption = None,
    output: OutputOption = Output.TABLE,
) -> int:
    """Fewer GPUs for the slices that run, with the fewest moves: steps in order, proven.

    Example: rightslice repack state.yaml --moves-per-gpu 3
    """
    live = live_state_at(state, cluster, gpu)
    rates = StepRates(start_seconds=start, card_usd_per_hour=gpu_hour)
    if dollars_per_move is not None:
        if gpu_hour is None or moves_per_gpu is not None:
            raise InputError(
                "--dollars-per-move needs the price of a GPU (--gpu-hour), and takes the place of"
                " --moves-per-gpu"
            )
        moves_per_gpu = moves_worth(
            usd_per_hour=gpu_hour, hours=hours, usd_per_move=dollars_per_move
        )
    limits = RepackLimits(
        moves_budget=moves_budget, moves_per_card=moves_per_gpu, time_limit_seconds=time_limit
    )
    with searching("looking for the fewest moves") as told:
        if room:
            answer = make_room(live, parse_slices(room), limits, told)
        else:
            answer = repack(live, limits, told)
    drawn = live
    if isinstance(answer, RepackPlan):
        if now is not None:
            drawn = live_state_at(now, None, gpu)
            answer = resumed(live, answer, drawn)
        answer = carry_out(drawn, answer, rates, backend)
        if report is not None:
            _write_report(report, drawn, answer)
    if output is Output.JSON:
        print_json(answer)
    else:
        for line in describe(drawn, answer):
            typer.echo(line)
    return Exit.DONE if isinstance(answer, RepackPlan) else Exit.NO


def describe(state: LiveState, answer: RepackPlan | NoRepack) -> list[str]:
    """Return the answer as lines of text."""
    if isinstance(answer, NoRepack):
        return [f"No repack: {answer.reason}.", _fewest(answer)]
    head = (
        f"{answer.cards_before} GPUs become {answer.cards_after} with {len(answer.moves)}"
        f" {'move' if len(answer.moves) == 1 else 'moves'}"
        f" of weight {answer.weight:g}"
    )
    title = "inferred" if state.is_inferred else "before"
    lines = [head, "", *_picture(title, state)]
    if answer.steps:
        lines += _picture("after", apply_steps(table_of(state), state, answer.steps))
    lines += steps_text(state, answer)
    names = shown_names(state)
    for card, places in answer.room.items():
        spots = ", ".join(f"{place.profile} at slot {place.start}" for place in places)
        lines.append(f"Room on {names[card]}: {spots}")
    return [*lines, "", *_proof(answer), *cost_text(answer)]


def _proof(plan: RepackPlan) -> list[str]:
    proof = (
        "Proven: no plan to as few GPUs moves less."
        if plan.is_proven
        else f"Not proven (gap {plan.gap:.1%}): moves of weight {plan.weight_bound:g} at least are"
        " needed."
    )
    said = [proof, _fewest(plan)]
    if plan.steps:
        said.append("Every state between two steps can exist; stop after any.")
    if plan.stops:
        said.append(f"{plan.stops} pods are down for a moment, as their floors allow.")
    if plan.detours:
        said.append(f"{plan.detours} more moves are detours, which the proof does not count.")
    return said


def _fewest(answer: RepackPlan | NoRepack) -> str:
    return f"Fewest GPUs with every pod moved: {answer.cards_fewest} (now {answer.cards_before})."


def _picture(title: str, state: LiveState) -> list[str]:
    cards = [(card, [each.placement for each in card.slices]) for card in state.cards]
    drawn = cards[:_MOST_DRAWN]
    labels = [
        {each.placement: _label(each.pod.name) for each in card.slices if each.pod}
        for card, _ in drawn
    ]
    named = [
        [(place, label.get(place, str(place.profile))) for place in places]
        for (_, places), label in zip(drawn, labels, strict=True)
    ]
    width = slot_width(state.grid, named)
    names = shown_names(state)
    column = max([len(title), *(len(names[card.name]) for card, _ in drawn)]) + 2
    lines = [title.ljust(column) + draw_ruler(state.grid, width)]
    for (card, places), label in zip(drawn, labels, strict=True):
        lines.append(names[card.name].ljust(column) + draw_card(state.grid, places, label, width))
    if len(cards) > len(drawn):
        lines.append(f"... and {len(cards) - len(drawn)} more GPUs")
    return [*lines, ""]


def _label(pod: str) -> str:
    """Return a pod's name without its namespace."""
    return pod.rsplit("/", 1)[-1]


def _write_report(path: Path, state: LiveState, plan: RepackPlan) -> None:
    from rightslice.entry.report.repack import render_repack  # noqa: PLC0415 - only for a report

    check_target(path)
    write_text(path, render_repack(state, plan))
