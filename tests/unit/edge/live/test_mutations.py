"""Whatever a cluster's objects or a node's text look like, faults are told as bad input."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rightslice.core.packing.live import check_state
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.live.read import read_live
from rightslice.errors import InputError

DRA = {
    "kind": "List",
    "items": [
        {"kind": "ResourceSlice", "metadata": {"name": "s"}, "spec": {
            "driver": "gpu.nvidia.com", "nodeName": "n", "pool": {"name": "n", "generation": 1},
            "devices": [
                {"name": f"gpu-0-mig-1g5gb-19-{start}", "attributes": {
                    "profile": {"string": "1g.5gb"}, "uuid": {"string": f"MIG-{start}"},
                    "parentUUID": {"string": "GPU-a"},
                    "productName": {"string": "NVIDIA A100-SXM4-40GB"}}}
                for start in (0, 1)]}},
        {"kind": "ResourceClaim", "metadata": {"name": "c", "namespace": "s"}, "status": {
            "allocation": {"devices": {"results": [
                {"driver": "gpu.nvidia.com", "pool": "n", "device": "gpu-0-mig-1g5gb-19-0"}]}},
            "reservedFor": [{"resource": "pods", "name": "p"}]}},
        {"kind": "Pod", "metadata": {"name": "p", "namespace": "s"}, "status": {
            "startTime": "2026-11-20T10:00:00Z"}},
    ],
}  # fmt: skip
DAS = {
    "kind": "List",
    "items": [
        {"kind": "NodeAccelerator", "metadata": {"name": "n"}, "status": {"nodeResources": {
            "nodeGpus": [{"gpuUuid": "GPU-a", "gpuName": "NVIDIA A100-SXM4-40GB"}]}}},
        {"kind": "AllocationClaim", "metadata": {"name": "c"}, "spec": {
            "profile": "1g.5gb", "gpuUUID": "GPU-a", "nodename": "n",
            "migPlacement": {"size": 1, "start": 0}, "podRef": {"name": "p"}},
            "status": {"state": "inUse"}},
    ],
}  # fmt: skip
COUNTS = {
    "kind": "List",
    "items": [
        {"kind": "Node", "metadata": {"name": "n", "labels": {
            "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB", "nvidia.com/gpu.count": "1"}},
            "status": {"allocatable": {"nvidia.com/mig-3g.20gb": "2"}}},
        {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"nodeName": "n", "containers": [
            {"resources": {"limits": {"nvidia.com/mig-3g.20gb": "1"}}}]}},
    ],
}  # fmt: skip
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", "x", "GPU", -1, 0, 99, 1.5, True, [], {}, [None], {"a": 1}, "7g.40gb", "²"]
)


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - plain data
    """Return the path of every value in *value*."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    found = []
    for key in keys:
        found.append((*path, key))
        if isinstance(value[key], dict | list):
            found += spots(value[key], (*path, key))
    return found


def changed(value: Any, path: tuple[Any, ...], odd: Any) -> Any:  # noqa: ANN401 - plain data
    """Return *value* with *odd* at *path*."""
    copy = json.loads(json.dumps(value))
    at = copy
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = odd
    return copy


@pytest.mark.parametrize("sample", [DRA, DAS, COUNTS], ids=["dra", "das", "counts"])
@given(data=st.data())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_changed_objects_are_read_or_refused(
    sample: dict[str, Any], data: st.DataObject, tmp_path: Path
) -> None:
    """One value replaced by any other: a state that can exist, or a message."""
    path = data.draw(st.sampled_from(spots(sample)))
    file = tmp_path / "cluster.json"
    file.write_text(json.dumps(changed(sample, path, data.draw(ODD))))
    with contextlib.suppress(InputError):
        check_state(read_live(file, Catalog()))


TEXT = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-e86cb44c-6756-fd30-cd4a-1e6da3caf9b0)
|   0  MIG 1g.5gb       19       13          2:1     |
M{gpu="0",GPU_I_ID="13",pod="chat-0"} 0.25
"""


@given(at=st.integers(0, len(TEXT) - 1), mark=st.characters(codec="utf-8"))
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_changed_texts_are_read_or_refused(at: int, mark: str, tmp_path: Path) -> None:
    """One character replaced by any other: a state that can exist, or a message."""
    file = tmp_path / "n.txt"
    file.write_text(TEXT[:at] + mark + TEXT[at + 1 :], encoding="utf-8")
    with contextlib.suppress(InputError):
        check_state(read_live(file, Catalog()))
