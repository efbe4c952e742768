"""Decoded ModelDeployments, Deployments and Models -> what a pass decides about.

The operator and everybody who asks what it would do (`plan --cluster`, `kubectl rightslice`) put
their objects together here, so that they decide about the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from rightslice.kube.admission.settings import Mode
from rightslice.kube.operate.view import OWNER_LABEL, Key, Served, read_running, read_served
from rightslice.kube.parse.decoded import at, items, mapping, text, words

Decoded = Mapping[str, object]
_COMPONENT: Final = {
    "app.kubernetes.io/name": "rightslice", "app.kubernetes.io/component": "operator",
}  # fmt: skip
"""Labels of the operator's own Deployment, as the chart has them."""


@dataclass(frozen=True, kw_only=True)
class OperatorRules:
    """How the operator of a cluster was started, as far as decisions rest on it."""

    ceiling: Mode = Mode.ENFORCE
    """The most that a spec can ask for."""
    settle_seconds: float = 600.0
    """How long a cheaper offer has to do before it is taken."""
    origin: str = "assumed: no Deployment of the operator was seen"
    """Where this was read."""


def object_key(given: Decoded) -> Key:
    """Return namespace and name of a decoded object."""
    metadata = mapping(given.get("metadata"))
    return text(metadata.get("namespace")) or "", text(metadata.get("name")) or ""


def owner_key(deployment: Decoded) -> Key | None:
    """Return the ModelDeployment that *deployment* says it belongs to; None: to none."""
    owner = text(mapping(at(deployment, "metadata", "labels")).get(OWNER_LABEL))
    return None if owner is None else (object_key(deployment)[0], owner)


def served_of(
    model_deployments: Iterable[Decoded], deployments: Iterable[Decoded]
) -> dict[Key, Served]:
    """Return each ModelDeployment that is not being deleted, with the Deployments it owns."""
    running: dict[Key, list[Decoded]] = {}
    for one in deployments:
        owner = owner_key(one)
        if owner is not None:
            running.setdefault(owner, []).append(one)
    found = {}
    for one in model_deployments:
        if at(one, "metadata", "deletionTimestamp") is None:
            key = object_key(one)
            parts = [read_running(each) for each in running.get(key, []) if owns(one, each)]
            found[key] = read_served(one, tuple(each for each in parts if each is not None))
    return found


def owns(owner: Decoded, one: Decoded) -> bool:
    """Whether *one* names *owner*, by its uid, among its owners."""
    uid = at(owner, "metadata", "uid")
    return any(at(each, "uid") == uid for each in items(at(one, "metadata", "ownerReferences")))


def operator_rules(deployments: Iterable[Decoded]) -> OperatorRules:
    """Return how the operator that *deployments* run was started, by its arguments."""
    for one in deployments:
        if not is_operator(one):
            continue
        said: dict[str, str] = {}
        for container in items(at(one, "spec", "template", "spec", "containers")):
            arguments = words(mapping(container).get("args"))
            said |= {name: value for name, _, value in (word.partition("=") for word in arguments)}
        name = "/".join(part for part in object_key(one) if part)
        return _rules(said, f"arguments of Deployment {name}")
    return OperatorRules()


def is_operator(deployment: Decoded) -> bool:
    """Whether *deployment* runs the operator, by the chart's labels."""
    labels = mapping(at(deployment, "metadata", "labels"))
    return all(labels.get(key) == value for key, value in _COMPONENT.items())


def _rules(said: Mapping[str, str], origin: str) -> OperatorRules:
    ceiling = said.get("--ceiling", Mode.ADVISE.value)
    settle = said.get("--settle", "")
    is_number = settle.replace(".", "", 1).isdecimal() and settle.isascii()
    return OperatorRules(
        ceiling=next((one for one in Mode if one.value == ceiling), Mode.ADVISE),
        settle_seconds=float(settle) if is_number else OperatorRules.settle_seconds,
        origin=origin,
    )
