"""The pack verb draws cards, states the proof, and says no with what would do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.packing.node_ask import NodePacking
from rightslice.core.packing.offline import DoesNotFit, Packing
from rightslice.entry.cli import pack, slices
from rightslice.errors import InputError
from rightslice.records import json_schema

Run = Callable[..., tuple[object, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function from arguments to (exit code, output)."""
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    pack.register(app)
    app.callback()(lambda: None)
    command = typer.main.get_command(app)

    def call(*arguments: str) -> tuple[object, str]:
        code = command.main(args=["pack", *arguments], standalone_mode=False)
        return code, capsys.readouterr().out

    return call


def test_cards_are_drawn_with_their_proof(run: Run) -> None:
    """Five slices fit one card, and no layout needs fewer."""
    code, text = run("--gpu", "A100-40GB", "1g.5gb=3", "2g.10gb=2")
    assert code == 0
    assert "5 slices of A100-40GB fit on 1 GPU\n" in text
    assert "│2g.10gb      │1g.5gb│1g.5gb│2g.10gb      │1g.5gb│░░░░░░│  full" in text
    assert "Proven: no layout needs fewer than 1 GPU." in text


def test_too_few_cards_exit_with_four(run: Run) -> None:
    """What is left over and how many cards would do are named."""
    code, text = run("--gpu", "A100-40GB", "--gpus", "1", "4g.20gb=2")
    assert code == 4
    assert "Left over: 4g.20gb=1" in text
    assert "Smallest change: 1 more GPU (2 in all)" in text


def test_json_holds_every_card(run: Run) -> None:
    """The machine form lists cards, bound and certificate."""
    code, text = run("--gpu", "A100-40GB", "--output", "json", "3g.20gb=5")
    answer = json.loads(text)
    assert (code, answer["kind"], answer["gpus_used"], len(answer["cards"])) == (0, "Packing", 3, 3)


@pytest.mark.parametrize("kind", [Packing, DoesNotFit, NodePacking])
def test_answers_have_a_schema(kind: type) -> None:
    """Both answers are documented values."""
    assert kind.__name__ in json.dumps(json_schema(kind, title="pack"))


def test_long_lists_are_drawn_by_kind(run: Run) -> None:
    """Hundreds of equal cards take one line."""
    _, text = run("--gpu", "A30", "4g.24gb=300", "1g.6gb")
    assert "GPU 0-299 (300x)" in text
    assert len(text.splitlines()) < 15


@pytest.mark.parametrize("word", ["1g.5gb=", "=3", "1g.5gb=-1", "1g.5gb=x", "1g.5gb=²", ""])
def test_malformed_words_are_refused(word: str) -> None:
    """A word that is not PROFILE=COUNT is bad input with an example."""
    with pytest.raises(InputError, match=r"write it like 1g.5gb=3"):
        slices.parse_slices([word])


def test_a_card_without_mig_is_refused(run: Run) -> None:
    """An L4 cannot be cut."""
    with pytest.raises(InputError, match="has no MIG"):
        run("--gpu", "L4", "1g.5gb=1")


@given(counts=st.lists(st.integers(0, 99), min_size=1, max_size=5))
def test_repeated_profiles_add_up(counts: list[int]) -> None:
    """The same profile given twice asks for both."""
    words = [f"1g.5gb={count}" for count in counts]
    assert slices.parse_slices(words) == {"1g.5gb": sum(counts)}


def test_a_certificate_is_written_and_holds(run: Run, tmp_path: Path) -> None:
    """Anyone can check it, without a solver."""
    path = str(tmp_path / "c.json")
    run("--gpu", "A100-40GB", "3g.20gb=3", "1g.5gb=4", "--certificate", path)
    code, text = run("--verify", path)
    assert code == 0
    assert text.startswith("Holds: 7 slices of A100-40GB need at least 2 GPUs.\n")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"1/2"', '"2/3"', "is priced 4/3, over 1"),
        ('"atLeast": 2', '"atLeast": 3', "proves 2 and not 3 as claimed"),
        ('"1/2"', '"-1"', "prices are 0 or more"),
        ('"3g.20gb": 3', '"3g.20gb": 2', "proves 1 and not 2 as claimed"),
    ],
)
def test_a_certificate_that_was_tampered_with_fails(
    old: str, new: str, reason: str, run: Run, tmp_path: Path
) -> None:
    """The reason names the number; exit code 4."""
    path = tmp_path / "c.json"
    run("--gpu", "A100-40GB", "3g.20gb=3", "--certificate", str(path))
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    code, said = run("--verify", str(path))
    assert code == 4
    assert said.startswith("Fails: ")
    assert reason in said


def test_verify_takes_nothing_else(run: Run, tmp_path: Path) -> None:
    """Slices and GPU stand in the file."""
    with pytest.raises(InputError, match="give nothing else"):
        run("--verify", str(tmp_path / "c.json"), "1g.5gb=3")
    with pytest.raises(InputError, match="name the board with --gpu"):
        run("1g.5gb=3")


def test_head_room_is_cut_and_kept_free(run: Run) -> None:
    """A 7g in reserve takes a card of its own beside the slices asked for."""
    code, text = run("--gpu", "A100-40GB", "1g.5gb=3", "--reserve", "7g.40gb=1")
    assert code == 0
    assert text.startswith("4 slices of A100-40GB fit on 2 GPUs; of these, kept free: 7g.40gb=1\n")


NODES = """\
nodes:
- {name: n, count: 2, gpu: H100-80GB, gpusPerNode: 2, cpu: 16}
workloads:
- {name: chat, replicas: 3, cpu: 8, apart: node, accept: [{profile: 3g.40gb}]}
"""


def test_a_pack_file_is_packed_onto_its_nodes(tmp_path: Path, run: Run) -> None:
    """Two nodes take two replicas that must lie apart; the third is left over, exit code 4."""
    path = tmp_path / "pack.yaml"
    path.write_text(NODES, encoding="utf-8")
    code, text = run(str(path))
    assert code == 4
    assert "2 slices on 2 GPUs of 2 nodes" in text
    assert "Left over: chat, 1 replica" in text


def test_a_pack_file_takes_no_options_of_a_list(tmp_path: Path, run: Run) -> None:
    """What the file says is not said again; a missing file is named."""
    with pytest.raises(InputError, match="leave those options out"):
        run("x.yaml", "--gpus", "3")
    with pytest.raises(InputError, match="no such file"):
        run(str(tmp_path / "none.yaml"))


def test_the_json_of_a_pack_file_names_every_holder(tmp_path: Path, run: Run) -> None:
    """Each slice has its node, card, start and workload."""
    path = tmp_path / "pack.yaml"
    path.write_text(NODES.replace("replicas: 3", "replicas: 1"), encoding="utf-8")
    code, text = run(str(path), "--output", "json")
    (node,) = json.loads(text)["nodes"]
    assert (code, node["name"], node["cpu_cores"]) == (0, "n-0", 8.0)
    assert node["cards"][0]["holders"] == ["chat"]


def test_what_is_cut_for_the_device_plugin_is_certain(run: Run) -> None:
    """With counts alone no start slot is left to chance."""
    words = ("--gpu", "H100-80GB", "1g.10gb=1", "1g.20gb=1")
    assert "swapped" in run(*words)[1]
    assert "swapped" not in run(*words, "--backend", "device-plugin")[1]
