"""Drawings of single cards: what is used, free, or out of reach."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.catalog.fleet import MigStrategy, NodeGroup
from rightslice.core.catalog.mig import Placement, ProfileName
from rightslice.core.packing.geometry import states
from rightslice.core.plan.result import CardPlan, Plan, Slot
from rightslice.edge.catalog_files import Catalog
from rightslice.entry.report.look import Look
from rightslice.entry.report.svg_layout import card_drawing, count_slots, idle_drawing

H100 = NodeGroup(
    name="p5",
    count=1,
    instance=None,
    gpu=Catalog().gpu("H100-SXM-80GB"),
    gpus_per_node=8,
    gpu_memory_bytes=None,
    vcpus=None,
    memory_bytes=None,
    mig=MigStrategy.MIXED,
    time_slicing_replicas=None,
    price=None,
)


def cut(*slices: tuple[int, str]) -> CardPlan:
    """Return a card whose every slice is used."""
    layout = tuple(Placement(start=start, profile=ProfileName(name)) for start, name in slices)
    slots = tuple(Slot(workload="opt-low", replica=0, placement=place) for place in layout)
    return CardPlan(node="p5-0", group=H100, card=0, layout=layout, slots=slots)


@pytest.fixture
def look(plan: Plan) -> Look:
    """The view of the fleet's plan."""
    return Look(plan=plan, curves={}, generated="")


def test_seven_smallest_leave_one_slot_out_of_reach() -> None:
    """Seven 1g.10gb use all compute slices: the eighth memory slot can serve nobody."""
    count = count_slots(cut(*((start, "1g.10gb") for start in range(7))))
    assert (count.used, count.free, count.unreachable) == (7, 0, 1)


def test_two_halves_fill_the_card() -> None:
    """Two 3g.40gb take all memory slots, though a compute slice idles."""
    count = count_slots(cut((0, "3g.40gb"), (4, "3g.40gb")))
    assert (count.used, count.idle_compute) == (8, 1)


def test_time_slices_are_layers(look: Look) -> None:
    """A time-sliced card shows its turns, the free ones too."""
    group = replace(H100, mig=MigStrategy.NONE)
    slots = (Slot(workload="opt-low", replica=0, placement=None),)
    card = CardPlan(node="lab-0", group=group, card=0, layout=(), slots=slots, replicas=4)
    drawn = card_drawing(card, look)
    assert drawn.count("turn 1 of 4") >= 1
    assert "turn 4 of 4: free" in drawn


def test_a_whole_card_carries_its_name(look: Look) -> None:
    """A card without slices is one block."""
    slots = (Slot(workload="llama-70b", replica=1, placement=None),)
    card = CardPlan(node="p5-0", group=H100, card=0, layout=(), slots=slots)
    assert "llama-70b, replica 1: the whole card" in card_drawing(card, look)


def test_a_spare_slice_is_marked(look: Look) -> None:
    """A slice that is cut and not used is told from a free slot."""
    card = replace(cut((0, "1g.10gb"), (4, "2g.20gb")), slots=())
    assert "2g.20gb at slot 4: cut, spare" in card_drawing(card, look)


def test_a_workload_of_no_plan_is_drawn_as_idle(look: Look) -> None:
    """A name that the plan does not have gets the neutral colour."""
    card = cut((0, "1g.10gb"))
    stray = replace(card, slots=(replace(card.slots[0], workload="stray"),))
    assert 'class="idle"' in card_drawing(stray, look)


def test_an_idle_card_shows_its_slots() -> None:
    """Eight empty columns for a card of eight memory slots."""
    card = CardPlan(node="p5-0", group=H100, card=0, layout=(), slots=())
    assert idle_drawing(card).count("<rect") == 8


@given(data=st.data())
def test_slots_add_up(data: st.DataObject) -> None:
    """Used, free and unreachable slots are the card, for every legal layout."""
    assert H100.gpu.mig is not None
    layout = data.draw(st.sampled_from(states(H100.gpu.mig)))
    count = count_slots(cut(*((place.start, place.profile) for place in layout)))
    assert count.used + count.free + count.unreachable == count.total == 8
