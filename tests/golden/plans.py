"""Plans from short descriptions, so that a test says what matters and no more.

Every number that a planner would work out is a literal here: the goldens change when a renderer
does, not when a prediction gets better. ``tests/unit/kube`` reads this file too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.estimate import Band, Estimate
from rightslice.core.catalog.fleet import Fleet, MigStrategy, NodeGroup, Quota, Team, Workload
from rightslice.core.catalog.instance import InstanceType
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.mig import Placement, ProfileName
from rightslice.core.catalog.model import Model, ModelName
from rightslice.core.catalog.question import Question
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import MigSlice, Share
from rightslice.core.catalog.source import Source
from rightslice.core.catalog.traffic import ClosedLoop, Slo, Traffic
from rightslice.core.cost.share import card_share
from rightslice.core.fit.result import Candidate, Holds, Judged, Offer, Recommendation
from rightslice.core.perf.result import Bound, Capacity, Latency, Prediction
from rightslice.core.plan.result import (
    CardPlan,
    NotPlaced,
    Passed,
    Placed,
    Plan,
    Slot,
    WorkloadCost,
    WorkloadPlan,
)
from rightslice.core.sizing.result import EffectiveFlags, Fits, KvPool, MemoryTerm, Sizing
from rightslice.edge.catalog_files import Catalog
from rightslice.units import GIB

_CATALOG = Catalog()
_SOURCE = Source(text="a test", date="2026-11-01")


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node group; ``instance`` names its type, for the label."""

    name: str = "a100"
    gpu: str = "A100-SXM-40GB"
    count: int = 1
    gpus_per_node: int = 8
    mig: str = "none"
    time_slicing: int | None = None
    mps: int | None = None
    instance: str | None = None
    vcpus: int | None = 96
    memory_gib: int | None = 1152


@dataclass(frozen=True, kw_only=True)
class Serve:
    """A workload: what it holds, and where its replicas are: ``[node, card, start]`` each."""

    name: str = "chat"
    team: str = "search"
    model: str = "meta-llama/Llama-3.1-8B-Instruct"
    version: str = "0.33.0"
    pool: str = "a100"
    profile: str | None = None
    tensor_parallel: int = 1
    replicas: int = 1
    at: Sequence[Sequence[Any]] = ()
    flags: Mapping[str, Any] = field(default_factory=dict)
    passed: Sequence[str] = ()
    not_placed: str | None = None
    also: Sequence[str] = ()
    """Other profiles that hold the load."""


def build_plan(described: Mapping[str, Any]) -> Plan:
    """Return the plan that *described* names: ``nodes``, ``layouts``, ``workloads``, ``notes``."""
    groups = tuple(_group(Node(**node)) for node in described["nodes"])
    serves = [Serve(**serve) for serve in described.get("workloads", [])]
    workloads = tuple(_workload_plan(serve, groups) for serve in serves)
    fleet = Fleet(
        name=described.get("name", "test-fleet"),
        nodes=groups,
        teams=tuple(
            Team(name=name, quota=Quota(resources={}))
            for name in dict.fromkeys(serve.team for serve in serves)
        ),
        workloads=tuple(item.workload for item in workloads),
    )
    return Plan(
        fleet=fleet,
        workloads=workloads,
        cards=_cards(groups, described.get("layouts", {}), serves),
        teams=(),
        bill=None,
        prices=(),
        proven_gap_ratio=0.0,
        notes=tuple(described.get("notes", ())),
    )


def _group(node: Node) -> NodeGroup:
    gpu = _CATALOG.gpu(node.gpu)
    memory = None if node.memory_gib is None else node.memory_gib * GIB
    instance = None if node.instance is None else InstanceType(
        name=node.instance, cloud="aws", gpu=gpu.name, gpu_label=node.gpu,
        gpu_count=node.gpus_per_node, vcpus=node.vcpus, memory_bytes=memory,
        efa_interfaces=None, source=_SOURCE,
    )  # fmt: skip
    return NodeGroup(
        name=node.name, count=node.count, instance=instance, gpu=gpu,
        gpus_per_node=node.gpus_per_node, gpu_memory_bytes=None, vcpus=node.vcpus,
        memory_bytes=memory, mig=MigStrategy(node.mig),
        time_slicing_replicas=node.time_slicing, mps_replicas=node.mps, price=None,
    )  # fmt: skip


def _cards(
    groups: Sequence[NodeGroup], layouts: Mapping[str, Any], serves: Sequence[Serve]
) -> tuple[CardPlan, ...]:
    cards = []
    for group in groups:
        for index in range(group.count):
            for card in range(group.gpus_per_node):
                node = f"{group.name}-{index}"
                layout = layouts.get(f"{node}/{card}", [])
                cards.append(
                    CardPlan(
                        node=node, group=group, card=card,
                        layout=tuple(sorted(_placement(*spot) for spot in layout)),
                        slots=_slots(node, card, serves),
                        replicas=group.shares_per_card,
                    )
                )  # fmt: skip
    return tuple(cards)


def _placement(profile: str, start: int) -> Placement:
    return Placement(profile=ProfileName(profile), start=start)


def _slots(node: str, card: int, serves: Sequence[Serve]) -> tuple[Slot, ...]:
    return tuple(
        Slot(
            workload=serve.name,
            replica=index // serve.tensor_parallel,
            placement=None if serve.profile is None else _placement(serve.profile, place[2]),
        )
        for serve in serves
        for index, place in enumerate(serve.at)
        if (place[0], place[1]) == (node, card)
    )


def _workload_plan(serve: Serve, groups: Sequence[NodeGroup]) -> WorkloadPlan:
    workload = _workload(serve)
    group = next(group for group in groups if group.name == serve.pool)
    candidate = _candidate(serve, workload, group)
    outcome: Placed | NotPlaced = Placed(
        candidate=candidate,
        replicas=serve.replicas,
        cost=WorkloadCost(
            usd_per_hour=Decimal("1.37"),
            usd_per_month=Decimal("1000.10"),
            usd_per_million_tokens=Decimal("0.42"),
        ),
        passed=tuple(Passed(offer=f"{group.gpu.name} cheaper", reason=why) for why in serve.passed),
    )
    if serve.not_placed is not None:
        outcome = NotPlaced(reason=serve.not_placed, remedy="one more node")
    question = Question(
        model=workload.model, engine=workload.engine, server=workload.server,
        traffic=workload.traffic, slo=workload.slo,
    )  # fmt: skip
    recommendation = Recommendation(
        question=question, chosen=candidate, best_effort=None, at_point_estimate=None,
        candidates=(candidate, *(_candidate(replace(serve, profile=name), workload, group)
                                 for name in serve.also)),
    )  # fmt: skip
    return WorkloadPlan(workload=workload, recommendation=recommendation, outcome=outcome)


def _workload(serve: Serve) -> Workload:
    model = Model(
        name=ModelName(serve.model), family="llama", hidden_size=4096, vocab_size=128256,
        max_position=131072, checkpoint_dtype="bfloat16", layers=(), shared=(),
        ties_embeddings=False, quantization=None, checkpoint_bytes=16_060_000_000,
    )  # fmt: skip
    return Workload(
        name=serve.name,
        team=serve.team,
        model=model,
        engine=_CATALOG.engine(serve.version),
        server=ServerConfig(tensor_parallel=serve.tensor_parallel, **serve.flags),
        traffic=Traffic(
            load=ClosedLoop(concurrency=64), input=Lengths.fixed(512), output=Lengths.fixed(128)
        ),
        slo=Slo(tpot_seconds=0.03, ttft_seconds=0.5),
        max_replicas=max(1, serve.replicas),
    )


def _share(serve: Serve, group: NodeGroup) -> Share:
    if serve.profile is not None:
        return MigSlice(profile=ProfileName(serve.profile))
    return group.whole_share


def _candidate(serve: Serve, workload: Workload, group: NodeGroup) -> Candidate:
    device = device_of(group.gpu, _share(serve, group))
    share = card_share(device)
    offer = Offer(
        device=device, tensor_parallel=serve.tensor_parallel, pool=group.name,
        instance=group.instance, price=None,
        cards=None if share is None else share * serve.tensor_parallel,
        usd_per_hour=Fraction(137, 100),
    )  # fmt: skip
    holds = Holds(
        replicas=serve.replicas, usd_per_hour=Fraction(137, 100), headroom_ratio=0.2
    )  # fmt: skip
    sizing = Sizing(
        model=workload.model, device=device, engine=workload.engine, server=workload.server,
        flags=_flags(serve, workload.server),
        terms=(
            MemoryTerm(name="weights", size_bytes=Band.exact(16 * GIB), formula="", source=""),
        ),
        kv=KvPool(
            size_bytes=Band(2 * GIB, 3 * GIB, 4 * GIB), bytes_per_token=131072,
            blocks=Band(1024, 1536, 2048), tokens=Band(16384, 24576, 32768),
            full_length_requests=6.0,
        ),
        verdict=Fits(headroom_bytes=GIB, probability=0.99),
    )  # fmt: skip
    judged = Judged(outcome=holds, sizing=sizing, prediction=_prediction(workload.traffic))
    return Candidate(offer=offer, judgement=judged)


def _flags(serve: Serve, server: ServerConfig) -> EffectiveFlags:
    flags = EffectiveFlags(
        gpu_memory_utilization=0.9, kv_cache_memory_bytes=server.kv_cache_memory_bytes,
        max_model_len=4096, max_num_seqs=64, max_num_batched_tokens=2048, dtype="bfloat16",
        kv_cache_dtype="auto", block_size=16, tensor_parallel=serve.tensor_parallel,
        pipeline_parallel=server.pipeline_parallel, expert_parallel=server.expert_parallel,
        enforce_eager=server.enforce_eager, chunked_prefill=True, prefix_caching=True,
        explained=(),
    )  # fmt: skip
    if server.gpu_memory_utilization is None:
        return flags
    return replace(flags, gpu_memory_utilization=server.gpu_memory_utilization)


def _latency(seconds: float) -> Latency:
    one = Estimate(seconds, 0.1)
    return Latency(mean=one, p50=one, p90=one.scaled(1.2), p95=one.scaled(1.3), p99=one.scaled(1.5))


def _prediction(traffic: Traffic) -> Prediction:
    return Prediction(
        traffic=traffic, running=64.0, waiting=0.0, tpot=_latency(0.02), ttft=_latency(0.2),
        end_to_end=_latency(2.76), output_tokens_per_second=Estimate(3200.0, 0.1),
        requests_per_second=Estimate(25.0, 0.1),
        capacity=Capacity(sequences=80, sequences_low=70, limit="KV cache"),
        utilization=0.8, bound=Bound.MEMORY_BANDWIDTH, terms=(),
    )  # fmt: skip
