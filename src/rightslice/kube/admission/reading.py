"""What a pod says of itself, whatever the cluster is: read once for all pods of one template."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from rightslice.core.catalog.question import Question
from rightslice.errors import InputError
from rightslice.kube.admission.arguments import Wish, takes_flags, wish_of
from rightslice.kube.admission.hands_off import hands_off
from rightslice.kube.admission.offers import PodNeeds, is_gpu, needs_of
from rightslice.kube.cluster.volumes import claim_names
from rightslice.kube.parse.decoded import at, items, mapping
from rightslice.kube.parse.parse import parse_pod
from rightslice.kube.parse.question import Defaults, Lookups, NotAsked, question_of
from rightslice.kube.parse.values import Parsed


@dataclass(frozen=True, kw_only=True)
class Server:
    """A pod that serves with vLLM on NVIDIA GPUs."""

    container: int
    """Index of the serving container."""
    current: str
    """``1 x nvidia.com/gpu``: what it asks for."""
    problems: tuple[str, ...] = ()
    """Why it cannot be sized: what is not said, or cannot be read."""
    beyond: str | None = None
    """What else decides about its node, so that it is left alone."""
    assumed: tuple[str, ...] = ()
    wish: Wish = field(default_factory=Wish)
    question: Question | None = None
    """None where `problems` or `beyond` say why."""
    needs: PodNeeds | None = None
    """Beside the GPU; there with the question."""
    claims: tuple[str, ...] = ()
    """PersistentVolumeClaims that it mounts."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A pod as it was read; `server` is None where it is no server, or `problem` says why."""

    server: Server | None = None
    problem: str | None = None


Read = Callable[[Mapping[str, object], str], Reading]
"""Of a pod and its namespace."""


def reader(lookups: Lookups, defaults: Defaults) -> Read:
    """Return `read_pod` with what it looks up, and what stands in for what a pod does not say."""
    return lambda pod, namespace: read_pod(pod, namespace, lookups, defaults)


def read_pod(
    pod: Mapping[str, object], namespace: str, lookups: Lookups, defaults: Defaults
) -> Reading:
    """Return what *pod* of *namespace* says of itself; never raises for what a pod may hold."""
    try:
        return Reading(server=_server(pod, namespace, lookups, defaults))
    except InputError as error:
        return Reading(problem=str(error))


def _server(
    pod: Mapping[str, object], namespace: str, lookups: Lookups, defaults: Defaults
) -> Server | None:
    parsed = parse_pod(pod)
    resource, index = parsed.gpu_resource, _index(pod, parsed)
    if not parsed.is_vllm_server or index is None or resource is None or not is_gpu(resource):
        return None
    server = Server(container=index, current=f"{parsed.gpu_count or 1} x {resource}")
    asked = question_of(parsed, lookups, defaults)
    if isinstance(asked, NotAsked):
        return replace(server, problems=asked.reasons, assumed=asked.assumed)
    server = replace(server, assumed=asked.assumed)
    beyond = hands_off(pod, index, parsed)
    if beyond is not None:
        return replace(server, beyond=beyond)
    wish = wish_of(mapping(at(pod, "metadata", "annotations")))
    can_set = wish.sets and takes_flags(items(at(pod, "spec", "containers"))[index])
    ranks = asked.question.tensor_parallel or 1
    return replace(
        server,
        wish=wish,
        question=replace(asked.question, tensor_parallel=ranks, flags_open=can_set),
        needs=needs_of(pod, namespace, ranks),
        claims=claim_names(mapping(pod.get("spec"))),
    )


def _index(pod: Mapping[str, object], parsed: Parsed) -> int | None:
    names = [mapping(one).get("name") for one in items(at(pod, "spec", "containers"))]
    if parsed.container is None:
        return 0 if len(names) == 1 else None
    return names.index(parsed.container) if parsed.container in names else None
