"""A fleet's nodes as the packer sees them, and each workload's offers as choices among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, assert_never

from rightslice.core.catalog.fleet import Fleet, MigStrategy, NodeGroup, Team, Workload
from rightslice.core.catalog.resource import extended_resource
from rightslice.core.catalog.share import Exclusive, MigSlice, MpsShare, TimeSlice
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
    steers the packing only; no bill is made from it.
    """
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
        )
        for group in fleet.nodes
    )


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


def choice_of(candidate: Candidate, group: NodeGroup, team: Team) -> Choice | None:
    """Return *candidate* as a choice of the packer; None when it does not hold the load.

    Without a price its part of a card counts, so that small slices go before large ones.
    """
    replicas, offer = candidate.replicas, candidate.offer
    if not replicas:
        return None
    cost = candidate.usd_per_hour
    return Choice(
        pool=offer.pool,
        slot=slot_of(offer),
        slots_needed=replicas * offer.tensor_parallel,
        usd_per_hour=float((offer.cards or 1) * replicas if cost is None else cost),
        same_node=offer.tensor_parallel,
        uses=uses(offer, replicas, group, team),
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
