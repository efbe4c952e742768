"""Tests of writing a plan into a folder."""

from __future__ import annotations

import datetime as dt
import importlib.util
import sys
from pathlib import Path

import pytest
import yaml

from rightslice.core.plan.plan import plan as plan_fleet
from rightslice.core.plan.result import Plan
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import fitted_constants
from rightslice.edge.fleet_file import Context, parse_fleet
from rightslice.edge.plan_files import MARKER, _swap, plan_files, write_plan
from rightslice.edge.yaml_files import read_document
from rightslice.errors import InputError, UnavailableError

PLANS = Path(__file__).parents[2] / "golden" / "plans.py"
SERVE = {"profile": "3g.20gb", "at": [["a100-0", 0, 4]]}
DESCRIBED = {
    "nodes": [{"mig": "mixed"}, {"name": "shared", "time_slicing": 2}],
    "layouts": {"a100-0/0": [["3g.20gb", 4]]},
    "workloads": [SERVE, {"name": "huge", "team": "labs", "not_placed": "too big"}],
}

MPS_FLEET = """\
apiVersion: rightslice.dev/v1alpha1
kind: Fleet
metadata: {name: shared}
spec:
  nodes:
    - {name: l4, instanceType: g6.xlarge, mps: {replicas: 2}}
  teams:
    - {name: team-a}
  workloads:
    - name: small
      team: team-a
      model: facebook/opt-1.3b
      load: {concurrency: 4}
      input: 128
      output: 128
      slo: {tpot: 100ms}
      isolation: none
      confidence: 50%
"""


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Return a plan with every kind of file."""
    spec = importlib.util.spec_from_file_location("golden_plans", PLANS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    built = module.build_plan(DESCRIBED)
    assert isinstance(built, Plan)
    return built


def listing(folder: Path) -> set[str]:
    """Return every file below *folder*."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_every_part_of_the_plan_is_a_file(plan: Plan, tmp_path: Path) -> None:
    """Nodes, workloads by team, a README; what was not placed has no file."""
    written = write_plan(plan, tmp_path / "out" / "plan")
    assert listing(tmp_path / "out" / "plan") == {
        MARKER, "README.md", "nodes/labels.yaml", "nodes/mig-parted.yaml",
        "nodes/device-plugin/default.yaml", "nodes/device-plugin/time-sliced-2.yaml",
        "workloads/search/chat.yaml",
    }  # fmt: skip
    assert {path.name for path in written} == {Path(name).name for name in plan_files(plan)}


def test_the_same_plan_gives_the_same_text(plan: Plan) -> None:
    """Neither a clock nor chance has a say in any file."""
    assert plan_files(plan) == plan_files(plan)


def test_a_fleet_file_with_mps_becomes_manifests() -> None:
    """End to end: clients placed, the card's configuration, the label, each client's memory."""
    context = Context(catalog=Catalog(), own_prices={}, folder=Path())
    fleet = parse_fleet(read_document(MPS_FLEET, where="mps.yaml"), context)
    planned = plan_fleet(fleet, constants=fitted_constants(), today=dt.date(2026, 11, 22))
    texts = plan_files(planned)
    config = yaml.safe_load(texts["nodes/device-plugin/mps-2.yaml"])
    assert config["sharing"]["mps"]["resources"] == [{"name": "nvidia.com/gpu", "replicas": 2}]
    assert "nvidia.com/device-plugin.config: mps-2" in texts["nodes/labels.yaml"]
    server = texts["workloads/team-a/small.yaml"]
    assert "--gpu-memory-utilization=0.46" in server
    assert "--kv-cache-memory-bytes=" in server
    assert 'nvidia.com/gpu: "1"' in server
    assert "MPS 1/2 on l4" in server


def test_every_yaml_file_can_be_read(plan: Plan) -> None:
    """No file holds text that a YAML reader refuses."""
    for path, text in plan_files(plan).items():
        if path.endswith(".yaml"):
            assert list(yaml.safe_load_all(text))


def test_an_earlier_plan_is_replaced_whole(plan: Plan, tmp_path: Path) -> None:
    """A file that the new plan does not have is gone."""
    folder = tmp_path / "plan"
    write_plan(plan, folder)
    stale = folder / "workloads" / "search" / "old.yaml"
    stale.write_text("old")
    (folder / MARKER).write_text((folder / MARKER).read_text() + "workloads/search/old.yaml\n")
    write_plan(plan, folder)
    assert not stale.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["plan"]


@pytest.mark.parametrize("ours", [False, True])
def test_a_folder_with_foreign_files_is_left_alone(
    plan: Plan, tmp_path: Path, *, ours: bool
) -> None:
    """Also when we wrote the rest of it: nobody's own file is lost."""
    folder = tmp_path / "plan"
    if ours:
        write_plan(plan, folder)
    folder.mkdir(exist_ok=True)
    (folder / "notes.txt").write_text("mine")
    before = listing(folder)
    with pytest.raises(InputError, match=r"holds notes\.txt, which rightslice did not write"):
        write_plan(plan, folder)
    assert listing(folder) == before


def test_a_file_is_no_folder(plan: Plan, tmp_path: Path) -> None:
    """The message says what to give instead."""
    (tmp_path / "plan").write_text("text")
    with pytest.raises(InputError, match="is a file; give a folder"):
        write_plan(plan, tmp_path / "plan")


def test_an_empty_folder_may_be_filled(plan: Plan, tmp_path: Path) -> None:
    """A folder made beforehand is as good as none."""
    (tmp_path / "plan").mkdir()
    write_plan(plan, tmp_path / "plan")
    assert (tmp_path / "plan" / "README.md").is_file()


def test_a_failed_swap_brings_the_earlier_plan_back(tmp_path: Path) -> None:
    """When the new folder cannot take its place, the old one is where it was."""
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "README.md").write_text("old")
    with pytest.raises(OSError, match="No such file"):
        _swap(tmp_path / "missing", tmp_path / "plan", tmp_path / "old")
    assert listing(tmp_path) == {"plan/README.md"}


def test_a_failed_write_leaves_nothing_behind(plan: Plan, tmp_path: Path) -> None:
    """Where no folder can be made, there is an error and no trace."""
    (tmp_path / "file").write_text("text")
    with pytest.raises(UnavailableError, match="could not be written"):
        write_plan(plan, tmp_path / "file" / "below" / "plan")
    assert listing(tmp_path) == {"file"}
