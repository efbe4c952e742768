"""Kubernetes objects that others wrote -> the workloads in them, field by field.

`parse_pod` is for one object at a time (the webhook), `parse_objects` for the documents of a file,
which may refer to each other (ConfigMaps, KServe runtimes). Nothing is guessed: what the manifest
does not say is None, what it says in a way that cannot be read is refused by name.
Known gap: scripts and programs inside an image are not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from rightslice.errors import InputError
from rightslice.kube.parse.container import (
    IMAGE,
    OPAQUE,
    Running,
    assumed_serving,
    read_running,
    runs_another_program,
)
from rightslice.kube.parse.controllers import Decode, Hints, Surroundings, hints_of
from rightslice.kube.parse.decoded import DEEPEST, at, items, mapping, text, word
from rightslice.kube.parse.load import merged, stated_sla
from rightslice.kube.parse.notes import Notes
from rightslice.kube.parse.places import Place, find_places
from rightslice.kube.parse.server import describe_other, describe_server
from rightslice.kube.parse.values import Origin, Parsed, ParsedLoad

_RUNTIMES: Final = frozenset({"ServingRuntime", "ClusterServingRuntime"})
_NO_WORKLOADS: Final = frozenset(
    {"ConfigMap", "Secret", "CustomResourceDefinition", "Role", "ClusterRole", "Node",
     "ValidatingAdmissionPolicy", "HTTPRoute", "Ingress", "PersistentVolumeClaim", "Namespace",
     "ServiceAccount", "Event", "ResourceClaimTemplate", "Kustomization", "ScaledObject"}
)  # fmt: skip
_MOST_SCRIPTS: Final = 200
_GROUP_SIZE: Final = "leaderworkerset.sigs.k8s.io/size"


def parse_pod(pod: object) -> Parsed:
    """Return what *pod* (decoded JSON of a Pod, or of any object that makes pods) runs.

    Raises:
        InputError: when it is no Kubernetes object with a container.
    """
    document = mapping(pod)
    if not document:
        raise InputError("not a Kubernetes object: a mapping with kind and spec is wanted")
    parsed = _parse(document, Surroundings())
    if parsed is None:
        raise InputError("no container in it: a Pod, or an object that makes pods, is wanted")
    return parsed


def parse_objects(objects: Sequence[object], *, decode: Decode | None = None) -> list[Parsed]:
    """Return one answer for each of *objects* that holds a workload, in their order.

    *decode* reads YAML text inside YAML (ConfigMaps, ``serveConfigV2``); without it that text is
    refused.

    Raises:
        InputError: when an object has more parts than any manifest.
    """
    documents = [one for given in objects for one in _flat(given, 0)]
    around = _surroundings(documents, decode)
    used = _used_runtimes(documents, around)
    found = []
    for document in documents:
        kind = text(document.get("kind"))
        named = text(at(document, "metadata", "name"))
        if kind in _NO_WORKLOADS or (kind in _RUNTIMES and named in used):
            continue
        parsed = _parse(document, around)
        if parsed is not None:
            found.append(parsed)
    return _with_load_of_clients(found)


def _flat(given: object, depth: int) -> list[Mapping[str, object]]:
    document = mapping(given)
    kind = text(document.get("kind")) or ""
    if kind.endswith("List") and isinstance(document.get("items"), list) and depth < DEEPEST:
        return [one for item in items(document["items"]) for one in _flat(item, depth + 1)]
    return [document] if document else []


def _surroundings(documents: Sequence[Mapping[str, object]], decode: Decode | None) -> Surroundings:
    config_maps: dict[str, dict[str, str]] = {}
    runtimes: dict[str, Mapping[str, object]] = {}
    for document in documents:
        name, kind = text(at(document, "metadata", "name")), text(document.get("kind"))
        if name is not None and kind == "ConfigMap":
            data = mapping(document.get("data"))
            config_maps[name] = {key: word(item) or "" for key, item in data.items()}
        elif name is not None and kind in _RUNTIMES:
            runtimes[name] = document
    return Surroundings(config_maps=config_maps, runtimes=runtimes, decode=decode)


def _used_runtimes(
    documents: Sequence[Mapping[str, object]], around: Surroundings
) -> frozenset[str]:
    """Return the runtimes that an InferenceService of the same file is put together with."""
    services = [one for one in documents if one.get("kind") == "InferenceService"]
    names = set()
    for service in services:
        model = mapping(at(service, "spec", "predictor", "model"))
        name = text(model.get("runtime"))
        if name is not None:
            names.add(name)
        elif model and len(around.runtimes) == 1:
            names |= set(around.runtimes)
    return frozenset(names)


def _parse(document: Mapping[str, object], around: Surroundings) -> Parsed | None:
    notes = Notes()
    hints = hints_of(document, around, notes)
    places = find_places(document) if hints.place is None else [_annotated(hints.place, document)]
    if not places and hints.serves:
        places = [Place(container={}, name=None)]
    if not places:
        return None
    scripts = _scripts(around)
    running = [
        read_running(place, around.config_maps, scripts, hints.environment) for place in places
    ]
    origin = _origin(document)
    serving = _server(running, hints, notes)
    if serving is None:
        parsed = describe_other(running, around, notes)
    else:
        parsed = describe_server(_completed(serving, running), running, hints, around, notes)
    if text(document.get("kind")) != "Pod":
        parsed = _with_sla(parsed, document)
    size = hints.group_size or _labelled_size(document)
    return replace(parsed, origin=origin, group_size=size)


def _annotated(place: Place, document: Mapping[str, object]) -> Place:
    """Return a place that was put together with the annotations of its object, which pods get."""
    own = mapping(at(document, "metadata", "annotations"))
    of_predictor = mapping(at(document, "spec", "predictor", "annotations"))
    return replace(place, annotations={**own, **of_predictor, **place.annotations})


def _with_sla(parsed: Parsed, document: Mapping[str, object]) -> Parsed:
    """Add load and targets of an ``sla`` block."""
    load, slo = stated_sla(document)
    own = merged(parsed.load or ParsedLoad(), load)
    return replace(parsed, load=None if own.is_empty else own, slo=parsed.slo or slo)


def _completed(serving: Running, running: Sequence[Running]) -> Running:
    """Fill what a patch leaves out (image, resources) from the template of the same name."""
    place = serving.place
    if place.name is None or (serving.image is not None and mapping(place.resources)):
        return serving
    for other in running:
        if other is not serving and other.place.name == place.name:
            resources = place.resources if mapping(place.resources) else other.place.resources
            return replace(
                serving,
                place=replace(place, resources=resources),
                image=serving.image or other.image,
            )
    return serving


def _server(running: Sequence[Running], hints: Hints, notes: Notes) -> Running | None:
    """Return the container that serves, or None; the surest first, then the order of reading."""
    if hints.serves is False:
        return None
    surest = max((one.sure for one in running), default=0)
    if not surest and not hints.serves:
        return None
    if not surest:
        first = next((one for one in running if not one.makes_load), running[0])
        if runs_another_program(first):
            return None
        notes.assume("is_vllm_server", hints.why)
        return assumed_serving(first)
    chosen = next(one for one in running if one.sure == surest)
    plain = chosen.image is not None and chosen.image.serves_vllm
    if surest == IMAGE and (not plain or chosen.place.container.get("command")):
        notes.assume("is_vllm_server", "no command says so; the flags are vLLM's")
    if surest == OPAQUE:
        notes.assume("is_vllm_server", "the image is vLLM's; what its command runs is not seen")
        notes.refuse("flags", "its command runs a file that is not in the manifest")
    others = sum(one.sure == surest for one in running) - 1 + chosen.more_servers
    if others:
        notes.assume("container", f"{others} more in it serve with vLLM; this is the first")
    return chosen


def _labelled_size(document: Mapping[str, object]) -> int | None:
    size = word(at(document, "metadata", "annotations", _GROUP_SIZE)) or ""
    return int(size) if size.isdecimal() and size.isascii() and len(size) < 5 else None


def _origin(document: Mapping[str, object]) -> Origin:
    metadata = mapping(document.get("metadata"))
    return Origin(
        api_version=text(document.get("apiVersion")),
        object_kind=text(document.get("kind")),
        name=text(metadata.get("name")) or text(metadata.get("generateName")),
        namespace=text(metadata.get("namespace")),
    )  # fmt: skip


def _scripts(around: Surroundings) -> dict[str, str]:
    """Return the files that ConfigMaps at hand hold, by name."""
    files: dict[str, str] = {}
    for data in around.config_maps.values():
        for name, written in data.items():
            if len(files) < _MOST_SCRIPTS and "\n" in written:
                files[name] = written
    return files


def _with_load_of_clients(found: list[Parsed]) -> list[Parsed]:
    """Give the only server of a file the load that a client beside it makes."""
    servers = [one for one in found if one.is_vllm_server]
    clients = [one for one in found if not one.is_vllm_server and one.load is not None]
    if len(servers) != 1 or len(clients) != 1 or servers[0].load is not None:
        return found
    client = clients[0]
    why = f"made by {client.origin.object_kind} {client.origin.name} of the same file"
    server = replace(
        servers[0], load=client.load, assumed={**servers[0].assumed, "load": why}
    )  # fmt: skip
    return [server if one is servers[0] else one for one in found]
