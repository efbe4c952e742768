"""What comes next in a move: a function of the replacement's note and of the pods that are seen.

Nothing else is remembered, so that an operator which is killed after any step, or replaced by
another one, goes on. The replacement serves before anything is done to the pod. Then the pod is
marked as the one to end first, and the replacement gets the label by which their ReplicaSet knows
its pods: it adopts the replacement, has one pod too many, and ends the marked one. There are never
fewer ready pods than before. Up to the label the way back is to delete the replacement.
"""

from __future__ import annotations

from dataclasses import dataclass

from rightslice.kube.relayout.machine import seconds_between
from rightslice.kube.repack.pods import MoveNote, OwnPod


@dataclass(frozen=True, kw_only=True)
class MoveLimits:
    """How long things may take."""

    bind_seconds: float = 60.0
    """Until the scheduler has placed the replacement."""
    start_seconds: float = 1800.0
    """Until it serves; a large model is loaded meanwhile."""
    rest_seconds: float = 60.0
    """Between the end of one move and the next, and before the first one."""
    retry_seconds: float = 600.0
    """After a move that was abandoned."""


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Nothing can be done now."""

    message: str


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Have the pod's ReplicaSet end it before the others."""

    pod: str


@dataclass(frozen=True, kw_only=True)
class Adopt:
    """Give the replacement the label by which the ReplicaSet adopts it."""

    hash: str


@dataclass(frozen=True, kw_only=True)
class Finish:
    """Take the marks of the move off, and the claim template away."""

    message: str


@dataclass(frozen=True, kw_only=True)
class Abandon:
    """Delete the replacement and its claim template."""

    message: str


Next = Wait | Mark | Adopt | Finish | Abandon


def next_step(
    replacement: OwnPod, old: OwnPod | None, unwanted: str | None, limits: MoveLimits, now: str
) -> Next:
    """Return what is to be done next.

    Args:
        replacement: the pod that carries the note of the move.
        old: the pod that is moved, None when it is gone.
        unwanted: why it should not be moved after all; None when it should.
        limits: how long things may take.
        now: the moment.
    """
    note = replacement.note
    assert note is not None, "only replacements with a note are looked at"
    is_there = old is not None and old.uid == note.uid and not old.is_going
    if replacement.template_hash and is_there:
        return Wait(message=f"{note.pod} to end")
    if replacement.template_hash:
        return Finish(message=f"{note.pod} is gone, its slice is free")
    why_not = "somebody deleted the replacement" if replacement.is_going else unwanted
    if why_not is not None:
        return Abandon(message=why_not)
    if not replacement.is_ready:
        return _starting(replacement, note, limits, seconds_between(replacement.created, now))
    if is_there and old is not None and not old.is_marked:
        return Mark(pod=old.name)
    return Adopt(hash=note.hash)


def _starting(replacement: OwnPod, note: MoveNote, limits: MoveLimits, seconds: float) -> Next:
    if not replacement.is_bound and seconds > limits.bind_seconds:
        told = f"after {limits.bind_seconds:.0f} s card {note.wanted} had no place for it"
        return Abandon(message=told)
    if seconds > limits.start_seconds:
        told = f"after {limits.start_seconds:.0f} s the replacement did not serve"
        return Abandon(message=told)
    return Wait(message=f"{replacement.name} to serve")
