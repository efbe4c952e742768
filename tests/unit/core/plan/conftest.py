"""Small fleets to plan: node groups, teams and workloads from short descriptions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from rightslice.core.catalog.fleet import Fleet, MigStrategy, NodeGroup, Quota, Team, Workload
from rightslice.core.catalog.instance import Price, PriceKind
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.traffic import ClosedLoop, Slo, Traffic
from rightslice.core.plan.plan import plan
from rightslice.core.plan.result import Plan
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import fitted_constants

CATALOG = Catalog()
TODAY = dt.date(2026, 11, 22)


def _group(name: str, **changes: Any) -> NodeGroup:  # noqa: ANN401 - fields of any type
    dollars = changes.pop("dollars", "10.00")
    price = dollars and Price(
        item=name, kind=PriceKind.OWN, region="", usd_per_hour=Decimal(dollars), as_of=TODAY,
        source="test",
    )  # fmt: skip
    fields: dict[str, Any] = {
        "name": name, "count": 1, "instance": None, "gpu": CATALOG.gpu("H100-SXM-80GB"),
        "gpus_per_node": 2, "gpu_memory_bytes": None, "vcpus": None, "memory_bytes": None,
        "mig": MigStrategy.MIXED, "time_slicing_replicas": None, "price": price,
    }  # fmt: skip
    if isinstance(changes.get("gpu"), str):
        changes["gpu"] = CATALOG.gpu(changes["gpu"])
    return NodeGroup(**{**fields, **changes})


def _workload(name: str, **changes: Any) -> Workload:  # noqa: ANN401 - fields of any type
    length = Lengths.fixed(128)
    load = ClosedLoop(concurrency=changes.pop("clients", 8))
    fields: dict[str, Any] = {
        "name": name, "team": "team", "model": CATALOG.model("facebook/opt-1.3b"),
        "engine": CATALOG.engine(None), "server": ServerConfig(),
        "traffic": Traffic(load=load, input=length, output=length),
        "slo": Slo(tpot_seconds=0.05),
    }  # fmt: skip
    if isinstance(changes.get("model"), str):
        changes["model"] = CATALOG.model(changes["model"])
    return Workload(**{**fields, **changes})


def _fleet(nodes: list[NodeGroup], workloads: list[Workload], **quota: Any) -> Fleet:  # noqa: ANN401 - limits of any type
    limits = Quota(**{"resources": {}, **quota})
    teams = (Team(name="team", quota=limits), Team(name="free", quota=Quota(resources={})))
    return Fleet(name="fleet", nodes=tuple(nodes), teams=teams, workloads=tuple(workloads))


@pytest.fixture(scope="session")
def group() -> Callable[..., NodeGroup]:
    """Build a node group: two H100 cards in one node, strategy mixed, ten dollars."""
    return _group


@pytest.fixture(scope="session")
def workload() -> Callable[..., Workload]:
    """Build a workload: opt-1.3b, eight clients, 50 ms, of the team ``team``."""
    return _workload


@pytest.fixture(scope="session")
def fleet() -> Callable[..., Fleet]:
    """Build a fleet of the teams ``team`` (with the quota given) and ``free``."""
    return _fleet


@pytest.fixture(scope="session")
def planned() -> Callable[..., Plan]:
    """Plan a fleet with the shipped constants."""

    def answer(nodes: list[NodeGroup], workloads: list[Workload], **quota: Any) -> Plan:  # noqa: ANN401 - limits of any type
        return plan(_fleet(nodes, workloads, **quota), constants=fitted_constants(), today=TODAY)

    return answer
