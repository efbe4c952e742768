"""What the pods of a ModelDeployment have beside the engine: secrets, a cache, labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, ClassVar

from rightslice.kube.crd.shape import Rule, Shape, written
from rightslice.kube.crd.texts import Cpus, Memory, ObjectName


class Match(Enum):
    """How a toleration's value is compared."""

    EQUAL = "Equal"
    EXISTS = "Exists"


class Effect(Enum):
    """What a taint does to pods that do not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


@dataclass(frozen=True, kw_only=True)
class SecretKey:
    """One value of a Secret of the same namespace."""

    name: ObjectName
    """The Secret."""
    key: Annotated[str, Shape(longest=253)]
    """The value in it."""


_OURS = ("HF_HOME", "VLLM_PORT", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")


@dataclass(frozen=True, kw_only=True)
class Variable:
    """An environment variable of the server."""

    __rules__: ClassVar[tuple[Rule, ...]] = (
        Rule(
            holds="has(self.value) != has(self.secret)",
            message="give either value or secret (a name and a key)",
        ),
    )

    name: Annotated[
        str,
        Shape(
            longest=128,
            rules=(
                written("[A-Za-z_][A-Za-z0-9_]*", "must be a variable's name, as in HF_TOKEN"),
                Rule(
                    holds=f"!(self in {list(_OURS)})",
                    message="is set by rightslice: leave it out",
                ),
            ),
        ),
    ]
    """As in ``HF_TOKEN``."""
    value: Annotated[str, Shape(longest=4096)] | None = None
    """Its text, for all to read."""
    secret: SecretKey | None = None
    """Where its text is kept."""


@dataclass(frozen=True, kw_only=True)
class Toleration:
    """A taint of nodes that the pods put up with, as of a pod itself."""

    __rules__: ClassVar[tuple[Rule, ...]] = (
        Rule(
            holds="has(self.key) || self.operator == 'Exists'",
            message="give a key, or the operator Exists, which is every taint",
        ),
        Rule(
            holds="self.operator == 'Equal' || !has(self.value)",
            message="a value goes with the operator Equal: leave it out",
        ),
    )

    key: Annotated[str, Shape(longest=317)] | None = None
    """Absent, with ``Exists``: every taint."""
    operator: Match = Match.EQUAL
    """``Equal`` to the value, or ``Exists``."""
    value: Annotated[str, Shape(longest=63)] | None = None
    """Of the taint."""
    effect: Effect | None = None
    """Absent: every effect."""


_NAME = "([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_VALUE = "([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"
_NAMED = (
    Rule(
        holds=f"self.all(key, key.size() <= 253 && key.matches('^{_NAME}$'))",
        message="a name must be letters, digits, dashes, dots and underscores, at most 63, with a"
        " domain and a slash before it or without: team, or example.com/team",
    ),
    Rule(
        holds="self.all(key, !key.startsWith('rightslice.dev/')"
        " && !key.startsWith('app.kubernetes.io/'))",
        message="names of rightslice.dev/ and app.kubernetes.io/ are set by rightslice",
    ),
)
_VALUED = Rule(
    holds=f"self.all(key, self[key].matches('^{_VALUE}$'))",
    message="a label's value must be at most 63 letters, digits, dashes, dots and underscores",
)


@dataclass(frozen=True, kw_only=True)
class PodSettings:
    """What every pod of a ModelDeployment gets; another setting is another revision of it."""

    cpu: Cpus | None = None
    """CPUs that a pod asks for. Absent: one, and one more for each card that it spans."""
    memory: Memory | None = None
    """Memory of the node that a pod asks for. Absent: for each card that it spans 2 GiB and the
    largest file of the checkpoint, at most 5 GB."""
    env: Annotated[tuple[Variable, ...], Shape(longest=32, key="name")] = ()
    """Variables of the server. ``HF_TOKEN`` comes from the Secret ``hf-token`` unless given."""
    model_cache: ObjectName | None = None
    """A PersistentVolumeClaim for what is downloaded; absent: a folder that ends with the pod.
    All its pods mount it, so that it has to be one that several nodes may share."""
    node_selector: (
        Annotated[Mapping[str, str], Shape(longest=16, rules=(_NAMED[0], _VALUED))] | None
    ) = None
    """Labels of the nodes that the pods may run on: only what these have is offered."""
    tolerations: Annotated[tuple[Toleration, ...], Shape(longest=16)] = ()
    """Taints that the pods put up with, beside that of GPU nodes (``nvidia.com/gpu``)."""
    service_account: ObjectName | None = None
    """The pods' ServiceAccount; its token is not mounted."""
    pull_secrets: Annotated[tuple[ObjectName, ...], Shape(longest=8)] = ()
    """Secrets for the image's registry."""
    priority_class: ObjectName | None = None
    """The pods' PriorityClass: what the scheduler preempts, and for whom."""
    labels: Annotated[Mapping[str, str], Shape(longest=16, rules=(*_NAMED, _VALUED))] | None = None
    """Further labels of the pods."""
    annotations: Annotated[Mapping[str, str], Shape(longest=16, rules=_NAMED)] | None = None
    """Further annotations of the pods."""
