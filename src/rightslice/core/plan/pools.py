"""A fleet's nodes as the packer sees them, and each workload's offers as choices among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import inf
from typing import Final, assert_never

from rightslice.core.catalog.fleet import Fleet, MigStrategy, NodeGroup, Team, Workload
from rightslice.core.catalog.mig import slice_share
from rightslice.core.catalog.resource import extended_resource
from rightslice.core.catalog.share import Exclusive, MigSlice, MpsShare, TimeSlice
from rightslice.core.catalog.together import Apart
from rightslice.core.fit.result import Candidate, Offer
from rightslice.core.packing.demand import (
    SHARED,
    WHOLE,
    Choice,
    Demand,
    Pool,
    PoolMode,
    PoolNode,
)

_LARGEST_WEIGHT: Final = 1e6
"""Beyond it a solver's tolerances would blur the lowest priorities."""


def pools_of(fleet: Fleet) -> tuple[Pool, ...]:
    """Return one pool a node group.

    A group without a price counts as dear as the dearest known one: its cards are used last. That
    steers the packing only; no bill is made from it. CPU and memory of nodes bind once a workload
    says what it asks for: parts of a node alone always fit.
    """
    has_asks = asks_for_host(fleet)
    known = [group.card_usd_per_hour for group in fleet.nodes if group.card_usd_per_hour]
    dearest = float(max(known, default=0))
    return tuple(
        Pool(
            name=group.name,
            mode=_mode(group),
            nodes=tuple(
                PoolNode(name=f"{group.name}-{index}", cards=group.gpus_per_node)
                for index in range(group.count)
            ),
            card_usd_per_hour=(
                dearest if group.card_usd_per_hour is None else float(group.card_usd_per_hour)
            ),
            grid=None if group.mig is MigStrategy.NONE else group.gpu.mig,
            replicas=group.shares_per_card,
            node_cpu_cores=_limit(group.pods_cpu_cores, binds=has_asks),
            node_memory_bytes=_limit(group.pods_memory_bytes, binds=has_asks),
        )
        for group in fleet.nodes
    )


def asks_for_host(fleet: Fleet) -> bool:
    """Return whether any workload says what CPU or memory its replicas ask for."""
    return any(
        workload.pod_cpu_cores is not None or workload.pod_memory_bytes is not None
        for workload in fleet.workloads
    )


def _limit(amount: Fraction | None, *, binds: bool) -> float:
    return float(amount) if binds and amount is not None else inf


def _mode(group: NodeGroup) -> PoolMode:
    if group.shares_per_card > 1:
        return PoolMode.SHARED
    match group.mig:
        case MigStrategy.NONE:
            return PoolMode.WHOLE
        case MigStrategy.SINGLE:
            return PoolMode.UNIFORM
        case MigStrategy.MIXED:
            return PoolMode.SLICED
        case _:
            assert_never(group.mig)


def slot_of(offer: Offer) -> str:
    """Return the slot of a card that *offer* takes, as the packer names it."""
    match offer.device.share:
        case Exclusive():
            return WHOLE
        case MigSlice(profile=profile):
            return str(profile)
        case TimeSlice() | MpsShare():
            return SHARED
        case _:
            assert_never(offer.device.share)


def limits_of(teams: Iterable[Team]) -> dict[str, float]:
    """Return every quota as a named limit."""
    limits: dict[str, float] = {}
    for team in teams:
        quota = team.quota
        if quota.cards is not None:
            limits[f"{team.name}: GPUs"] = float(quota.cards)
        if quota.usd_per_hour is not None:
            limits[f"{team.name}: USD per hour"] = float(quota.usd_per_hour)
        for name, count in quota.resources.items():
            limits[f"{team.name}: {name}"] = float(count)
    return limits


def uses(
    offer: Offer, replicas: int, group: NodeGroup, team: Team
) -> tuple[tuple[str, float], ...]:
    """Return what *replicas* of *offer* take of *team*'s quota, limit by limit."""
    quota, amounts = team.quota, []
    if quota.cards is not None and offer.cards is not None:
        amounts.append((f"{team.name}: GPUs", float(offer.cards * replicas)))
    if quota.usd_per_hour is not None and offer.usd_per_hour is not None:
        amounts.append((f"{team.name}: USD per hour", float(offer.usd_per_hour * replicas)))
    resource = extended_resource(group.mig, offer.device.share)
    if resource in quota.resources:
        amounts.append((f"{team.name}: {resource}", float(replicas * offer.tensor_parallel)))
    return tuple(amounts)


def host_ask(workload: Workload, offer: Offer, group: NodeGroup) -> tuple[float, float]:
    """Return CPU (cores) and memory (bytes) that one replica of *offer* takes of a node.

    What the workload says; else its part of what the node gives its pods, by memory of the cards.
    So slices that say nothing always fit beside each other. 0 where the node's is not known.
    """
    part = _card_part(offer, group) * offer.tensor_parallel / group.gpus_per_node
    cpu, memory = workload.pod_cpu_cores, workload.pod_memory_bytes
    return (
        float(part * (group.pods_cpu_cores or 0)) if cpu is None else cpu,
        float(part * (group.pods_memory_bytes or 0)) if memory is None else float(memory),
    )


def _card_part(offer: Offer, group: NodeGroup) -> Fraction:
    share, profile = offer.device.share, offer.device.profile
    if not isinstance(share, MigSlice):
        return Fraction(1, group.shares_per_card)
    assert group.gpu.mig is not None
    assert profile is not None
    part = slice_share(group.gpu.mig, profile)
    assert part is not None, "only slices of known grids are offered to a plan"
    return part.memory


def choice_of(
    candidate: Candidate, group: NodeGroup, team: Team, workload: Workload
) -> Choice | None:
    """Return *candidate* as a choice of the packer; None when it does not hold the load.

    Without a price its part of a card counts, so that small slices go before large ones.
    """
    replicas, offer = candidate.replicas, candidate.offer
    if not replicas:
        return None
    cost = candidate.usd_per_hour
    cpu_cores, memory_bytes = host_ask(workload, offer, group)
    return Choice(
        pool=offer.pool,
        slot=slot_of(offer),
        slots_needed=replicas * offer.tensor_parallel,
        usd_per_hour=float((offer.cards or 1) * replicas if cost is None else cost),
        same_node=offer.tensor_parallel,
        uses=uses(offer, replicas, group, team),
        cpu_cores=cpu_cores,
        memory_bytes=memory_bytes,
        apart=workload.apart if replicas > 1 else Apart.NOTHING,
        preference=workload.preference if replicas > 1 else None,
    )


def demands_of(
    workloads: Sequence[Workload], choices: Mapping[str, Sequence[Choice]]
) -> tuple[Demand, ...]:
    """Return one demand a workload; a higher priority outweighs all lower ones together."""
    weights = _weights([workload.priority for workload in workloads])
    return tuple(
        Demand(
            key=workload.name,
            weight=weights[workload.priority],
            choices=tuple(choices[workload.name]),
        )
        for workload in workloads
    )


def _weights(priorities: Sequence[int]) -> dict[int, float]:
    """Return a weight a priority: more than all lower workloads together, while numbers allow.

    With so many levels that this would pass a million, the weight is one more a level: a higher
    priority then still goes before a lower one, but not before any number of them.
    """
    levels = sorted(set(priorities))
    weights: dict[int, float] = {}
    total = 0.0
    for level in levels:
        weights[level] = 1 + total
        total += weights[level] * priorities.count(level)
    if total > _LARGEST_WEIGHT:
        return {level: 1.0 + rank for rank, level in enumerate(levels)}
    return weights
