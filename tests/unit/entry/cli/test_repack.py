"""The repack verb draws before and after, and lists steps that can be stopped anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import typer

from rightslice.entry.cli import repack
from rightslice.entry.cli.schema import Subject, schema_of
from rightslice.errors import InputError

Run = Callable[..., tuple[object, str]]

TWO_CARDS = """
gpu: A100-40GB
cards:
- name: g0
  slices: [{profile: 2g.10gb, start: 0, pod: a}]
- name: g1
  slices: [{profile: 1g.5gb, start: 6, pod: b}]
"""


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Return a function from a state and options to (exit code, output)."""
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    repack.register(app)
    app.callback()(lambda: None)
    command = typer.main.get_command(app)
    path = tmp_path / "state.yaml"

    def call(state: str, *options: str) -> tuple[object, str]:
        path.write_text(state, encoding="utf-8")
        code = command.main(args=["repack", str(path), *options], standalone_mode=False)
        return code, capsys.readouterr().out

    return call


def test_steps_are_listed_with_their_proof(run: Run) -> None:
    """One pod moves, its old slice is destroyed, and one GPU is left."""
    code, text = run(TWO_CARDS)
    assert code == 0
    assert text.startswith("2 GPUs become 1 with 1 move of weight 1\n")
    assert "   1. create " in text
    assert "   2. move    " in text
    assert "   3. destroy " in text
    assert "Proven: no plan to as few GPUs moves less.\n" in text


def test_json_answers_validate_against_their_schema(run: Run) -> None:
    """A plan and a refusal are both of the published form."""
    schema = json.loads(json.dumps(schema_of(Subject.REPACK)))
    for options in ((), ("--moves-per-gpu", "0.5")):
        _, text = run(TWO_CARDS, *options, "--output", "json")
        jsonschema.validate(json.loads(text), schema)


def test_not_worth_it_is_an_answer_with_its_number(run: Run) -> None:
    """A GPU that costs more moves than allowed is left, with exit code 4."""
    code, text = run(TWO_CARDS, "--moves-per-gpu", "0.5")
    assert code == 4
    assert "freeing one GPU takes moves of weight 1; 0.5 allowed for each GPU" in text


def test_room_is_made_for_a_large_slice(run: Run) -> None:
    """7g finds a card after one move, and the place is named."""
    code, text = run(TWO_CARDS, "--room", "7g.40gb=1")
    assert code == 0
    assert "7g.40gb at slot 0" in text


def test_steps_are_priced_and_written_for_a_node(run: Run) -> None:
    """With a price the answer says what the steps cost and when they have paid for themselves."""
    code, text = run(TWO_CARDS, "--gpu-hour", "4", "--start", "60", "--backend", "nvidia-smi")
    assert code == 0
    assert "        nvidia-smi mig -i g" in text
    assert "paid back after" in text


def test_a_back_end_that_cannot_take_the_steps_says_why(run: Run) -> None:
    """A label would reset a node in use: the numbers stay, the steps do not."""
    _, text = run(TWO_CARDS, "--backend", "device-plugin")
    assert "No steps on device-plugin: cutting node" in text
    assert "   1. " not in text


def test_what_is_left_is_told_from_where_the_cards_stand(run: Run, tmp_path: Path) -> None:
    """A plan that was cut off after its first step has two left."""
    now = tmp_path / "now.yaml"
    now.write_text(TWO_CARDS.replace("pod: b}]", "pod: b}, {profile: 2g.10gb, start: 0}]"))
    _, text = run(TWO_CARDS, "--now", str(now))
    assert "   1. move    a from g0 slot 0 to 2g.10gb at slot 0 of g1" in text
    assert "   2. destroy 2g.10gb at slot 0 of g0" in text


def test_a_report_shows_the_moves(run: Run, tmp_path: Path) -> None:
    """The page is written whole."""
    report = tmp_path / "repack.html"
    run(TWO_CARDS, "--report", str(report))
    assert 'class="move"' in report.read_text()


def test_counts_are_advised_on_without_steps(run: Run) -> None:
    """Where the layout is inferred, nothing rests on the guess but advice."""
    nodes = [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {
                "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB", "nvidia.com/gpu.count": "1"}},
            "status": {"allocatable": {"nvidia.com/mig-3g.20gb": "2"}},
        }
        for name in ("n0", "n1")
    ]  # fmt: skip
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"p-{node}", "namespace": "s"},
            "spec": {"nodeName": node, "containers": [
                {"name": "c", "resources": {"limits": {"nvidia.com/mig-3g.20gb": "1"}}}]},
        }
        for node in ("n0", "n1")
    ]  # fmt: skip
    _, text = run(json.dumps({"kind": "List", "apiVersion": "v1", "items": [*nodes, *pods]}))
    assert "2 GPUs become 1 with 1 move" in text
    assert "inferred from counts; steps would rest on a guess" in text


def test_a_move_may_have_a_price_in_dollars(run: Run) -> None:
    """A GPU at a dollar an hour pays one move of 20 dollars in a day, and none of 30."""
    assert run(TWO_CARDS, "--gpu-hour", "1", "--dollars-per-move", "20")[0] == 0
    code, text = run(TWO_CARDS, "--gpu-hour", "1", "--dollars-per-move", "30")
    assert code == 4
    assert "freeing one GPU takes moves of weight 1; 0.8 allowed for each GPU" in text
    with pytest.raises(InputError, match="--gpu-hour"):
        run(TWO_CARDS, "--dollars-per-move", "30")
