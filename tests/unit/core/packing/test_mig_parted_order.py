"""Plans against mig-parted's own algorithm, written anew here and replayed by the driver's rule.

``MigConfig.Flatten`` lists the profiles of a Go map (any order) and sorts them by GPU instance
slices, compute instance slices and attributes, all descending; the manager then tries one
permutation after another until the driver accepts every slice (NVIDIA/mig-parted
pkg/types/mig_config.go, pkg/mig/config/config.go).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cmp_to_key
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.packing.backends import Backend
from rightslice.core.packing.demand import Choice, Demand, Pool, PoolMode, PoolNode
from rightslice.core.packing.driver import Created, replay
from rightslice.core.packing.geometry import Layout
from rightslice.core.packing.offline import Packing, pack
from rightslice.core.packing.patterns import plan_slots
from rightslice.core.packing.place import place

NAME = re.compile(r"(?:(\d+)c\.)?(\d+)g\.\d+gb(?:([+-])(.+))?")


def parsed(name: str) -> tuple[int, int, str]:
    """Return a profile's compute instance, GPU instance and attributes, as mig-parted parses it."""
    match = NAME.fullmatch(name)
    assert match is not None
    instance = int(match[2])
    return int(match[1] or instance), instance, match[4] if match[3] == "+" else ""


def less(left: str, right: str) -> int:
    """Compare as Flatten's sort does: -1 when *left* comes first."""
    ci, gi, attributes = parsed(left)
    cj, gj, others = parsed(right)
    if gj != gi:
        return 1 if gj > gi else -1
    if cj != ci:
        return 1 if cj > ci else -1
    return -1 if others < attributes else 0 if others == attributes else 1


def swapped(names: list[str], at: int = 0) -> Iterator[list[str]]:
    """Yield permutations in the order of mig-parted's recursion: swap, descend, swap back."""
    if at == len(names):
        yield list(names)
        return
    seen: set[str] = set()
    for index in range(at, len(names)):
        if names[index] in seen:
            continue
        seen.add(names[index])
        names[at], names[index] = names[index], names[at]
        yield from swapped(names, at + 1)
        names[at], names[index] = names[index], names[at]


def reached(grid: MigGrid, layout: Layout) -> set[Layout]:
    """Return every layout that mig-parted may reach with the counts of *layout*."""
    counts = Counter(str(placement.profile) for placement in layout)
    found: set[Layout] = set()
    for order in permutations(counts):
        flat = [name for name in order for _ in range(counts[name])]
        flat.sort(key=cmp_to_key(less))
        for names in swapped(flat):
            outcome = replay(grid, names)
            if isinstance(outcome, Created):
                found.add(tuple(sorted(outcome.placements)))
                break
    return found


@pytest.mark.parametrize("grid_name", ["a100", "a30", "rtx"])
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_every_plan_is_what_its_counts_reach(
    grid_name: str, data: st.DataObject, request: pytest.FixtureRequest
) -> None:
    """Each planned card is reached, in any order of the map; or else it is marked not certain."""
    grid: MigGrid = request.getfixturevalue(grid_name)
    names = [profile.name for profile in grid.profiles]
    counts = data.draw(
        st.dictionaries(st.sampled_from(names), st.integers(1, 4), min_size=1, max_size=4)
    )
    plan = pack(grid, {ProfileName(name): count for name, count in counts.items()})
    assert isinstance(plan, Packing)
    for card in plan.cards:
        found = reached(grid, card.layout)
        assert card.layout in found
        assert card.certain == (found == {card.layout})


@given(counts=st.dictionaries(
    st.sampled_from(["1g.5gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb"]), st.integers(1, 6),
    min_size=1,
))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_plans_of_the_five_usual_profiles_are_always_certain(
    counts: dict[str, int], a100: MigGrid
) -> None:
    """No two of them tie in mig-parted's order, so each plan is reached exactly."""
    plan = pack(a100, {ProfileName(name): count for name, count in counts.items()})
    assert isinstance(plan, Packing)
    assert all(reached(a100, card.layout) == {card.layout} for card in plan.cards)


def drawn_counts(data: st.DataObject, grid: MigGrid) -> dict[ProfileName, int]:
    """Draw a list of slices of up to four profiles."""
    names = [profile.name for profile in grid.profiles]
    return data.draw(
        st.dictionaries(st.sampled_from(names), st.integers(1, 4), min_size=1, max_size=4)
    )


@pytest.mark.parametrize("grid_name", ["a100", "a30", "rtx"])
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_every_packing_for_the_device_plugin_is_reached(
    grid_name: str, data: st.DataObject, request: pytest.FixtureRequest
) -> None:
    """Without exception: its counts, in any order of the map, give the planned start slots."""
    grid: MigGrid = request.getfixturevalue(grid_name)
    counts = drawn_counts(data, grid)
    plan = pack(grid, counts, backend=Backend.DEVICE_PLUGIN)
    assert isinstance(plan, Packing)
    asked = Counter[ProfileName]()
    for card in plan.cards:
        assert reached(grid, card.layout) == {card.layout}
        asked.update(placement.profile for placement in card.layout)
        asked.subtract(card.spare)
    assert +asked == counts


@pytest.mark.parametrize("grid_name", ["a100", "rtx"])
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_every_plan_of_a_fleet_is_reached(
    grid_name: str, data: st.DataObject, request: pytest.FixtureRequest
) -> None:
    """The cards that the planner of a fleet fills are certain too."""
    grid: MigGrid = request.getfixturevalue(grid_name)
    pool = Pool(name="p", mode=PoolMode.SLICED, nodes=(PoolNode(name="n", cards=12),), grid=grid)
    demands = [
        Demand(key=name, weight=1, choices=(Choice(pool="p", slot=name, slots_needed=count),))
        for name, count in drawn_counts(data, grid).items()
    ]
    for card in place([pool], plan_slots([pool], demands)):
        layout = tuple(seat.placement for seat in card.seats if seat.placement is not None)
        if len(layout) == len(card.seats) > 0:
            assert reached(grid, layout) == {layout}


def test_what_certainty_costs_is_little(a100: MigGrid) -> None:
    """Lists of both one-g profiles need no more cards, or one more in a thousand."""
    wanted = {ProfileName("1g.5gb"): 500, ProfileName("1g.10gb"): 900, ProfileName("3g.20gb"): 80}
    free, certain = pack(a100, wanted), pack(a100, wanted, backend=Backend.DEVICE_PLUGIN)
    assert isinstance(free, Packing)
    assert isinstance(certain, Packing)
    assert free.gpus_used <= certain.gpus_used <= free.gpus_used * 1.001 + 1
