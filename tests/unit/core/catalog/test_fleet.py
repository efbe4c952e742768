"""Node groups and workloads refuse what cannot be."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from rightslice.core.catalog.fleet import Fleet, MigStrategy, NodeGroup, Quota, Team, Workload
from rightslice.core.catalog.instance import Price, PriceKind
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive, MpsShare, TimeSlice
from rightslice.core.catalog.traffic import ClosedLoop, Slo, Traffic
from rightslice.edge.catalog_files import Catalog
from rightslice.errors import InputError


def _group(**changes: Any) -> NodeGroup:  # noqa: ANN401 - fields of any type
    fields: dict[str, Any] = {
        "name": "a", "count": 1, "instance": None, "gpu": Catalog().gpu("H100-SXM-80GB"),
        "gpus_per_node": 8, "gpu_memory_bytes": None, "vcpus": None, "memory_bytes": None,
        "mig": MigStrategy.NONE, "time_slicing_replicas": None, "price": None,
    }  # fmt: skip
    return NodeGroup(**{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"count": 0}, "at least one node"),
        ({"gpus_per_node": 0}, "one GPU a node"),
        ({"gpu": Catalog().gpu("A10G-24GB"), "mig": MigStrategy.MIXED}, "has no MIG"),
        ({"mig": MigStrategy.SINGLE, "time_slicing_replicas": 2}, "either mig or timeSlicing"),
        ({"mig": MigStrategy.SINGLE, "mps_replicas": 2}, "either mig or mps"),
        ({"time_slicing_replicas": 2, "mps_replicas": 2}, "either timeSlicing or mps"),
        ({"mps_replicas": 3}, "33 % of the threads .* wrong; give 2, 4 or 8"),
        ({"mps_replicas": 49}, "at most 48"),
    ],
)
def test_impossible_node_groups_are_refused(changes: dict[str, Any], said: str) -> None:
    """Each with what would be right."""
    with pytest.raises(InputError, match=said):
        _group(**changes)


def test_how_a_whole_card_is_handed_out() -> None:
    """Alone, in turns, or to clients of MPS."""
    assert _group().whole_share == Exclusive()
    turns, clients = _group(time_slicing_replicas=4), _group(mps_replicas=2)
    assert (turns.whole_share, turns.shares_per_card) == (TimeSlice(replicas=4), 4)
    assert (clients.whole_share, clients.shares_per_card) == (MpsShare(replicas=2), 2)


def test_a_card_costs_its_part_of_the_node() -> None:
    """Exactly: a third of ten dollars stays a third."""
    price = Price(
        item="a", kind=PriceKind.OWN, region="", usd_per_hour=Decimal(10), as_of=None, source="x"
    )
    assert _group(gpus_per_node=3, price=price).card_usd_per_hour == Fraction(10, 3)
    assert _group().card_usd_per_hour is None


@pytest.mark.parametrize(("low", "high"), [(0, 1), (2, 1)])
def test_replicas_are_a_range(low: int, high: int) -> None:
    """At least one, and no more at least than at most."""
    with pytest.raises(InputError, match="min"):
        Workload(
            name="w", team="t", model=Catalog().model("facebook/opt-1.3b"),
            engine=Catalog().engine(None), server=ServerConfig(),
            traffic=Traffic(
                load=ClosedLoop(concurrency=1), input=Lengths.fixed(1), output=Lengths.fixed(1)
            ),
            slo=Slo(tpot_seconds=1), min_replicas=low, max_replicas=high,
        )  # fmt: skip


def test_a_team_is_found_by_name() -> None:
    """The fleet knows its teams."""
    team = Team(name="t", quota=Quota(resources={}))
    assert Fleet(name="f", nodes=(), teams=(team,), workloads=()).team("t") is team
