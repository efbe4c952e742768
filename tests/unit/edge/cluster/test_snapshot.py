"""Snapshot files: written for `diff`, read back whole, and told from everything else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster.snapshot import (
    is_snapshot,
    live_of,
    read_snapshot,
    snapshot_of_files,
    snapshot_text,
)
from rightslice.errors import InputError

EXAMPLE = Path(__file__).parents[4] / "examples" / "cluster" / "state.json"


def test_the_example_is_what_would_be_written() -> None:
    """Reading and writing a snapshot changes no byte of it."""
    assert snapshot_text(read_snapshot(EXAMPLE)) == EXAMPLE.read_text(encoding="utf-8")


def test_objects_stand_one_a_line() -> None:
    """A changed pod is one changed line."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    objects = [line for line in lines if line.startswith("    {")]
    assert len(objects) == len(json.loads(EXAMPLE.read_text(encoding="utf-8"))["items"])


def test_files_of_kubectl_make_the_same_snapshot(tmp_path: Path) -> None:
    """Lists in several files, or in a folder of them, are one snapshot; its time is not known."""
    items = json.loads(EXAMPLE.read_text(encoding="utf-8"))["items"]
    for number, part in enumerate((items[:9], items[9:])):
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": part})
        (tmp_path / f"{number}.json").write_text(text, encoding="utf-8")
    found = snapshot_of_files([tmp_path])
    assert found.objects == read_snapshot(EXAMPLE).objects
    assert found.taken_at is None
    assert read_snapshot(tmp_path) == found


def test_only_its_own_files_are_snapshots(tmp_path: Path) -> None:
    """A folder, a file of kubectl and a missing file are none."""
    other = tmp_path / "objects.json"
    other.write_text('{"kind": "List", "items": []}', encoding="utf-8")
    assert is_snapshot(EXAMPLE)
    assert [is_snapshot(one) for one in (tmp_path, other, tmp_path / "no")] == [False] * 3


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("[1]", "holds no Kubernetes objects"),
        ("{", "is not JSON"),
        ('{"kind": "Snapshot"', "is not JSON"),
        ('{"kind": "Snapshot", "apiVersion": "v1"}', "is not known"),
        ('{"kind": "List", "items": []}', "holds nothing to read; write kubectl get nodes,pods"),
        ('{"kind": "Secret", "metadata": {"name": "s"}}', "holds nothing to read"),
        ('{"kind": "Pod"}', "a Pod has no metadata.name"),
        ('{"kind": "List", "items": [7]}', "holds no Kubernetes objects"),
        ("apiVersion: [", "is not YAML"),
    ],
)
def test_malformed_files_are_named_with_what_is_wrong(
    tmp_path: Path, text: str, problem: str
) -> None:
    """The message begins with the file and says what would be right."""
    path = tmp_path / "state.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"state\.json") as caught:
        read_snapshot(path)
    assert problem in str(caught.value)


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    """It says what it looked for."""
    with pytest.raises(InputError, match=r"holds no \.json or \.yaml file"):
        read_snapshot(tmp_path)


def test_slices_under_dra_are_exact_and_counted_ones_are_inferred() -> None:
    """One snapshot of both: the kind of card that is asked for decides which it is."""
    snapshot = read_snapshot(EXAMPLE)
    exact = live_of(snapshot, Catalog(), gpu="A100-80GB", where="f")
    inferred = live_of(snapshot, Catalog(), gpu="H100-80GB", where="f")
    assert (exact.is_inferred, inferred.is_inferred) == (False, True)
    assert [each.pod.name for card in inferred.cards for each in card.slices if each.pod] == [
        "assist/code-0"
    ]
    with pytest.raises(InputError, match="choose one with --gpu"):
        live_of(snapshot, Catalog(), gpu=None, where="f")
