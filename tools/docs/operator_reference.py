"""Tables of what the operator tells: outcomes, and the reasons of its events, from the code."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from enum import Enum
from typing import TypeVar

from rightslice.entry.operator.api import NORMAL
from rightslice.kube.operate.decide import Outcome
from rightslice.kube.relayout.step import LayoutStep
from rightslice.kube.repack.step import MoveStep

_Member = TypeVar("_Member", bound=Enum)
NOT_OURS = "NotOurs"
_NOT_OURS_MEANS = "An object that would be made is there already and belongs to somebody else."


def operator_events() -> None:
    """Print one row for each reason of an event."""
    print("| reason | type | meaning |\n|---|---|---|")
    for reason, meaning in event_rows():
        print(f"| `{reason}` | {'Normal' if reason in NORMAL else 'Warning'} | {meaning} |")


def event_rows() -> Iterator[tuple[str, str]]:
    """Yield the reason of every event about a ModelDeployment, and what it means."""
    for outcome, meaning in docstrings(Outcome).items():
        yield str(outcome.value), meaning
    yield NOT_OURS, _NOT_OURS_MEANS
    for step, meaning in docstrings(LayoutStep).items():
        yield f"Layout{step.value}", f"A change of a node's layout: {_lower(meaning)}"
    for move, meaning in docstrings(MoveStep).items():
        yield f"Move{move.value}", f"A live repack: {_lower(meaning)}"


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def docstrings(members: type[_Member]) -> dict[_Member, str]:
    """Return what stands below each member of an enumeration."""
    (found,) = ast.parse(inspect.getsource(members)).body
    assert isinstance(found, ast.ClassDef)
    told: dict[_Member, str] = {}
    for before, after in zip(found.body, found.body[1:], strict=False):
        if isinstance(before, ast.Assign) and isinstance(after, ast.Expr):
            assert isinstance(after.value, ast.Constant)
            assert isinstance(before.targets[0], ast.Name)
            told[members[before.targets[0].id]] = " ".join(str(after.value.value).split())
    return told
