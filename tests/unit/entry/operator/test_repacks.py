"""One step of one move a pass, against an API server that is played."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from rightslice.entry.operator.metrics import Metrics
from rightslice.entry.operator.repacks import RepackRules, Repacks, repack_rules
from rightslice.errors import InputError
from rightslice.kube.admission.settings import Mode
from rightslice.kube.crd.deployment import ModelDeploymentStatus, OfferStatus
from rightslice.kube.operate.decide import Decision, Outcome
from rightslice.kube.operate.view import Key
from rightslice.kube.relayout.view import Pass
from rightslice.kube.repack.machine import MoveLimits
from rightslice.kube.repack.pods import MoveNote, OwnPod
from rightslice.kube.repack.step import MoveStep
from tests.unit.kube.operate.worlds import served, world
from tests.unit.kube.repack.worlds import HASH, cards, own_pod

NOW = "2026-11-22T12:10:00Z"
HELD = {"gpu-0-mig-1g5gb-19-0": "a-1", "gpu-1-mig-2g10gb-14-0": "b-1"}
NOTE = MoveNote(
    pod="b-1", uid="uid-b-1", hash=HASH, template="t", former="GPU-a-1", wanted="GPU-a-0",
    reason="so",
)  # fmt: skip


@dataclass
class Played:
    """The pods that there are, and what was done."""

    own: list[OwnPod] = field(default_factory=lambda: [own_pod("a-1", "a"), own_pod("b-1", "b")])
    done: list[str] = field(default_factory=list)

    async def pods(self) -> list[OwnPod]:
        """Return the pods."""
        return self.own

    async def templates(self) -> list[tuple[str, str]]:
        """Return a template that somebody left behind."""
        return [("n", "left-over")]

    async def deployment(self, _namespace: str, _name: str) -> dict[str, Any]:
        """Return a Deployment."""
        return {"spec": {"template": {"metadata": {}, "spec": {"containers": [{}]}}}}

    async def template(self, _namespace: str, _name: str) -> dict[str, Any]:
        """Return the template of a revision."""
        return {"spec": {"spec": {"devices": {"requests": [{"name": "gpu", "exactly": {}}]}}}}

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any other call is written down
        """Return a call that is written down."""

        async def call(*given: Any) -> None:  # noqa: ANN401 - whatever it is given
            about = [one if isinstance(one, str) else "" for one in given[-1:]]
            self.done.append(" ".join([name, *filter(None, about)]))

        return call


def _repacks(calls: Played, rules: RepackRules | None = None) -> Repacks:
    rules = rules or RepackRules(is_on=True, limits=MoveLimits(rest_seconds=0.0))
    return Repacks(rules, calls, Played(), Metrics())  # type: ignore[arg-type] # both are played


def _pass(**changed: object) -> Pass:
    cluster, hardware = cards(2, HELD)
    every: dict[Key, Decision] = {}
    for name in ("a", "b"):
        offer = OfferStatus(offer="o", resource="r", count=1, replicas=1, revision="r1")
        decision = Decision(
            key=("n", name), outcome=Outcome.RECOMMENDED, mode=Mode.ENFORCE,
            status=ModelDeploymentStatus(current=offer),
        )  # fmt: skip
        every["n", name] = replace(decision, **changed)  # type: ignore[arg-type] # a test's fields
    return Pass(
        decisions=every,
        served={key: served(key[1]) for key in every},
        world=replace(world(), cluster=cluster, hardware=hardware),
        now=NOW,
    )


def _replacement(**changed: object) -> OwnPod:
    return own_pod("b-2", "b", **{"template_hash": "", "note": NOTE, **changed})


async def test_the_first_step_makes_a_template_and_a_pod() -> None:
    """What was left behind goes first; the status and an event tell of it."""
    calls = Played()
    repacks = _repacks(calls)
    made = await repacks.after(_pass())
    assert calls.done == ["delete_template left-over", "make", "make"]
    ((key, decision),) = made.items()
    move = decision.status.move
    assert move is not None
    assert (key[0], move.step, move.since) == ("n", MoveStep.STARTED, NOW)


async def test_a_replacement_that_finds_no_place_is_taken_back() -> None:
    """And nothing is begun for a while."""
    calls = Played()
    calls.own.append(_replacement(is_ready=False, is_bound=False))
    repacks = _repacks(calls)
    made = await repacks.after(_pass())
    assert calls.done == ["delete_pod", "delete_template t"]
    move = made["n", "b"].status.move
    assert move is not None
    assert move.step is MoveStep.ABANDONED
    calls.own.pop()
    calls.done.clear()
    await repacks.after(_pass())
    assert "make" not in calls.done


@pytest.mark.parametrize(
    ("changed", "done"),
    [
        ({}, ["mark"]),
        ({"template_hash": HASH}, []),
        ({"is_ready": False}, []),
    ],
)
async def test_a_move_goes_on_from_its_note(changed: dict[str, object], done: list[str]) -> None:
    """Whoever made the replacement."""
    calls = Played()
    calls.own.append(_replacement(**changed))
    await _repacks(calls).after(_pass())
    assert calls.done == done


async def test_the_end_of_a_move() -> None:
    """The pod is gone: the template goes, and the marks."""
    calls = Played()
    calls.own = [own_pod("a-1", "a"), _replacement(template_hash=HASH)]
    made = await _repacks(calls).after(_pass())
    assert calls.done == ["delete_template t", "finish"]
    move = made["n", "b"].status.move
    assert move is not None
    assert move.step is MoveStep.DONE


async def test_who_is_only_advised_is_not_moved() -> None:
    """Nor is anybody while it is off."""
    for rules, changed in ((None, {"mode": Mode.ADVISE}), (RepackRules(), {})):
        calls = Played()
        await _repacks(calls, rules).after(_pass(**changed))
        assert calls.done == []


def test_numbers_below_nothing_are_refused() -> None:
    """On the command line."""
    with pytest.raises(InputError, match="at least 0"):
        repack_rules(-1.0, 60.0, is_on=True)
