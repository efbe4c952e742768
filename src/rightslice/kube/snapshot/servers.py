"""The servers of a cluster: which objects make them, what they ask, how many replicas they have.

A server is what owns its pods: a Deployment, StatefulSet, LeaderWorkerSet or InferenceService; a
pod whose owner is not in the snapshot counts with its siblings. What KServe or LeaderWorkerSet
make of their own objects is counted once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from rightslice.core.catalog.fleet import Workload
from rightslice.core.catalog.share import MpsShare, TimeSlice
from rightslice.core.catalog.together import Apart
from rightslice.core.catalog.traffic import ClosedLoop, OpenLoop, Traffic
from rightslice.errors import InputError
from rightslice.kube.admission.offers import is_gpu
from rightslice.kube.parse.decoded import at, mapping, text
from rightslice.kube.parse.parse import parse_objects, parse_pod
from rightslice.kube.parse.question import Asked, Defaults, Lookups, question_of
from rightslice.kube.parse.values import Parsed
from rightslice.kube.snapshot.bounds import NodeBounds, bounds_of
from rightslice.kube.snapshot.holders import Decoded, Held, Key, owner_of
from rightslice.kube.snapshot.value import Snapshot

_MAKERS: Final = ("Deployment", "StatefulSet", "LeaderWorkerSet", "InferenceService")
_KSERVE_LABEL: Final = "serving.kserve.io/inferenceservice"
_GROUP_LABEL: Final = "leaderworkerset.sigs.k8s.io/name"
_MOST_REPLICAS: Final = 100_000


@dataclass(frozen=True, kw_only=True)
class Server:
    """One thing that runs on GPUs now, or would."""

    key: Key
    replicas: int
    held: tuple[Held, ...]
    parsed: Parsed | None
    """None when the object cannot be read; the reason is in `problem`."""
    priority: int = 0
    bounds: NodeBounds | None = field(default=None, repr=False)
    """Which nodes its pods may go to; None: not known."""
    problem: str | None = None

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return self.key[1]

    @property
    def title(self) -> str:
        """Kind, namespace and name, for messages."""
        return f"{self.key[0]} {self.key[1]}/{self.key[2]}"


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A server that says enough to be planned."""

    server: Server
    workload: Workload
    assumed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A server, or another holder of GPUs, that the plan leaves where it is, and why."""

    name: str
    namespace: str
    object_kind: str
    replicas: int
    holds: tuple[str, ...]
    """What its pods hold now: ``2 x nvidia.com/gpu``."""
    reasons: tuple[str, ...]


def servers_of(snapshot: Snapshot, held: tuple[Held, ...]) -> tuple[Server, ...]:
    """Return every server of *snapshot*, and whatever else holds a GPU, sorted by key."""
    by_owner: dict[Key, list[Held]] = {}
    for one in held:
        by_owner.setdefault(one.owner, []).append(one)
    found = dict(_made(snapshot, by_owner))
    orphans: dict[Key, list[Decoded]] = {}
    for pod in snapshot.of("Pod"):
        owner = owner_of(pod)
        running = at(pod, "status", "phase") not in ("Succeeded", "Failed")
        if owner not in found and running and (owner in by_owner or _serves(pod)):
            orphans.setdefault(owner, []).append(pod)
    for owner, pods in orphans.items():
        parsed, problem = _parsed(pods[0], snapshot)
        found[owner] = Server(
            key=owner,
            replicas=len(pods),
            held=tuple(by_owner.get(owner, ())),
            parsed=parsed,
            priority=_priority(pods[0]),
            bounds=_bounds(pods[0], by_owner.get(owner, ())),
            problem=problem,
        )
    return tuple(found[key] for key in sorted(found))


def _made(snapshot: Snapshot, by_owner: Mapping[Key, list[Held]]) -> Iterator[tuple[Key, Server]]:
    kserve = _labelled(snapshot, _KSERVE_LABEL)
    for kind in _MAKERS:
        for one in snapshot.of(kind):
            key = kind, text(at(one, "metadata", "namespace")) or "", _name(one)
            if kind == "InferenceService" and key[1:] in kserve:
                continue
            if kind == "StatefulSet" and _GROUP_LABEL in mapping(at(one, "metadata", "labels")):
                continue
            parsed, problem = _parsed(one, snapshot)
            template = _template(one)
            held = tuple(by_owner.get(key, ()))
            if not held and problem is None and (parsed is None or not parsed.is_vllm_server):
                continue
            yield key, Server(
                key=key, replicas=_replicas(one), held=held, parsed=parsed,
                priority=_priority(template), bounds=_bounds(template, held), problem=problem,
            )  # fmt: skip


def _labelled(snapshot: Snapshot, label: str) -> set[tuple[str, str]]:
    """Return namespace and name of what a label of Deployments and pods names."""
    found = set()
    for kind in ("Deployment", "Pod"):
        for one in snapshot.of(kind):
            name = text(mapping(at(one, "metadata", "labels")).get(label))
            if name is not None:
                found.add((text(at(one, "metadata", "namespace")) or "", name))
    return found


def _serves(pod: Decoded) -> bool:
    """Whether the snapshot kept the pod's command lines: it has an accelerator, or vLLM in it."""
    containers = at(pod, "spec", "containers")
    return isinstance(containers, list) and any("image" in mapping(one) for one in containers)


def _parsed(given: Decoded, snapshot: Snapshot) -> tuple[Parsed | None, str | None]:
    try:
        if given.get("kind") != "InferenceService":
            return parse_pod(given), None
        namespace = at(given, "metadata", "namespace")
        runtimes = [
            one for one in snapshot.of("ServingRuntime")
            if at(one, "metadata", "namespace") == namespace
        ]  # fmt: skip
        every = parse_objects([given, *runtimes, *snapshot.of("ClusterServingRuntime")])
    except InputError as error:
        return None, str(error)
    return next((one for one in every if one.origin.object_kind == "InferenceService"), None), None


def _replicas(given: Decoded) -> int:
    spec = mapping(given.get("spec"))
    count = spec.get("replicas", at(spec, "predictor", "minReplicas"))
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= _MOST_REPLICAS:
        return 1
    return count


def _priority(template: Decoded) -> int:
    priority = at(template, "spec", "priority")
    return priority if isinstance(priority, int) and not isinstance(priority, bool) else 0


def _template(one: Decoded) -> Decoded:
    """Return the pod template of a maker; KServe writes the pod's fields into the predictor."""
    match one.get("kind"):
        case "InferenceService":
            return {"spec": mapping(at(one, "spec", "predictor"))}
        case "LeaderWorkerSet":
            group = mapping(at(one, "spec", "leaderWorkerTemplate"))
            return mapping(group.get("leaderTemplate")) or mapping(group.get("workerTemplate"))
        case _:
            return mapping(at(one, "spec", "template"))


def _bounds(template: Decoded, held: Sequence[Held]) -> NodeBounds:
    labels = mapping(at(template, "metadata", "labels"))
    nodes = (one.node for one in held if one.node)
    return bounds_of(mapping(template.get("spec")), labels, nodes)


def _name(given: Decoded) -> str:
    return text(at(given, "metadata", "name")) or "?"


def judge(server: Server, name: str, lookups: Lookups, defaults: Defaults) -> Planned | LeftOut:
    """Return the workload that *server* asks for, or why the plan leaves it where it is."""
    reasons = _why_not(server)
    if reasons:
        return left_out(server, reasons)
    assert server.parsed is not None
    asked = question_of(server.parsed, lookups, defaults)
    if not isinstance(asked, Asked):
        return left_out(server, asked.reasons)
    question, assumed = asked.question, list(asked.assumed)
    if server.replicas > 1:
        assumed.append(f"load: as stated for each of its {server.replicas} replicas")
    if server.bounds is not None:
        assumed += server.bounds.not_followed
    config = question.server
    if config.gpu_memory_utilization is not None and _is_shared(server.held):
        share = f"gpu-memory-utilization {config.gpu_memory_utilization:g}"
        assumed.append(f"flags: {share} is a part of a card that it shares now, and is not kept")
        config = replace(config, gpu_memory_utilization=None)
    workload = Workload(
        name=name,
        team=server.namespace or "default",
        priority=server.priority,
        model=question.model,
        engine=question.engine,
        server=config,
        tensor_parallel=question.tensor_parallel,
        traffic=_times(question.traffic, server.replicas),
        slo=question.slo,
        min_replicas=server.replicas,
        max_replicas=server.replicas,
        isolation=question.isolation,
        confidence=question.confidence,
        apart=Apart.NOTHING if server.bounds is None else server.bounds.apart,
    )
    return Planned(server=server, workload=workload, assumed=tuple(assumed))


def _is_shared(held: tuple[Held, ...]) -> bool:
    """Whether its pods run on cards in turns, or under MPS."""
    return any(
        one.device is not None and isinstance(one.device.share, TimeSlice | MpsShare)
        for one in held
    )


def _why_not(server: Server) -> tuple[str, ...]:  # noqa: PLR0911 - one return a reason
    parsed = server.parsed
    if parsed is None:
        return (server.problem or "it cannot be read",)
    if not parsed.is_vllm_server:
        return ("it runs no vLLM server that its manifest shows",)
    if parsed.mode == "off":
        return ("its annotation rightslice.dev/mode is off",)
    if server.replicas == 0:
        return ("it is scaled to 0 replicas",)
    resource = parsed.gpu_resource
    if resource is not None and not is_gpu(resource):
        return (f"it asks for {resource}, which is no NVIDIA GPU",)
    if resource is None and not parsed.claims and not server.held:
        return ("it asks for no GPU",)
    return ()


def left_out(server: Server, reasons: tuple[str, ...]) -> LeftOut:
    """Return *server* as one that the plan leaves where it is."""
    return LeftOut(
        name=server.key[2],
        namespace=server.namespace,
        object_kind=server.key[0],
        replicas=server.replicas,
        holds=held_text(server.held),
        reasons=reasons,
    )


def held_text(held: tuple[Held, ...]) -> tuple[str, ...]:
    """Return what pods hold, summed by resource."""
    sums: dict[str, int] = {}
    for one in held:
        name = one.resource
        if one.resource == "DRA" and one.device is not None:
            name = one.device.label
        sums[name] = sums.get(name, 0) + one.count
    return tuple(f"{count} x {name}" for name, count in sorted(sums.items()))


def devices_text(held: tuple[Held, ...]) -> tuple[str, ...]:
    """Return the devices that pods hold, summed."""
    sums: dict[str, int] = {}
    for one in held:
        label = "unknown device" if one.device is None else one.device.label
        sums[label] = sums.get(label, 0) + one.count
    return tuple(f"{count} x {label}" for label, count in sorted(sums.items()))


def _times(traffic: Traffic, replicas: int) -> Traffic:
    """Return the load of all replicas together."""
    load = traffic.load
    if isinstance(load, ClosedLoop):
        return replace(traffic, load=ClosedLoop(concurrency=load.concurrency * replicas))
    return replace(traffic, load=OpenLoop(requests_per_second=load.requests_per_second * replicas))
