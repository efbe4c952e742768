"""States of a fleet's cards, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.core.packing.live import (
    LiveCard,
    LivePod,
    LiveSlice,
    LiveState,
    cards_in_use,
    check_state,
    running,
)
from rightslice.errors import FieldError, InputError


def card(*slices: tuple[str, int, str | None], name: str = "g0") -> LiveCard:
    """Return a card of node n1 from (profile, start, pod) triples."""
    return LiveCard(
        name=name,
        node="n1",
        slices=tuple(
            LiveSlice(
                placement=Placement(profile=ProfileName(profile), start=start),
                pod=None if pod is None else LivePod(name=pod, workload="w"),
            )
            for profile, start, pod in slices
        ),
    )


@given(data=st.data())
def test_drawn_states_can_exist(
    data: st.DataObject, small_states: st.SearchStrategy[LiveState]
) -> None:
    """The states that the other tests draw pass the check."""
    check_state(data.draw(small_states))


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        (
            [card(("3g.20gb", 4, "a"), ("1g.5gb", 5, "b"))],
            "node n1, GPU g0: slot 5: 1g.5gb at slot 5 overlaps 3g.20gb at slot 4",
        ),
        (
            [card(("2g.10gb", 1, "a"))],
            "node n1, GPU g0: slot 1: 2g.10gb cannot start at slot 1",
        ),
        ([card(("9g.99gb", 0, "a"))], "node n1, GPU g0: slot 0: unknown MIG profile"),
        (
            [card(("1g.5gb", 2, "a"), ("1g.5gb", 2, "b"))],
            "slot 2: 1g.5gb is listed twice, for pod a and pod b",
        ),
        (
            [card(("1g.5gb", 2, "a")), card(("1g.5gb", 0, "a"), name="g1")],
            "GPU g1: slot 0: pod a also runs on node n1, GPU g0 at slot 2",
        ),
        ([card(), card()], "GPU g0: this GPU is listed twice"),
        ([card(("1g.5gb+me", 0, "a"), ("1g.5gb+me", 1, "b"))], "at most 1 of 1g.5gb"),
    ],
)
def test_malformed_states_name_the_place(
    cards: list[LiveCard], message: str, a100: MigGrid
) -> None:
    """Overlaps, unknown profiles, bad slots and doubles name the node, the GPU and the slot."""
    with pytest.raises(FieldError) as caught:
        check_state(LiveState(grid=a100, cards=tuple(cards)))
    assert message in str(caught.value)


def test_grids_without_a_transcript_are_refused(unknown: MigGrid) -> None:
    """Where no placement is known nothing is guessed."""
    with pytest.raises(InputError, match="placement grid"):
        check_state(LiveState(grid=unknown, cards=()))


def test_weights_and_floors_must_make_sense(a100: MigGrid) -> None:
    """Weights and floors below zero are refused."""
    bad = LivePod(name="a", move_weight=-1)
    placement = Placement(profile=ProfileName("1g.5gb"), start=0)
    slices = (LiveSlice(placement=placement, pod=bad),)
    state = LiveState(grid=a100, cards=(LiveCard(name="g", slices=slices),))
    with pytest.raises(FieldError, match="GPU g: slot 0: pod a: its weight"):
        check_state(state)
    with pytest.raises(InputError, match="floor of -1"):
        check_state(replace(state, cards=(), floors={"w": -1}))


def test_counts_of_cards_and_replicas(a100: MigGrid) -> None:
    """A card with free slices only is not in use, and runs nothing."""
    cards = (card(("1g.5gb", 0, "a")), card(("1g.5gb", 0, None), name="g1"))
    state = LiveState(grid=a100, cards=cards)
    assert (cards_in_use(state), running(state)) == (1, {"w": 1})
