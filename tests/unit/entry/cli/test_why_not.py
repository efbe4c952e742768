"""The why-not verb says which single move helps, and what stands in the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from rightslice.entry.cli.app import run as run_cli
from rightslice.entry.cli.schema import Subject, schema_of

Run = Callable[..., tuple[int, str]]

STATE = """
gpu: A100-40GB
cards:
- name: g0
  node: n1
  slices: [{profile: 2g.10gb, start: 0, pod: a}]
- name: g1
  slices: [{profile: 1g.5gb, start: 6, pod: b, pinned: true}]
"""


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Return a function from a profile and options to (exit code, output)."""
    path = tmp_path / "state.yaml"
    path.write_text(STATE, encoding="utf-8")

    def call(profile: str, *options: str) -> tuple[int, str]:
        code = run_cli(["why-not", str(path), profile, *options])
        return code, capsys.readouterr().out

    return call


def test_the_move_that_helps_and_the_block_are_printed(run: Run) -> None:
    """Exit code 4: there is no room as things stand."""
    code, text = run("7g.40gb")
    assert code == 4
    assert "n1, g0 slot 0: move a (2g.10gb at slot 0, weight 1) to g1 slot " in text
    assert "g1 slot 0: pinned pods hold every start (b)" in text
    assert "Least disturbance that makes room: 1 move of weight 1;" in text


def test_room_as_things_stand_is_exit_code_0(run: Run) -> None:
    """The cards with room are listed."""
    code, text = run("4g.20gb")
    assert code == 0
    assert text.startswith("4g.20gb fits now on 1 of 2 GPUs\n  g1 slot 0\n")


def test_json_is_of_the_published_form(run: Run) -> None:
    """Both answers validate."""
    schema = json.loads(json.dumps(schema_of(Subject.WHY_NOT)))
    for profile in ("7g.40gb", "4g.20gb"):
        jsonschema.validate(json.loads(run(profile, "--output", "json")[1]), schema)
