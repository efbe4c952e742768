"""Tests of our own annotations."""

from __future__ import annotations

import pytest

from rightslice.kube.parse.annotations import ANNOTATIONS, Annotation, read_annotations
from rightslice.kube.parse.notes import Notes


@pytest.mark.parametrize("one", ANNOTATIONS, ids=lambda one: str(one.name))
def test_every_example_is_read(one: Annotation) -> None:
    """What the documentation shows is understood."""
    notes = Notes()
    values = read_annotations({f"rightslice.dev/{one.name}": one.example}, notes)
    assert list(values) == [one.field]
    assert notes.refused == {}


@pytest.mark.parametrize("one", ANNOTATIONS, ids=lambda one: str(one.name))
@pytest.mark.parametrize("wrong", ["", "?", 7, None, "-1", "9" * 40])
def test_a_wrong_value_is_refused_by_field(one: Annotation, wrong: object) -> None:
    """Nothing is guessed from it, and the refusal names the annotation."""
    notes = Notes()
    values = read_annotations({f"rightslice.dev/{one.name}": wrong}, notes)
    assert values == {}
    assert wrong is None or f"rightslice.dev/{one.name}" in notes.refused[one.field]


def test_a_target_needs_its_unit() -> None:
    """30 is neither 30 ms nor 30 s."""
    notes = Notes()
    read_annotations({"rightslice.dev/slo-tpot": "30"}, notes)
    assert "needs a unit" in notes.refused["slo.tpot_ms"]
