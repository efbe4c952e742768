"""What a cluster has against what it needs, server by server: the plan of a snapshot.

Dollars are list shares on both sides: a slice pays its part of its card (`core.cost.share`), so
the sums compare. Money comes back when nodes go; those that the plan leaves empty are named.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.fleet import NodeGroup
from rightslice.core.catalog.resource import extended_resource
from rightslice.core.catalog.share import MigSlice
from rightslice.core.cost.bill import cents
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.fit.result import Candidate, Refused
from rightslice.core.plan.plan import plan
from rightslice.core.plan.result import NotPlaced, Plan, WorkloadPlan
from rightslice.kube.operate.decided import Decided
from rightslice.kube.snapshot.claims import CARD_CLASS, MIG_CLASS
from rightslice.kube.snapshot.fleet import ClusterFleet, Rules, Sources, fleet_of
from rightslice.kube.snapshot.holders import Held
from rightslice.kube.snapshot.ours import compared, not_held_back
from rightslice.kube.snapshot.result import ClusterPlan, Comparison, Current, Proposed, Savings
from rightslice.kube.snapshot.servers import LeftOut, Planned, devices_text, held_text
from rightslice.kube.snapshot.value import Snapshot

_IDLE_NOTE = "nothing runs on "


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What a plan is made with."""

    constants: FittedConstants
    today: dt.date
    time_limit_seconds: float = 3.0
    decided: tuple[Decided, ...] = ()
    """What the operator decides about the snapshot's ModelDeployments."""


def plan_cluster(snapshot: Snapshot, sources: Sources, rules: Rules, asking: Asking) -> ClusterPlan:
    """Return what the cluster in *snapshot* has, what it needs, and what that saves.

    Args:
        snapshot: one moment of the cluster.
        sources: catalogue and prices.
        rules: what may change.
        asking: constants, the day, the time limit.

    Raises:
        InputError: when the snapshot holds no fleet.
        UnavailableError: when the solver found no plan in its time.
    """
    cluster = fleet_of(snapshot, sources, rules)
    answer = plan(
        cluster.fleet, constants=asking.constants, today=asking.today,
        time_limit_seconds=asking.time_limit_seconds,
    )  # fmt: skip
    servers = tuple(
        _compared(planned, item, cluster)
        for planned, item in zip(cluster.planned, answer.workloads, strict=True)
    )
    ours = tuple(compared(asking.decided, cluster.seen.held, cluster.owners))
    servers += tuple(one for one in ours if isinstance(one, Comparison))
    named = _named(answer, cluster)
    return ClusterPlan(
        taken_at=snapshot.taken_at,
        savings=_savings(servers, named, cluster),
        servers=servers,
        left_out=(*cluster.left_out, *(one for one in ours if isinstance(one, LeftOut))),
        problems=cluster.problems,
        assumed=(*cluster.assumed, *not_held_back(asking.decided)),
        plan=named,
        model_deployments=asking.decided,
    )


def _named(answer: Plan, cluster: ClusterFleet) -> Plan:
    """Return *answer* with the real names of the nodes, and without notes on what others hold."""
    names = {
        f"{group}-{index}": node
        for group, nodes in cluster.grouped.nodes.items()
        for index, node in enumerate(nodes)
    }
    return replace(
        answer,
        cards=tuple(replace(card, node=names[card.node]) for card in answer.cards),
        notes=tuple(note for note in answer.notes if not note.startswith(_IDLE_NOTE)),
    )


def _compared(planned: Planned, item: WorkloadPlan, cluster: ClusterFleet) -> Comparison:
    server = planned.server
    current = _current(planned, item, cluster)
    proposed = _proposed(item, cluster)
    saved = None
    if proposed is not None and None not in (current.usd_per_hour, proposed.usd_per_hour):
        saved = (current.usd_per_hour or Decimal(0)) - (proposed.usd_per_hour or Decimal(0))
    outcome = item.outcome
    if isinstance(outcome, NotPlaced):
        reason = f"{outcome.reason}; would help: {outcome.remedy}"
    else:
        reason = next(
            (f"not {one.offer}: {one.reason}" for one in reversed(outcome.passed)),
            "no offer is cheaper",
        )
    return Comparison(
        name=item.name,
        namespace=server.namespace,
        object_kind=server.key[0],
        object_name=server.key[2],
        current=current,
        proposed=proposed,
        saved_usd_per_hour=saved,
        reason=reason,
        assumed=planned.assumed,
    )


def _current(planned: Planned, item: WorkloadPlan, cluster: ClusterFleet) -> Current:
    held = planned.server.held
    bound = tuple(one for one in held if one.node)
    prices = _card_prices(cluster)
    amounts = [_amount(one, prices) for one in bound]
    known = [one for one in amounts if one is not None]
    waiting = len({(one.namespace, one.pod) for one in held if not one.node})
    complete = bool(bound) and not waiting and len(known) == len(amounts)
    return Current(
        resources=held_text(bound),
        devices=devices_text(bound),
        replicas=planned.server.replicas,
        waiting=waiting,
        usd_per_hour=cents(sum(known, Fraction(0))) if complete else None,
        verdict=_verdict(bound, item.recommendation.candidates),
    )


def _card_prices(cluster: ClusterFleet) -> dict[str, Fraction | None]:
    """Return what a card of each node costs an hour."""
    groups = {group.name: group for group in cluster.fleet.nodes}
    return {
        node: groups[name].card_usd_per_hour
        for name, nodes in cluster.grouped.nodes.items()
        for node in nodes
    }


def _amount(one: Held, prices: Mapping[str, Fraction | None]) -> Fraction | None:
    price = prices.get(one.node)
    return None if price is None or one.device is None else one.cards * price


def _verdict(held: tuple[Held, ...], candidates: Iterable[Candidate]) -> str:
    """Return whether what it has holds its load, by the candidate of the same device."""
    devices = {(one.device.label, one.count) for one in held if one.device is not None}
    if not held:
        return "none of its pods runs"
    if len(devices) != 1 or any(one.device is None for one in held):
        return "not judged: its replicas hold different devices, or unknown ones"
    label, count = next(iter(devices))
    for one in candidates:
        if one.offer.device.label != label or one.offer.tensor_parallel != count:
            continue
        outcome = one.outcome
        return outcome.reason if isinstance(outcome, Refused) else "holds"
    return f"not judged: {count} x {label} is not among the offers"


def _proposed(item: WorkloadPlan, cluster: ClusterFleet) -> Proposed | None:
    placed = item.placed
    if placed is None:
        return None
    offer, holds = placed.candidate.offer, placed.candidate.holds
    assert holds is not None
    group = next(one for one in cluster.fleet.nodes if one.name == offer.pool)
    cost = holds.usd_per_hour
    return Proposed(
        offer=offer.name,
        resource=f"{offer.tensor_parallel} x {_resource(group, offer.device, cluster)}",
        replicas=placed.replicas,
        usd_per_hour=None if cost is None else cents(cost),
        headroom_ratio=holds.headroom_ratio,
    )


def _resource(group: NodeGroup, device: Device, cluster: ClusterFleet) -> str:
    """Return what a pod asks for: an extended resource, or a device of a DRA class."""
    share = device.share
    if group.name not in cluster.grouped.by_claim:
        return extended_resource(group.mig, share)
    if isinstance(share, MigSlice):
        return f"{MIG_CLASS} {share.profile} (DRA claim)"
    return f"{CARD_CLASS} (DRA claim)"


def _savings(servers: tuple[Comparison, ...], answer: Plan, cluster: ClusterFleet) -> Savings:
    counted = [one for one in servers if one.saved_usd_per_hour is not None]
    now = sum((one.current.usd_per_hour or Decimal(0) for one in counted), Decimal(0))
    saved = sum((one.saved_usd_per_hour or Decimal(0) for one in counted), Decimal(0))
    busy = {card.node for card in answer.cards if not card.idle}
    groups = {card.node: card.group for card in answer.cards if card.node not in busy}
    free = tuple(
        sorted(node for node, group in groups.items() if group.name in cluster.grouped.whole)
    )
    prices = [price.usd_per_hour for node in free if (price := groups[node].price) is not None]
    held_now = {one.node for one in cluster.seen.held}
    return Savings(
        usd_per_hour_now=now if counted else None,
        usd_per_hour_proposed=now - saved if counted else None,
        saved_usd_per_hour=saved if counted else None,
        servers_counted=len(counted),
        nodes_free=free,
        nodes_free_usd_per_hour=sum(prices, Decimal(0)) if len(prices) == len(free) else None,
        nodes_idle_now=tuple(node for node in free if node not in held_now),
    )
