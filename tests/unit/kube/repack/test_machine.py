"""What comes next in a move, by what is seen."""

from __future__ import annotations

from rightslice.kube.repack.machine import (
    Abandon,
    Adopt,
    Finish,
    Mark,
    MoveLimits,
    Next,
    Wait,
    next_step,
)
from rightslice.kube.repack.pods import MoveNote, OwnPod
from tests.unit.kube.repack.worlds import HASH, own_pod

NOTE = MoveNote(
    pod="old", uid="uid-old", hash=HASH, template="t", former="GPU-1", wanted="GPU-0", reason="r"
)
OLD = own_pod("old", "chat")
NOW = "2026-11-22T12:00:30Z"


def _made(**changed: object) -> OwnPod:
    return own_pod("new", "chat", **{"template_hash": "", "note": NOTE, **changed})


def _next(
    made: OwnPod, old: OwnPod | None = OLD, unwanted: str | None = None, now: str = NOW
) -> Next:
    return next_step(made, old, unwanted, MoveLimits(), now)


def test_the_steps_of_a_move() -> None:
    """Serve first, then mark, adopt, wait for the end, finish."""
    marked = own_pod("old", "chat", is_marked=True)
    adopted = _made(template_hash=HASH)
    assert isinstance(_next(_made(is_ready=False)), Wait)
    assert _next(_made()) == Mark(pod="old")
    assert _next(_made(), marked) == Adopt(hash=HASH)
    assert isinstance(_next(adopted, marked), Wait)
    assert isinstance(_next(adopted, own_pod("old", "chat", is_going=True)), Finish)
    assert isinstance(_next(adopted, None), Finish)


def test_another_pod_of_the_same_name_is_not_the_one() -> None:
    """A StatefulSet-like name: the uid tells them apart."""
    assert isinstance(_next(_made(template_hash=HASH), own_pod("old", "chat", uid="new")), Finish)


def test_a_replacement_without_a_place_is_taken_back() -> None:
    """And one that never serves; the pod was not touched."""
    late, much_later = "2026-11-22T12:02:00Z", "2026-11-22T13:00:00Z"
    unbound = _made(is_ready=False, is_bound=False)
    assert isinstance(_next(unbound), Wait)
    assert "no place" in str(_next(unbound, now=late))
    loading = _made(is_ready=False)
    assert isinstance(_next(loading, now=late), Wait)
    assert isinstance(_next(loading, now=much_later), Abandon)


def test_what_is_not_wanted_any_more_is_taken_back_before_the_hand_over_only() -> None:
    """Afterwards it is a pod like its siblings."""
    assert _next(_made(), unwanted="gone") == Abandon(message="gone")
    assert isinstance(_next(_made(is_going=True)), Abandon)
    assert isinstance(_next(_made(template_hash=HASH), None, "gone"), Finish)


def test_a_pod_that_went_by_itself_is_replaced_by_the_one_that_serves() -> None:
    """Its ReplicaSet has made another, which is not ready and goes first."""
    assert _next(_made(), None) == Adopt(hash=HASH)
