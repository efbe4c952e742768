"""``plan`` places, prices, writes and says no; what it writes is whole or not there."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from rightslice.entry.cli.app import run

ONE = """\
    - name: {name}
      team: team-a
      model: {model}
      load: {{concurrency: 4}}
      input: 128
      output: 128
      slo: {{tpot: 30ms}}
"""
FLEET = """\
apiVersion: rightslice.dev/v1alpha1
kind: Fleet
metadata: {name: small}
spec:
  nodes:
    - {name: a30, gpus: {model: A30, count: 2}, mig: mixed}
  teams:
    - {name: team-a}
  workloads:
""" + ONE.format(name="opt", model="facebook/opt-1.3b")
MISFIT = FLEET + ONE.format(name="giant", model="llama-3.1-405b")
PRICES = """\
apiVersion: rightslice.dev/v1alpha1
kind: Prices
prices:
  - {item: A30, usdPerHour: 1.25, asOf: 2026-11-01}
"""
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """A small fleet file."""
    path = tmp_path / "fleet.yaml"
    path.write_text(FLEET, encoding="utf-8")
    return path


def test_a_fleet_that_fits_is_planned(fleet: Path, capsys: Capture) -> None:
    """Every workload is placed: exit 0, and nothing on standard error."""
    assert run(["plan", str(fleet)]) == 0
    shown = capsys.readouterr()
    assert "small: 1 of 1 workloads placed" in shown.out
    assert shown.err == ""


def test_json_validates(fleet: Path, capsys: Capture) -> None:
    """The plan's JSON is what ``rightslice schema plan`` says."""
    fleet.write_text(MISFIT, encoding="utf-8")
    assert run(["plan", str(fleet), "--output", "json"]) == 4
    answer = json.loads(capsys.readouterr().out)
    assert run(["schema", "plan"]) == 0
    jsonschema.validate(answer, json.loads(capsys.readouterr().out))


def test_a_misfit_leaves_the_others_complete(fleet: Path, capsys: Capture) -> None:
    """Exit 4; the misfit is named on standard error and in the README, the others are written."""
    fleet.write_text(MISFIT, encoding="utf-8")
    out = fleet.parent / "out"
    assert run(["plan", str(fleet), "--write", str(out)]) == 4
    assert "giant is not placed: " in capsys.readouterr().err
    assert "giant" in (out / "README.md").read_text(encoding="utf-8")
    documents = yaml.safe_load_all((out / "workloads/team-a/opt.yaml").read_text(encoding="utf-8"))
    assert {"Deployment", "Service"} <= {document["kind"] for document in documents}
    assert not (out / "workloads/team-a/giant.yaml").exists()


def test_bad_input_writes_nothing(fleet: Path) -> None:
    """A fleet file that is refused leaves no folder."""
    fleet.write_text(FLEET.replace("team: team-a", "team: nobody"), encoding="utf-8")
    assert run(["plan", str(fleet), "--write", str(fleet.parent / "out")]) == 2
    assert [path.name for path in fleet.parent.iterdir()] == ["fleet.yaml"]


def test_a_report_that_cannot_be_written_leaves_no_manifests(fleet: Path, capsys: Capture) -> None:
    """Where the report goes is checked before anything is written."""
    out = fleet.parent / "out"
    assert run(["plan", str(fleet), "--write", str(out), "--report", str(fleet.parent)]) == 2
    assert "is a folder, a file is wanted" in capsys.readouterr().err
    assert not out.exists()


def test_a_folder_of_others_is_never_replaced(fleet: Path, capsys: Capture) -> None:
    """A folder with foreign files is refused, and stays as it is."""
    assert run(["plan", str(fleet), "--write", str(fleet.parent)]) == 2
    assert "fleet.yaml, which rightslice did not write" in capsys.readouterr().err
    assert fleet.read_text(encoding="utf-8") == FLEET


def test_a_report_is_written_beside_the_manifests(fleet: Path, capsys: Capture) -> None:
    """Both are named at the end of the answer."""
    out, report = fleet.parent / "out", fleet.parent / "report.html"
    assert run(["plan", str(fleet), "--write", str(out), "--report", str(report)]) == 0
    assert "wrote " in capsys.readouterr().out
    assert report.read_text(encoding="utf-8").rstrip().endswith("</html>")


def test_memory_that_no_gpu_has_is_refused_with_its_node(fleet: Path, capsys: Capture) -> None:
    """Nothing of a card could be shared out: the node and a right value are named."""
    fleet.write_text(FLEET.replace("count: 2", "count: 2, memory: 0GiB"), encoding="utf-8")
    assert run(["plan", str(fleet)]) == 2
    assert "fleet.yaml:6: spec.nodes[0]" in capsys.readouterr().err


def test_own_prices_make_the_bill(fleet: Path, capsys: Capture) -> None:
    """Two cards at one's own price are the nodes' bill."""
    prices = fleet.parent / "prices.yaml"
    prices.write_text(PRICES, encoding="utf-8")
    assert run(["plan", str(fleet), "--prices", str(prices), "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["bill"]["total_usd_per_hour"] == 2.5


def test_why_names_what_was_not_taken(fleet: Path, capsys: Capture) -> None:
    """``--why`` prints a line for each workload; without it the option is named."""
    assert run(["plan", str(fleet), "--why"]) == 0
    assert "opt: mean TPOT 30 ms" in capsys.readouterr().out
    assert run(["plan", str(fleet)]) == 0
    assert "--why says" in capsys.readouterr().out
