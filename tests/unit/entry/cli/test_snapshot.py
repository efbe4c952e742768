"""``snapshot`` writes, and ``--cluster`` reads: files, folders, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from rightslice.entry.cli.app import run
from rightslice.entry.cli.schema import Subject, schema_of

Capture = pytest.CaptureFixture[str]
EXAMPLE = str(Path(__file__).parents[4] / "examples" / "cluster" / "state.json")
FIT = [
    "fit",
    "opt-1.3b",
    "--input",
    "128",
    "--output",
    "64",
    "--concurrency",
    "4",
    "--tpot",
    "40ms",
]


def test_a_snapshot_of_files_is_written_whole(tmp_path: Path, capsys: Capture) -> None:
    """What is hidden is told on standard error; the file is the snapshot."""
    pod = {
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "a"},
        "spec": {"containers": [{"image": "vllm", "args": ["--api-key", "abc"]}]},
    }
    given, out = tmp_path / "pod.json", tmp_path / "state.json"
    given.write_text(json.dumps(pod), encoding="utf-8")
    assert run(["snapshot", "--from", str(given), "--out", str(out)]) == 0
    shown = capsys.readouterr()
    assert "hidden, since it looks like a secret: Pod a/p" in shown.err
    assert "1 Pod" in shown.out
    assert "abc" not in out.read_text(encoding="utf-8")


def test_without_a_target_it_is_printed(capsys: Capture) -> None:
    """Standard output then holds the file and nothing else."""
    assert run(["snapshot", "--from", EXAMPLE]) == 2
    assert (
        run(["snapshot", "--from", str(Path(EXAMPLE).parents[2] / "docs/guides/files/pool")]) == 0
    )
    assert json.loads(capsys.readouterr().out)["kind"] == "Snapshot"


def test_files_and_a_cluster_exclude_each_other(tmp_path: Path, capsys: Capture) -> None:
    """A context means nothing for files."""
    assert run(["snapshot", "--from", str(tmp_path), "--context", "c"]) == 2
    assert "--from reads files" in capsys.readouterr().err


def test_no_way_to_a_cluster_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Exit 3, in one line, and nothing is written."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    out = tmp_path / "state.json"
    assert run(["snapshot", "--out", str(out)]) == 3
    assert run(["plan", "--cluster"]) == 3
    assert "no way to the cluster" in capsys.readouterr().err
    assert not out.exists()


def test_the_plan_of_a_cluster_compares(capsys: Capture) -> None:
    """What each server holds now stands beside the proposal, and the dollars between."""
    assert run(["plan", "--cluster", EXAMPLE]) == 0
    shown = capsys.readouterr()
    for text in ("holds now", "proposed", "research/playground", "nodes that could go"):
        assert text in shown.out
    assert shown.err == ""


def test_its_json_validates(capsys: Capture) -> None:
    """Plan and fit over a cluster answer in the documented form."""
    for arguments, subject in (["plan"], Subject.PLAN), (FIT, Subject.FIT):
        assert run([*arguments, "--cluster", EXAMPLE, "-o", "json"]) == 0
        jsonschema.validate(json.loads(capsys.readouterr().out), schema_of(subject))  # type: ignore[arg-type]  # a schema is a mapping


def test_fit_says_what_is_free(capsys: Capture) -> None:
    """Offers are the cluster's, with how many there are and how many are free."""
    assert run([*FIT, "--cluster", EXAMPLE]) == 0
    assert "waited for" in capsys.readouterr().out
    assert run([*FIT, "--cluster", EXAMPLE, "--offers", "A30"]) == 2


def test_repack_takes_the_snapshot_either_way(capsys: Capture) -> None:
    """As --cluster and as the state; both or neither are refused."""
    kind = ["--gpu", "H100-80GB", "-o", "json"]
    assert run(["repack", EXAMPLE, *kind]) == 4
    first = capsys.readouterr().out
    assert run(["repack", "--cluster", EXAMPLE, *kind]) == 4
    assert capsys.readouterr().out == first
    assert run(["repack", EXAMPLE, "--cluster", EXAMPLE]) == 2
    assert run(["repack"]) == 2


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["plan"], "give a fleet file, or --cluster"),
        (["plan", "f.yaml", "--cluster", EXAMPLE], "takes the place of a fleet file"),
        (["plan", "f.yaml", "--keep-mig"], "go with --cluster only"),
        (["plan", "--cluster", EXAMPLE, "--confidence", "20"], "confidence"),
        (["plan", "--cluster", "no-such-file"], "no-such-file: no such file"),
    ],
)
def test_contradictions_are_told(arguments: list[str], problem: str, capsys: Capture) -> None:
    """Exit 2, and what would be right."""
    assert run(arguments) == 2
    assert problem in capsys.readouterr().err
