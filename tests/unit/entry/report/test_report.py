"""The whole page: complete, escaped, self-contained, and still a page when things are missing."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from typing import Final
from xml.etree import ElementTree as ET

import pytest

from rightslice.core.catalog.fleet import Fleet, NodeGroup, Workload
from rightslice.core.catalog.model import ModelName
from rightslice.core.perf.result import Curve
from rightslice.core.plan.result import NotPlaced, Plan, WorkloadPlan
from rightslice.entry.report import render_report

HOSTILE: Final = "<script>alert('&\"')</script>"
_VOID: Final = {"meta", "br", "link", "img", "input"}


class _Outline(HTMLParser):
    """Open tags, the tags used, and every attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def outline(page: str) -> _Outline:
    """Return the page, parsed; unbalanced tags fail."""
    parser = _Outline()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def drawings(page: str) -> Iterator[ET.Element]:
    """Yield every outermost SVG image, parsed as XML."""
    depth, start = 0, 0
    for match in re.finditer(r"<svg\b|</svg>", page):
        if match.group() == "</svg>":
            depth -= 1
            if depth == 0:
                yield ET.fromstring(page[start : match.end()])  # noqa: S314 - our own text
        else:
            start = match.start() if depth == 0 else start
            depth += 1


def renamed(plan: Plan, name: str) -> Plan:
    """Return the plan with every text that a user can choose replaced by *name*."""
    workloads = tuple(
        replace(item, workload=replace(item.workload, name=name, team=name))
        for item in plan.workloads
    )
    teams = tuple(replace(use, team=name) for use in plan.teams)
    fleet = replace(plan.fleet, name=name)
    cards = tuple(
        replace(card, node=name, slots=tuple(replace(slot, workload=name) for slot in card.slots))
        for card in plan.cards
    )
    return replace(plan, workloads=workloads, teams=teams, fleet=fleet, cards=cards, notes=(name,))


def test_tags_are_balanced(page: str) -> None:
    """Every element is closed, in order."""
    assert {"svg", "details", "table", "style"} <= outline(page).tags


def test_drawings_are_xml(page: str) -> None:
    """Every drawing parses as XML, and there are many."""
    assert sum(1 for _ in drawings(page)) > 50


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    """No address, no script, no image; links lead to the same page."""
    parsed = outline(page)
    assert not parsed.tags & {"script", "link", "img", "iframe", "object", "base"}
    links = [value for name, value in parsed.attributes if name in {"href", "src", "xlink:href"}]
    assert all(link is not None and link.startswith("#") for link in links)
    assert "http:" not in page
    assert "https:" not in page
    assert "@import" not in page
    assert set(re.findall(r"url\(([^)]*)\)", page)) == {"#hatch"}


def test_links_have_targets(page: str) -> None:
    """Every link on the page leads to something on it, and ids are unique."""
    attributes = outline(page).attributes
    ids = [value for name, value in attributes if name == "id"]
    links = {value[1:] for name, value in attributes if name == "href" and value is not None}
    assert links <= set(ids)
    assert len(ids) == len(set(ids))


def test_every_workload_and_team_is_named(page: str, plan: Plan) -> None:
    """Nothing that was planned is left out."""
    words = "\n".join(outline(page).words)
    assert all(item.name in words and str(item.workload.model.name) in words
               for item in plan.workloads)  # fmt: skip
    assert all(use.team in words for use in plan.teams)


def test_every_reason_is_told(page: str, plan: Plan) -> None:
    """Why each cheaper offer was refused, and why a workload was not placed, is on the page."""
    words = "\n".join(outline(page).words)
    placed = [item.placed for item in plan.workloads if item.placed is not None]
    reasons = [
        passed.reason.partition("; would turn: ")[0] for each in placed for passed in each.passed
    ]
    reasons += [item.outcome.reason for item in plan.workloads
                if isinstance(item.outcome, NotPlaced)]  # fmt: skip
    assert reasons
    assert [reason for reason in reasons if reason not in words] == []


def test_every_card_is_drawn(page: str, plan: Plan) -> None:
    """Each card of a node in use has its drawing; idle nodes stand in a line."""
    busy = {card.node for card in plan.cards if not card.idle}
    labels = {image.get("aria-label", "") for image in drawings(page)}
    for card in plan.cards:
        if card.node in busy:
            label = f"{card.node} card {card.card}"
            assert label in labels or f"{label}: idle" in labels
    assert "3 idle nodes of 8 cards" in page


def test_flags_and_notes_are_shown(page: str, plan: Plan) -> None:
    """The flags of every server and the notes of the plan are there."""
    assert "--max-num-seqs" in page
    words = "\n".join(outline(page).words).lower()
    assert all(note.lower() in words for note in plan.notes)


def test_old_prices_are_marked(page: str) -> None:
    """A price that the notes call old is marked in the table of prices."""
    assert '<span class="old">' in page


def test_hostile_names_stay_text(plan: Plan, curves: Mapping[str, Curve]) -> None:
    """A name that looks like markup is printed, not run."""
    page = render_report(renamed(plan, HOSTILE), curves=curves, generated=HOSTILE)
    parsed = outline(page)
    assert "script" not in parsed.tags
    assert "<script" not in page
    assert HOSTILE in "".join(parsed.words)


def test_without_prices_there_is_no_bill(fleet: Fleet, planned: Callable[[Fleet], Plan]) -> None:
    """A fleet without prices gives a page that says so and shows no dollars as a bill."""
    nodes = tuple(replace(group, price=None) for group in fleet.nodes)
    plan = planned(replace(fleet, nodes=nodes))
    assert plan.bill is None
    page = render_report(plan, curves={}, generated="today")
    assert "There is no bill" in page
    assert outline(page).open == []


def test_nothing_placed(plan: Plan) -> None:
    """A plan in which nothing runs is a page with its reasons."""
    refused = NotPlaced(reason="too small by 3 GiB", remedy="a larger card")
    workloads = tuple(replace(item, outcome=refused) for item in plan.workloads)
    cards = tuple(replace(card, layout=(), slots=()) for card in plan.cards)
    page = render_report(
        replace(plan, workloads=workloads, cards=cards), curves={}, generated="today"
    )
    assert outline(page).open == []
    assert f"0 of {len(workloads)}" in page
    assert page.count("too small by 3 GiB") == 2 * len(workloads)


def test_an_empty_fleet(plan: Plan) -> None:
    """A plan without workloads, bill lines, prices or notes is still a page."""
    bare = replace(plan, workloads=(), cards=(), teams=(), bill=None, prices=(), notes=())
    assert "0 of 0" in render_report(bare, curves={}, generated="today")


def test_a_dearer_plan_is_said_so(plan: Plan) -> None:
    """A plan that costs more than whole cards says how much more."""
    assert plan.bill is not None
    bill = replace(
        plan.bill,
        in_use_usd_per_hour=Decimal(30),
        whole_gpu_per_model_usd_per_hour=Decimal(20),
        whole_gpu_per_replica_usd_per_hour=None,
    )
    page = render_report(replace(plan, bill=bill), curves={}, generated="today")
    assert "50 % more" in page
    assert "no price to compare with" in page


def _large(plan: Plan, fleet: Fleet) -> Plan:
    """Return 200 workloads on 50 nodes of 8 cards."""
    placed = [item for item in plan.workloads if item.placed is not None]
    workloads: list[WorkloadPlan] = []
    for index in range(200):
        item = placed[index % len(placed)]
        workload: Workload = replace(item.workload, name=f"workload-number-{index}")
        workloads.append(replace(item, workload=workload))
    group: NodeGroup = fleet.nodes[1]
    full = max((card for card in plan.cards), key=lambda card: len(card.slots))
    cards = [
        replace(
            full, node=f"{group.name}-{node}", card=card,
            slots=tuple(replace(slot, workload=f"workload-number-{(node * 8 + card) % 200}")
                        for slot in full.slots),
        )
        for node in range(50)
        for card in range(8)
    ]  # fmt: skip
    return replace(plan, workloads=tuple(workloads), cards=tuple(cards))


def test_a_large_fleet_is_quick_and_small(
    plan: Plan, fleet: Fleet, curves: Mapping[str, Curve], capsys: pytest.CaptureFixture[str]
) -> None:
    """200 workloads on 50 nodes stay below 4 MB; the time is printed."""
    large = _large(plan, fleet)
    known = list(curves.values())
    many = {item.name: known[i % len(known)] for i, item in enumerate(large.workloads)}
    started = time.perf_counter()
    page = render_report(large, curves=many, generated="today")
    seconds = time.perf_counter() - started
    with capsys.disabled():
        print(f"\nreport of 200 workloads on 50 nodes: {seconds:.2f} s, {len(page):,} characters")  # noqa: T201 - the measurement that the test is about
    assert len(page.encode()) < 4_000_000


def test_names_of_models_are_escaped(plan: Plan) -> None:
    """A model's name comes from a file, and is text too."""
    item = plan.workloads[0]
    model = replace(item.workload.model, name=ModelName(HOSTILE))
    hostile = replace(item, workload=replace(item.workload, model=model))
    page = render_report(replace(plan, workloads=(hostile,)), curves={}, generated="today")
    assert "<script" not in page
