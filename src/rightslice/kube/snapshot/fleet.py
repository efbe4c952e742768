"""A snapshot -> the fleet that every verb plans, with what was assumed and what was left out.

Teams are namespaces, their quotas what ResourceQuotas allow of NVIDIA's resources. GPUs that
others hold (training, servers that say no load) are no part of the fleet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from rightslice.core.catalog.fleet import Fleet, Quota, Team
from rightslice.core.catalog.resource import WHOLE
from rightslice.core.catalog.together import Apart
from rightslice.errors import InputError
from rightslice.kube.admission.offers import is_gpu
from rightslice.kube.cluster.hardware import NodeHardware, hardware_of
from rightslice.kube.cluster.read import read_cluster
from rightslice.kube.cluster.view import Cluster, ClusterNode, ResourceQuota
from rightslice.kube.crd.definition import MODEL_DEPLOYMENT
from rightslice.kube.parse.question import NO_DEFAULTS, Defaults, Lookups
from rightslice.kube.snapshot.bounds import likeness_by
from rightslice.kube.snapshot.claims import DraView, read_dra
from rightslice.kube.snapshot.groups import Facts, Grouped, NodeCards, cards_of, group_nodes
from rightslice.kube.snapshot.holders import Held, Key, cards_held, holders
from rightslice.kube.snapshot.owners import OwnerKey, owners_of
from rightslice.kube.snapshot.servers import (
    LeftOut,
    Planned,
    Server,
    judge,
    left_out,
    servers_of,
)
from rightslice.kube.snapshot.value import Snapshot

_NOT_ON: Final = "nodes: by its selector"
_ONE_EACH: Final = "nodes: its anti-affinity to its own pods"
_DEVICES: Final = ".deviceclass.resource.k8s.io/devices"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How a snapshot is read where it leaves a choice."""

    name: str = "cluster"
    """The fleet's name."""
    keeps_mig: bool = False
    """Whether nodes keep the ``mig.strategy`` that they have; else cards may be cut that can be."""
    defaults: Defaults = NO_DEFAULTS
    """Confidence, isolation, and the vLLM release of images whose tag names none."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What reading a snapshot needs beside it."""

    facts: Facts
    lookups: Lookups


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a snapshot says of hardware and of who holds it."""

    cluster: Cluster
    hardware: Mapping[str, NodeHardware]
    cards: tuple[NodeCards, ...]
    """Of every node that is ready and whose cards are known."""
    held: tuple[Held, ...]
    dra: DraView
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ClusterFleet:
    """A fleet as a cluster has it now."""

    fleet: Fleet
    grouped: Grouped
    planned: tuple[Planned, ...]
    """In the order of the fleet's workloads."""
    left_out: tuple[LeftOut, ...]
    """Servers and other holders of GPUs that are not planned."""
    problems: tuple[str, ...]
    """Objects and nodes that could not be read or used, and why."""
    assumed: tuple[str, ...]
    seen: Seen = field(repr=False)
    owners: Mapping[Key, OwnerKey] = field(default_factory=dict)
    """Deployments that belong to ModelDeployments, which are not planned here."""


def look(snapshot: Snapshot, facts: Facts) -> Seen:
    """Return the hardware in *snapshot* and who holds it.

    Raises:
        InputError: when it has no nodes, or pods could not be listed.
    """
    lacking = {one.object_kind: one.reason for one in snapshot.not_read}
    for kind in ("Node", "Pod"):
        if kind in lacking and not snapshot.of(kind):
            raise InputError(f"the snapshot has no {kind}s ({lacking[kind]}): no fleet without")
    if not snapshot.of("Node"):
        raise InputError("the snapshot has no Nodes: add them, as `kubectl get nodes -o json`")
    read = read_cluster(snapshot.objects)
    problems = [*read.problems]
    problems += [f"{one.object_kind}s are not all known: {one.reason}" for one in snapshot.not_read]
    hardware = {one.name: hardware_of(one, facts.gpu) for one in read.cluster.nodes}
    dra = read_dra(snapshot.of("ResourceSlice"), snapshot.of("ResourceClaim"))
    cards = tuple(_cards(read.cluster, hardware, dra, (facts, problems)))
    return Seen(
        cluster=read.cluster,
        hardware=hardware,
        cards=cards,
        held=holders(snapshot.of("Pod"), hardware, dra, facts.gpu),
        dra=dra,
        problems=tuple(problems),
    )


def _cards(
    cluster: Cluster,
    hardware: Mapping[str, NodeHardware],
    dra: DraView,
    context: tuple[Facts, list[str]],
) -> Iterable[NodeCards]:
    facts, problems = context
    by_claim = dra.cards()
    for node in cluster.nodes:
        try:
            found = cards_of(node, hardware[node.name], by_claim.get(node.name), facts)
        except InputError as error:
            problems.append(f"node {node.name} is left out: {error}")
            continue
        if found is None:
            continue
        if not node.is_ready:
            problems.append(f"node {node.name} is left out: it is not ready, or cordoned")
            continue
        yield found


def fleet_of(snapshot: Snapshot, sources: Sources, rules: Rules) -> ClusterFleet:
    """Return the fleet in *snapshot*.

    Raises:
        InputError: when it has no nodes with GPUs that can be planned, or lacks nodes or pods.
    """
    seen = look(snapshot, sources.facts)
    owners = owners_of(snapshot)
    servers = tuple(one for one in servers_of(snapshot, seen.held) if one.key not in owners)
    planned, left = _judged(servers, sources.lookups, rules.defaults)
    planned, grouped, barred = _grouped(planned, seen, sources.facts, keeps_mig=rules.keeps_mig)
    ours = {one.server.key for one in planned}
    others = tuple(one for one in seen.held if one.owner not in ours)
    if not grouped.groups and (planned or not snapshot.of(MODEL_DEPLOYMENT.kind)):
        raise InputError(
            "the cluster has no GPU that can be planned: "
            + ("; ".join((*seen.problems, *grouped.left_out)) or "no node hands out an NVIDIA GPU")
        )
    teams, notes = _teams(planned, others, seen.cluster)
    workloads = tuple(one.workload for one in planned)
    return ClusterFleet(
        fleet=Fleet(name=rules.name, nodes=grouped.groups, teams=teams, workloads=workloads),
        grouped=grouped,
        planned=planned,
        left_out=(*left, *barred),
        problems=(*seen.problems, *grouped.left_out),
        assumed=(*grouped.assumed, *notes),
        seen=seen,
        owners=owners,
    )


def _grouped(
    planned: tuple[Planned, ...], seen: Seen, facts: Facts, *, keeps_mig: bool
) -> tuple[tuple[Planned, ...], Grouped, tuple[LeftOut, ...]]:
    """Return the node groups, the servers with those that they may use, and those without any.

    Who may use none stays where it is, and holds its cards: then the groups are others.
    """
    barred: list[LeftOut] = []
    while True:
        ours = {one.server.key for one in planned}
        others = tuple(one for one in seen.held if one.owner not in ours)
        bounds = [one.server.bounds for one in planned if one.server.bounds is not None]
        grouped = group_nodes(
            seen.cards,
            cards_held(others),
            facts,
            keeps_mig=keeps_mig,
            apart=likeness_by(bounds),
        )
        nodes = {one.node.name: one.node for one in seen.cards}
        placed = [_bounded(one, grouped, nodes) for one in planned]
        kept = tuple(one for one in placed if one.workload.groups != frozenset())
        if not grouped.groups or len(kept) == len(placed):
            return (planned if not grouped.groups else kept), grouped, tuple(barred)
        barred += [
            left_out(one.server, ("nodes: none that its pods may use has a GPU left to plan",))
            for one in placed
            if one.workload.groups == frozenset()
        ]
        planned = tuple(replace(one, workload=replace(one.workload, groups=None)) for one in kept)


def _bounded(one: Planned, grouped: Grouped, nodes: Mapping[str, ClusterNode]) -> Planned:
    """Return *one* with the groups that its pods may use; those that are ruled out are told."""
    bounds = one.server.bounds
    if bounds is None:
        return one
    allowed = [name for name, members in grouped.nodes.items() if bounds.allows(nodes[members[0]])]
    out = [name for name in grouped.nodes if name not in allowed]
    told = [f"{_NOT_ON}, affinity or tolerations not on {', '.join(out)}"] if out else []
    workload = replace(one.workload, groups=frozenset(allowed) if out else None)
    most = max((len(grouped.nodes[name]) for name in allowed), default=0)
    if workload.apart is Apart.NODE and most < workload.min_replicas:
        # A plan keeps a server's replicas in one group; refusing it would be no answer.
        workload = replace(workload, apart=Apart.NOTHING)
        told.append(f"{_ONE_EACH} is not followed: no group that it may use has as many nodes")
    known = (text for text in one.assumed if not text.startswith((_NOT_ON, _ONE_EACH)))
    return replace(one, workload=workload, assumed=(*known, *told))


def _judged(
    servers: tuple[Server, ...], lookups: Lookups, defaults: Defaults
) -> tuple[tuple[Planned, ...], tuple[LeftOut, ...]]:
    names = _names(servers)
    judged = [judge(one, names[one.key], lookups, defaults) for one in servers]
    planned = tuple(one for one in judged if isinstance(one, Planned))
    return planned, tuple(one for one in judged if isinstance(one, LeftOut))


def _names(servers: tuple[Server, ...]) -> dict[Key, str]:
    """Return a name for each server: its own, with namespace and kind where others share it."""
    by_name = Counter(one.key[2] for one in servers)
    by_place = Counter(one.key[1:] for one in servers)
    found: dict[Key, str] = {}
    taken: set[str] = set()
    for kind, namespace, name in (one.key for one in servers):
        trial = name
        if by_name[name] > 1 or name in taken:
            trial = f"{namespace}-{name}"
        if by_place[namespace, name] > 1 or trial in taken:
            trial = f"{namespace}-{name}-{kind.lower()}"
        while trial in taken:
            trial += "-2"
        taken.add(trial)
        found[kind, namespace, name] = trial
    return found


def _teams(
    planned: tuple[Planned, ...], others: tuple[Held, ...], cluster: Cluster
) -> tuple[tuple[Team, ...], list[str]]:
    notes: list[str] = []
    teams = []
    for name in sorted({one.workload.team for one in planned}):
        resources: dict[str, int] = {}
        for quota in cluster.quotas_of(name):
            notes += _not_counted(quota)
            for key, limit in {} if quota.is_scoped else quota.hard.items():
                resource = key.removeprefix("requests.")
                if is_gpu(resource):
                    taken = sum(one.count for one in others
                                if one.namespace == name and one.resource == resource)  # fmt: skip
                    left = max(int(limit) - taken, 0)
                    resources[resource] = min(left, resources.get(resource, left))
        if WHOLE in resources and len(resources) == 1:
            notes.append(
                f"team {name}: its quota counts {WHOLE}, and no slices: these are not limited"
            )
        teams.append(Team(name=name, quota=Quota(resources=resources)))
    return tuple(teams), notes


def _not_counted(quota: ResourceQuota) -> list[str]:
    where = f"ResourceQuota {quota.namespace}/{quota.name}"
    gpus = [key for key in quota.hard if is_gpu(key.removeprefix("requests."))]
    if quota.is_scoped and gpus:
        return [f"{where} counts some pods only, and is passed over"]
    return [f"{where}: {key} is not planned" for key in quota.hard if key.endswith(_DEVICES)]
