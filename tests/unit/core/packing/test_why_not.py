"""What keeps a slice from its place, and which one move helps."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.core.packing.cards import card_table
from rightslice.core.packing.live import LiveCard, LivePod, LiveSlice, LiveState
from rightslice.core.packing.repack import RepackPlan, make_room
from rightslice.core.packing.why_not import why_not

NAMES = frozenset({"1g.5gb", "1g.10gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb"})


def card(name: str, *held: tuple[str, int, bool]) -> LiveCard:
    """Return a card with a pod in each (profile, start, pinned)."""
    return LiveCard(
        name=name,
        slices=tuple(
            LiveSlice(
                placement=Placement(profile=ProfileName(profile), start=start),
                pod=LivePod(name=f"{name}-{start}", pinned=pinned),
            )
            for profile, start, pinned in held
        ),
    )


def test_the_one_move_that_helps_is_named(a100: MigGrid) -> None:
    """The lone 2g leaves its card for the other one, and 7g fits."""
    cards = (card("a", ("2g.10gb", 0, False)), card("b", ("1g.5gb", 6, True)))
    answer = why_not(LiveState(grid=a100, cards=cards), "7g.40gb")
    (move,) = answer.after_one_move
    assert (move.place.card, move.pod, move.pod_to.card) == ("a", "a-0", "b")
    assert (answer.moves_needed, answer.weight_needed) == (1, 1.0)
    assert [each.reason for each in answer.blocked] == ["pinned pods hold every start"]


def test_a_slice_that_fits_is_told_where(a100: MigGrid) -> None:
    """Nothing stands in its way, so nothing else is listed."""
    answer = why_not(LiveState(grid=a100, cards=(card("a", ("3g.20gb", 4, False)),)), "4g.20gb")
    assert [(p.card, p.placement.start) for p in answer.fits] == [("a", 0)]
    assert answer.moves_needed == 0


def test_several_pods_in_the_way_are_all_named(a100: MigGrid) -> None:
    """No single move opens a card that two pods hold; what would be needed is said."""
    held = card("a", ("3g.20gb", 4, False), ("1g.5gb", 0, False))
    answer = why_not(LiveState(grid=a100, cards=(held,)), "7g.40gb")
    assert [each.pods for each in answer.blocked] == [("a-0", "a-4")]
    assert answer.moves_needed is None
    assert "at least 2 are needed" in answer.refusal


contents = st.lists(st.integers(0, 10_000), min_size=1, max_size=4)


@settings(deadline=None, max_examples=40)
@given(picks=contents, wanted=st.sampled_from(sorted(NAMES)))
def test_one_move_is_offered_exactly_when_the_fewest_moves_are_one(
    picks: list[int], wanted: str, a100: MigGrid
) -> None:
    """The search card by card agrees with the repack model's proof."""
    table = card_table(a100, NAMES)
    cards = []
    for number, pick in enumerate(picks):
        content, digits = 0, pick
        while room := table.room(content):
            if digits % 5 == 0:
                break
            options = [bit for bit in range(room.bit_length()) if room >> bit & 1]
            content |= 1 << options[digits % len(options)]
            digits //= 3
        held = ((p.profile, p.start, False) for p in table.layout(content))
        cards.append(card(f"g{number}", *held))
    state = LiveState(grid=a100, cards=tuple(cards))
    answer = why_not(state, wanted)
    plan = make_room(state, {ProfileName(wanted): 1})
    moves = len(plan.moves) if isinstance(plan, RepackPlan) else None
    assert answer.moves_needed == (0 if answer.fits else moves)
    assert bool(answer.after_one_move) == (not answer.fits and moves == 1)
