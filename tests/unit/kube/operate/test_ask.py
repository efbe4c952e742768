"""What a spec asks, and why it cannot be asked."""

from __future__ import annotations

import pytest

from rightslice.kube.operate.ask import ask
from rightslice.kube.parse.question import Asked, NotAsked
from tests.unit.kube.operate.worlds import served, world


@pytest.mark.parametrize("confidence", ["99.99%", "49%", "100%", "x"])
def test_a_confidence_that_cannot_be_promised_is_told(confidence: str) -> None:
    """The API server lets 99.99% pass; nothing is known so well."""
    around, one = world(), served(confidence=confidence)
    assert one.spec is not None
    found = ask(one.spec, around.models["n", "opt"], around.release)  # type: ignore[arg-type]  # a model
    assert isinstance(found, NotAsked)
    assert found.reasons[0].startswith("confidence: ")


def test_the_largest_confidence_is_asked() -> None:
    """99.9% is the most."""
    around, one = world(), served(confidence="99.9%")
    assert one.spec is not None
    found = ask(one.spec, around.models["n", "opt"], around.release)  # type: ignore[arg-type]  # a model
    assert isinstance(found, Asked)
    assert found.question.confidence == pytest.approx(0.999)
