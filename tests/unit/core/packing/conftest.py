"""Placement grids that the packing tests share."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from rightslice.core.catalog.mig import MigGrid
from rightslice.core.packing.geometry import states
from rightslice.core.packing.live import LiveCard, LivePod, LiveSlice, LiveState
from rightslice.edge.catalog_files import Catalog

SIX = frozenset(("1g.5gb", "1g.10gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb"))


def _grid(gpu: str) -> MigGrid:
    mig = Catalog().gpu(gpu).mig
    assert mig is not None
    return mig


@pytest.fixture(scope="session")
def a100() -> MigGrid:
    """An A100 with 40 GB: eight slots, seven compute slices."""
    return _grid("A100-40GB")


@pytest.fixture(scope="session")
def a30() -> MigGrid:
    """An A30: four slots."""
    return _grid("A30-24GB")


@pytest.fixture(scope="session")
def rtx() -> MigGrid:
    """An RTX PRO 6000: twelve units, profiles with and without media and graphics engines."""
    return _grid("RTX-PRO-6000-Blackwell-96GB")


@pytest.fixture(scope="session")
def unknown() -> MigGrid:
    """A card of which the vendor lists profiles, and nobody a placement."""
    return _grid("RTX-PRO-4500-Blackwell-32GB")


@st.composite
def _live_states(draw: st.DrawFn, grid: MigGrid, most_cards: int) -> LiveState:
    layouts = [layout for layout in states(grid, SIX) if len(layout) <= 3]
    cards, pods = [], 0
    for index in range(draw(st.integers(2, most_cards))):
        slices = []
        for placement in draw(st.sampled_from(layouts)):
            pods += 1
            pod = LivePod(
                name=f"p{pods}",
                workload=draw(st.sampled_from(("", "a", "b"))),
                move_weight=draw(st.sampled_from((1.0, 1.0, 2.0, 0.5))),
                pinned=draw(st.integers(0, 9)) == 0,
            )
            is_free = draw(st.integers(0, 9)) == 0
            slices.append(LiveSlice(placement=placement, pod=None if is_free else pod))
        cards.append(LiveCard(name=f"g{index}", node="n", slices=tuple(slices)))
    floors = {name: draw(st.integers(0, 4)) for name in "ab" if draw(st.booleans())}
    return LiveState(grid=grid, cards=tuple(cards), floors=floors)


@pytest.fixture(scope="session")
def small_states(a100: MigGrid) -> st.SearchStrategy[LiveState]:
    """Two to four A100s with pods of several workloads, weights and pins, and free slices."""
    return _live_states(a100, 4)
