"""A repack as one page: the cards before and after, and an arrow for every pod that moves.

Only cards that change are drawn. Nothing is loaded from elsewhere, as in the report of a plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from rightslice.core.catalog.mig import MigGrid, Placement
from rightslice.core.packing.live import LiveCard, LiveSlice, LiveState, table_of
from rightslice.core.packing.on_backend import NotFeasible
from rightslice.core.packing.repack import RepackPlan
from rightslice.core.packing.step_costs import RepackCost
from rightslice.core.packing.steps import Step, apply_steps, owner
from rightslice.entry.report.look import HUES
from rightslice.entry.report.markup import NOTHING, Html, drawing, element, join, shape, text
from rightslice.entry.report.report import patterns, stylesheet
from rightslice.entry.report.section import section, table
from rightslice.entry.report.svg_text import fitting, shorten
from rightslice.entry.report.wording import plural
from rightslice.units import format_duration, format_usd

_WIDE: Final = 420.0
_BETWEEN: Final = 130.0
_NAME: Final = 120.0
_TALL: Final = 34.0
_ROW: Final = 46.0
_MOST_DRAWN: Final = 80
_Seat = tuple[str, Placement]


def render_repack(state: LiveState, plan: RepackPlan) -> str:
    """Return *plan*, made for *state*, as the text of one self-contained HTML file."""
    after = apply_steps(table_of(state), state, plan.steps)
    title = (
        f"{plan.cards_before} GPUs become {plan.cards_after} with {plural(len(plan.moves), 'move')}"
    )
    body = element(
        "body",
        patterns(),
        element(
            "main",
            element("h1", text(title)),
            element("p", text(_lead(plan)), class_="lead"),
            _pictures(state, after),
            _steps(plan),
        ),
    )
    head = element(
        "head",
        shape("meta", charset="utf-8"),
        shape("meta", name="viewport", content="width=device-width, initial-scale=1"),
        shape("meta", name="color-scheme", content="light dark"),
        element("title", text(f"{title}: rightslice repack")),
        element("style", Html(stylesheet())),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _lead(plan: RepackPlan) -> str:
    said = ["No plan to as few GPUs moves less: proven."] if plan.is_proven else []
    if isinstance(plan.on_backend, NotFeasible):
        said.append(f"No steps on {plan.on_backend.backend.value}: {plan.on_backend.reason}.")
    cost = plan.cost
    if cost is not None and cost.steps:
        said.append(f"The steps take up to {format_duration(cost.seconds)}.")
        said += _dollars(cost)
    return " ".join(said)


def _dollars(cost: RepackCost) -> list[str]:
    if cost.usd is None or cost.saves_usd_per_hour is None or cost.payback_seconds is None:
        return []
    saved = format_usd(cost.saves_usd_per_hour)
    payback = format_duration(cost.payback_seconds)
    return [f"They cost {format_usd(cost.usd)} and free {saved} an hour: paid back in {payback}."]


def _pictures(state: LiveState, after: LiveState) -> Html:
    pairs = [
        (old, new)
        for old, new in zip(state.cards, after.cards, strict=True)
        if old.slices != new.slices
    ][:_MOST_DRAWN]
    lead = (
        "Each row is a GPU that changes: on the left as it is, on the right as it will be. An arrow"
        f" is a pod that moves. {plural(len(state.cards) - len(pairs), 'GPU')} not drawn."
    )
    if not pairs:
        return section("cards", "Cards", "No GPU changes.", NOTHING)
    hues = _hues(state)
    rows = {card.name: index for index, (card, _) in enumerate(pairs)}
    drawn = [
        part
        for index, (old, new) in enumerate(pairs)
        for part in (
            _card_name(old, index),
            _card(state.grid, old, (_NAME, index * _ROW), hues),
            _card(state.grid, new, (_NAME + _WIDE + _BETWEEN, index * _ROW), hues),
        )
    ]
    picture = drawing(
        _NAME + 2 * _WIDE + _BETWEEN,
        len(pairs) * _ROW,
        _arrow_head(),
        *drawn,
        *_arrows(state, after, rows),
        label="cards before and after, with the moves",
    )
    return section("cards", "Cards", lead, element("figure", picture, class_="card moves"))


def _hues(state: LiveState) -> Mapping[str, str]:
    owners = dict.fromkeys(
        owner(each.pod) for card in state.cards for each in card.slices if each.pod is not None
    )
    return {name: f"w{index % HUES}" for index, name in enumerate(owners)}


def _card_name(card: LiveCard, index: int) -> Html:
    y = index * _ROW + _TALL / 2
    name = shorten(card.name, fitting(_NAME - 10, 11))
    return element(
        "g",
        element("title", text(f"node {card.node}, {card.name}" if card.node else card.name)),
        element("text", text(name), x=_NAME / 2, y=y, class_="spare"),
    )


def _card(grid: MigGrid, card: LiveCard, at: tuple[float, float], hues: Mapping[str, str]) -> Html:
    x, y = at
    ground = shape("rect", x=x, y=y + 1, width=_WIDE, height=_TALL - 2, rx=3, class_="free")
    return join([ground, *(_slice(grid, each, at, hues) for each in card.slices)])


def _slice(
    grid: MigGrid, each: LiveSlice, at: tuple[float, float], hues: Mapping[str, str]
) -> Html:
    left, width = _extent(grid, each.placement)
    x, y = at[0] + left, at[1]
    profile = str(each.placement.profile)
    name = profile if each.pod is None else each.pod.name
    class_ = "spare-slice" if each.pod is None else hues[owner(each.pod)]
    title = f"{name}: {profile} at slot {each.placement.start}"
    label = shorten(name.rsplit("/", 1)[-1], fitting(width - 6, 10))
    return element(
        "g",
        element("title", text(title)),
        shape("rect", x=x + 1, y=y + 1, width=width - 2, height=_TALL - 2, rx=3, class_=class_),
        element(
            "text",
            text(label),
            x=x + width / 2,
            y=y + _TALL / 2,
            class_="spare" if each.pod is None else "name",
        ),
    )


def _extent(grid: MigGrid, placement: Placement) -> tuple[float, float]:
    """Return where a slice begins on its card, and how wide it is drawn."""
    slot = _WIDE / (grid.slots or 1)
    size = grid.profile(placement.profile).memory_slots or 1
    return placement.start * slot, size * slot


def _arrow_head() -> Html:
    head = element(
        "marker",
        shape("path", d="M0 0L6 3L0 6z", class_="move-head"),
        id="move", markerWidth=7, markerHeight=6, refX=6, refY=3, orient="auto",
    )  # fmt: skip
    return element("defs", head)


def _arrows(state: LiveState, after: LiveState, rows: Mapping[str, int]) -> Iterator[Html]:
    new = _seats(after)
    for name, (card, placement) in _seats(state).items():
        to_card, to_placement = new.get(name, (card, placement))
        is_moved = (card, placement) != (to_card, to_placement)
        if not is_moved or card not in rows or to_card not in rows:
            continue
        left, width = _extent(state.grid, placement)
        to_left, _ = _extent(state.grid, to_placement)
        x, y = _NAME + left + width, rows[card] * _ROW + _TALL / 2
        to_x = _NAME + _WIDE + _BETWEEN + to_left
        to_y = rows[to_card] * _ROW + _TALL / 2
        bend = f"C{x + 70:.0f} {y:.0f} {to_x - 70:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"
        yield element(
            "g",
            element("title", text(f"{name}: {card} to {to_card}")),
            shape("path", d=f"M{x:.0f} {y:.0f}{bend}", class_="move", marker_end="url(#move)"),
        )


def _seats(state: LiveState) -> dict[str, _Seat]:
    return {
        each.pod.name: (card.name, each.placement)
        for card in state.cards
        for each in card.slices
        if each.pod is not None
    }


def _steps(plan: RepackPlan) -> Html:
    costs = () if plan.cost is None else plan.cost.steps
    rows = [
        [
            text(number),
            text(step.action.value),
            text(_what(step)),
            text(format_duration(costs[number - 1].seconds) if costs else ""),
            text("" if not costs or costs[number - 1].usd is None
                 else format_usd(costs[number - 1].usd or 0.0, digits=4)),
        ]
        for number, step in enumerate(plan.steps, 1)
    ]  # fmt: skip
    head = ("step", "what", "where", "takes", "costs")
    lead = "Every state between two steps can exist; stop after any, and go on later."
    return section("steps", "Steps", lead, table(head, rows, numeric=("takes", "costs")))


def _what(step: Step) -> str:
    place = f"{step.placement.profile} at slot {step.placement.start} of {step.card}"
    if step.pod is None:
        return place
    origin = "" if step.from_card is None else f" from {step.from_card}"
    return f"{step.pod.name}{origin} to {place}" if origin else f"{step.pod.name}: {place}"
