"""How many more claims a node can serve, by the counters that its devices share."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.mig import MigProfile, Placement
from rightslice.core.packing.geometry import Spot, conflict, spot_at
from rightslice.edge.catalog_files import Catalog
from rightslice.kube.cluster.dra import DraPool, DraStock, DraUnit, most_at_once
from rightslice.kube.cluster.dra_read import read_stocks
from tools.testbed.dra import DraNode

GRID = Catalog().mig_gpu("A100-40GB")
PRODUCT = "NVIDIA A100-SXM4-40GB"
NODE = DraNode(node="n", grid=GRID, product=PRODUCT, cards=2)
STOCK = read_stocks(NODE.slices())["n"]
PROFILES = (None, *(one.name for one in GRID.profiles))
ONE_CARD = read_stocks(DraNode(node="n", grid=GRID, product=PRODUCT).slices())["n"]


def unit(profile: str | None) -> DraUnit:
    """Return one unit of a profile."""
    found = next(one for one in PROFILES if one == profile)
    return DraUnit(product=PRODUCT, profile=found, device_class="mig.nvidia.com")


def allocated(stock: DraStock, order: list[int]) -> DraPool:
    """Return *stock* after claims for profiles by number, each first fit, as the scheduler does."""
    pool = DraPool(stock=stock)
    for number in order:
        device = pool.first_fit(unit(PROFILES[number % len(PROFILES)]))
        if device is not None:
            pool = DraPool(stock=stock, taken=pool.taken | {device.name})
    return pool


orders = st.lists(st.integers(0, len(PROFILES) - 1), max_size=6)


@pytest.mark.parametrize(
    ("profile", "count"),
    [(None, 2), ("1g.5gb", 14), ("1g.5gb+me", 2), ("1g.10gb", 8), ("2g.10gb", 6), ("3g.20gb", 4),
     ("4g.20gb", 2), ("7g.40gb", 2)],
)  # fmt: skip
def test_an_empty_node_serves_what_its_cards_can_be_cut_into(
    profile: str | None, count: int
) -> None:
    """The counts are those of the MIG user guide, twice."""
    assert DraPool(stock=STOCK).free(unit(profile)) == count


def test_a_slice_takes_its_card_from_whole_card_claims() -> None:
    """One 1g on a card: the other card is the only whole one left, and 4g fits there only."""
    pool = DraPool(stock=STOCK, taken=frozenset({"n/gpu-0-mig-1g5gb-19-0"}))
    assert [pool.free(unit(one)) for one in (None, "7g.40gb", "4g.20gb", "3g.20gb")] == [1, 1, 1, 3]
    assert pool.total(unit(None)) == 2


@settings(max_examples=60, deadline=None)
@given(order=orders, wanted=st.sampled_from(PROFILES))
def test_free_is_what_can_be_allocated_at_once(order: list[int], wanted: str | None) -> None:
    """No larger set of devices fits the counters, and one of that size does: exact."""
    pool = allocated(ONE_CARD, order)
    devices = [one for one in ONE_CARD.of(unit(wanted)) if one.name not in pool.taken]

    def fits(some: tuple[int, ...]) -> bool:
        sums: dict[tuple[str, str], int] = {}
        for index in some:
            for counter, amount in devices[index].takes.items():
                sums[counter] = sums.get(counter, 0) + amount
        return all(pool.left.get(counter, 0) >= amount for counter, amount in sums.items())

    sizes = range(len(devices), -1, -1)
    every = (some for size in sizes for some in combinations(range(len(devices)), size))
    assert pool.free(unit(wanted)) == len(next(some for some in every if fits(some)))


@settings(max_examples=60, deadline=None)
@given(order=orders, wanted=st.sampled_from(GRID.profiles))
def test_counters_say_what_the_geometry_says(order: list[int], wanted: MigProfile) -> None:
    """A placement fits the counters exactly when it overlaps nothing and compute is left."""
    pool = allocated(ONE_CARD, [one for one in order if one])
    held = [device for device in ONE_CARD.devices if device.name in pool.taken]
    spots = [_spot(one.name) for one in held]
    for device in ONE_CARD.of(unit(wanted.name)):
        if device.name not in pool.taken and most_at_once([device], pool.left) == 1:
            assert conflict(GRID, spots, _spot(device.name)) is None


def _spot(name: str) -> Spot:
    part = name.removeprefix("n/gpu-0-mig-").rsplit("-", 2)
    profile = next(one for one in GRID.profiles if str(one.profile_id) == part[1])
    return spot_at(GRID, Placement(profile=profile.name, start=int(part[2])))


@settings(max_examples=80, deadline=None)
@given(order=orders, other=st.sampled_from(PROFILES), wanted=st.sampled_from(PROFILES))
def test_a_waiting_claim_never_breaks_more_than_said(
    order: list[int], other: str | None, wanted: str | None
) -> None:
    """Wherever another claim goes, no more places are lost than `breaks` says."""
    pool = allocated(STOCK, order)
    before = pool.free(unit(wanted))
    for device in STOCK.of(unit(other)):
        if device.name not in pool.taken and most_at_once([device], pool.left) == 1:
            after = DraPool(stock=STOCK, taken=pool.taken | {device.name}).free(unit(wanted))
            assert before - after <= STOCK.breaks(unit(wanted), unit(other).profile)


def test_one_more_of_the_same_costs_one() -> None:
    """A pod that waits for the same profile takes one place."""
    assert [STOCK.breaks(unit(one), unit(one).profile) for one in PROFILES] == [1] * len(PROFILES)


def test_devices_without_counters_are_each_for_themselves() -> None:
    """Slices that were cut before share nothing: as many are free as are not taken."""
    slices = NODE.slices()
    for one in slices:
        for device in one["spec"].get("devices", ()):
            del device["consumesCounters"]
    pool = DraPool(stock=read_stocks(slices)["n"], taken=frozenset({"n/gpu-0-mig-3g20gb-9-0"}))
    assert pool.free(unit("3g.20gb")) == 3
    assert pool.free(unit("1g.5gb")) == 14
