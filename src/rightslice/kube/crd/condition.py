"""A status condition, as Kubernetes' own objects have it (metav1.Condition)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Annotated, Final

from rightslice.kube.crd.shape import Shape

LONGEST_MESSAGE: Final = 2048


class ConditionStatus(Enum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One thing that is true of an object, or not, and why."""

    type: Annotated[str, Shape(longest=63)]
    """What it speaks of: ``Accepted``, ``Recommended`` ..."""
    status: ConditionStatus
    """Whether it is so."""
    reason: Annotated[str, Shape(longest=63)]
    """Why, in one word for programs."""
    message: Annotated[str, Shape(longest=LONGEST_MESSAGE)] = ""
    """Why, in words, with what to change."""
    last_transition_time: Annotated[str, Shape(longest=40)] = ""
    """When the status last changed."""
    observed_generation: int = 0
    """The generation of the spec that it speaks of."""


def carried_over(
    conditions: Iterable[Condition], before: Iterable[Condition], now: str
) -> tuple[Condition, ...]:
    """Return *conditions*, each since when its status is what it is: *now*, or as *before*."""
    known = {one.type: one for one in before}
    found = []
    for one in conditions:
        last = known.get(one.type)
        same = last is not None and last.status is one.status and last.last_transition_time
        message = one.message[:LONGEST_MESSAGE]
        since = last.last_transition_time if same and last is not None else now
        found.append(replace(one, message=message, last_transition_time=since))
    return tuple(found)
