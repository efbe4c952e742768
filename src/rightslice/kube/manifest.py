"""What a manifest is: plain data in the order in which people read it.

Names follow Kubernetes' own rules: labels of RFC 1123 for objects and label values, RFC 1035 for
Services, which may not start with a digit (kubernetes/kubernetes
staging/src/k8s.io/apimachinery/pkg/util/validation/validation.go).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from rightslice.records import Json

Manifest = dict[str, Json]
"""One Kubernetes object (or configuration file), its keys in reading order."""

LONGEST_NAME: Final = 63
"""Characters of a DNS label, and of a label value."""

GROUP: Final = "rightslice.dev"
"""Prefix of our own labels and annotations."""
OWNER_LABEL: Final = f"{GROUP}/model-deployment"
"""Of Deployments and pods that serve a ModelDeployment: its name."""
REVISION_LABEL: Final = f"{GROUP}/revision"
"""Of the same: what they are made from."""


def short_name(name: str) -> str:
    """Return *name*, or its start and a hash when it is longer than a label may be.

    >>> short_name("p4d-0")
    'p4d-0'
    >>> len(short_name("a" * 80))
    63
    """
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 9].rstrip('-.')}-{digest(name)}"


def digest(text: str) -> str:
    """Return eight hex digits that change when *text* does."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def object_names(names: Iterable[str]) -> dict[str, str]:
    """Return an object name for each workload name: itself, unless it starts with a digit.

    >>> object_names(["chat", "7b-chat"])
    {'chat': 'chat', '7b-chat': 'w-7b-chat'}
    """
    wanted = list(names)
    taken = {name for name in wanted if name[0].isalpha()}
    chosen: dict[str, str] = {}
    for name in wanted:
        candidate = name
        while not candidate[0].isalpha() or (candidate != name and candidate in taken):
            candidate = short_name(f"w-{candidate}")
        taken.add(candidate)
        chosen[name] = candidate
    return chosen


def recommended_labels(name: str, *, version: str, team: str) -> Manifest:
    """Return the labels that every object of one workload carries.

    The keys are Kubernetes' recommended labels (kubernetes.io documentation, "Recommended Labels").
    """
    return {
        **selector_labels(name),
        "app.kubernetes.io/version": version,
        "app.kubernetes.io/component": "server",
        "app.kubernetes.io/managed-by": "rightslice",
        f"{GROUP}/team": team,
    }


def selector_labels(name: str) -> Manifest:
    """Return the labels that select a workload's pods; they never change."""
    return {"app.kubernetes.io/name": "vllm", "app.kubernetes.io/instance": name}
