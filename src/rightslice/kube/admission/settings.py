"""How far the webhook may go: off, advise, enforce; by namespace, by pod, and at most.

A namespace's label sets the mode of its pods, a pod's annotation its own. Neither can go beyond
the ceiling that the cluster's administrator set. The order is off < advise < enforce.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from rightslice.kube.manifest import GROUP
from rightslice.kube.parse.question import Defaults

MODE_LABEL: Final = f"{GROUP}/mode"
"""Label of a namespace, and annotation of a pod."""


class Mode(Enum):
    """What may happen to a pod."""

    OFF = "off"
    """Nothing: it is not looked at."""
    ADVISE = "advise"
    """Annotations, warnings, events: nothing that changes how it runs."""
    ENFORCE = "enforce"
    """Its GPU request is replaced."""

    @property
    def reach(self) -> int:
        """How far it goes: 0, 1, 2."""
        return list(Mode).index(self)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the administrator set."""

    mode: Mode = Mode.ADVISE
    """Of namespaces without the label."""
    ceiling: Mode = Mode.ENFORCE
    """The most that a label or an annotation can ask for."""
    defaults: Defaults = field(default_factory=Defaults)
    """Confidence, isolation, and the vLLM release of images whose tag names none."""


@dataclass(frozen=True, kw_only=True)
class ModeFound:
    """The mode of one pod, and what of it was written wrongly."""

    mode: Mode
    problem: str | None = None


def mode_of(
    pod_says: str | None, namespace_labels: Mapping[str, str], settings: Settings
) -> ModeFound:
    """Return the mode of a pod: its own word, else its namespace's, else the default.

    A word that is no mode counts as absent and is told: a slip never makes the webhook go further.

    Args:
        pod_says: the pod's annotation, or None.
        namespace_labels: labels of its namespace.
        settings: default and ceiling.
    """
    mode, problem = settings.mode, None
    for source, word in (("namespace label", namespace_labels.get(MODE_LABEL)),
                         ("annotation", pod_says)):  # fmt: skip
        if word is None:
            continue
        try:
            mode = Mode(word.strip().lower())
        except ValueError:
            allowed = ", ".join(one.value for one in Mode)
            problem = f"{source} {MODE_LABEL}: {word[:40]!r} is none of {allowed}"
    return ModeFound(mode=min(mode, settings.ceiling, key=lambda one: one.reach), problem=problem)
