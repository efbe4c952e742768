"""The layouts verb draws everything that a card can hold."""

from __future__ import annotations

import json

import jsonschema
import pytest

from rightslice.entry.cli.app import run
from rightslice.entry.cli.schema import Subject, schema_of


def test_every_maximal_layout_is_drawn_with_its_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """An A30 has five, of which one needs start slots."""
    assert run(["layouts", "A30"]) == 0
    text = capsys.readouterr().out
    assert "26 legal layouts, 5 of them maximal" in text
    assert "2g.12gb  2 of 4 slots, at most 2, may start at 0, 2" in text
    assert text.count("│  counts") == 4


def test_layouts_as_json_are_of_the_published_form(capsys: pytest.CaptureFixture[str]) -> None:
    """All 78 layouts of an A100 stand in the document."""
    assert run(["layouts", "A100-40GB", "--output", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, json.loads(json.dumps(schema_of(Subject.LAYOUTS))))
    assert len(document["maximal"]) == 78


def test_a_board_without_mig_has_no_layouts(capsys: pytest.CaptureFixture[str]) -> None:
    """The reason is said, exit code 2."""
    assert run(["layouts", "L4"]) == 2
    assert "has no MIG" in capsys.readouterr().err
