"""One ModelDeployment that cannot be decided about must not keep the others from it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest

from rightslice.core.catalog.question import Question
from rightslice.core.fit.result import Offer, Recommendation
from rightslice.entry.operator.net import Net
from rightslice.kube.operate.again import Memory
from rightslice.kube.operate.view import Key, Served, World
from tests.unit.kube.admission.worlds import SLICES, node
from tests.unit.kube.operate.worlds import NOW, recommend, served, world

GOOD, BAD = ("n", "good"), ("n", "bad")


def _breaks(question: Question, offers: Sequence[Offer]) -> Recommendation:
    """Stand for a mistake of ours that one question meets."""
    if question.traffic.output.largest == 77:
        raise ZeroDivisionError("a mistake")
    return recommend(question, list(offers))


@pytest.fixture
def around() -> World:
    """Return a world in which one question cannot be answered."""
    return replace(world(node("a", SLICES)), recommend=_breaks)


def _both(**changed: object) -> dict[Key, Served]:
    return {GOOD: served("good"), BAD: served("bad", **{"output": 77, **changed})}


def test_the_others_are_decided(around: World, caplog: pytest.LogCaptureFixture) -> None:
    """What fails is left out, told once with its traceback, and not tried again as it is."""
    net, memory = Net(), Memory()
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            memory = net.decided(_both(), around, NOW, memory)
            assert [one.key for one in memory.decisions] == [GOOD]
    assert list(net.left_out) == [BAD]
    assert [one.message for one in caplog.records] == [
        "n/bad is left out: deciding about it failed"
    ]


def test_what_changed_is_tried_again(around: World) -> None:
    """A spec that is mended is decided about at once."""
    net = Net()
    memory = net.decided(_both(), around, NOW, Memory())
    memory = net.decided(_both(output=128), around, NOW, memory)
    assert sorted(one.key for one in memory.decisions) == [BAD, GOOD]
    assert not net.left_out
