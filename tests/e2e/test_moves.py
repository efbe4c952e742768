"""Below one GPU and above it: loads that rise and fall, and pods that follow them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from tests.e2e.kubelet import SlowKubelet
from tests.e2e.operating import (
    MODELS,
    PodWatch,
    Serving,
    found,
    gpu_nodes,
    make_models,
    running,
    serve,
    until_settled,
)
from tests.e2e.waiting import eventually
from tools.testbed.control_plane import ControlPlane
from tools.testbed.nodes import MIB_PER_GIB, GpuNode

BOARD = "NVIDIA-A100-SXM4-80GB"
SLICES = {"nvidia.com/mig-1g.10gb": 2, "nvidia.com/mig-2g.20gb": 1, "nvidia.com/mig-3g.40gb": 1}
"""One A100 80GB as it can be cut: 7 of 7 compute slices, 8 of 8 memory slices."""
SHARED = GpuNode(
    name="moves-shared",
    product=BOARD,
    memory_mib=80 * MIB_PER_GIB,
    resources=SLICES,
    kwok=False,
)
WHOLE = GpuNode(
    name="moves-whole", product=BOARD, memory_mib=80 * MIB_PER_GIB, count=8, mig_strategy="none",
    resources={"nvidia.com/gpu": 8}, kwok=False,
)  # fmt: skip
ASKED: dict[str, Any] = {
    "input": 512,
    "output": 128,
    "slo": {"tpot": "60ms"},
    "replicas": {"min": 1, "max": 4},
}
UP = (1, 32, 100, 256, 512)
"""Clients of Llama 3 8B: for a slice, a bigger one, a card, several, more of them."""
SETTLE_SECONDS = 2.0
LOAD_SECONDS = 1.5
"""From bound to ready: longer than a pass of the operator."""


def test_a_load_goes_up_and_down_all_sizes(
    plane: ControlPlane, namespace: str, rights: Path, tmp_path: Path
) -> None:
    """Slice, bigger slice, card, several cards, and back; never fewer than guaranteed."""
    make_models(plane, namespace)
    options = ("--ceiling=enforce", f"--settle={SETTLE_SECONDS}")
    watch = PodWatch(plane, namespace)
    with (
        gpu_nodes(plane, SHARED, WHOLE),
        SlowKubelet(plane, (SHARED.name, WHOLE.name), LOAD_SECONDS).working(),
        watch.following(),
        running(rights, tmp_path / "operator.log", *options),
    ):
        for name in MODELS:
            serve(plane, namespace, name, **ASKED)
        until_settled(plane, namespace, *MODELS)
        watch.arm()
        assert {current(plane, namespace, one).resource for one in MODELS} <= set(SLICES)
        up = [_moved(plane, namespace, concurrency) for concurrency in UP]
        down = [_came_back(plane, namespace, *one) for one in ((UP[2], up[2]), (UP[0], up[0]))]
    assert [one.resource for one in up[:3]] == [
        "nvidia.com/mig-2g.20gb", "nvidia.com/mig-3g.40gb", "nvidia.com/gpu",
    ]  # fmt: skip
    assert [one.cards for one in up[2:]] == sorted({one.cards for one in up[2:]})
    assert min(down) >= SETTLE_SECONDS
    assert watch.fewest == dict.fromkeys(MODELS, 1)
    assert all(len(watch.seen[name]) == 1 for name in ("opt", "mistral")), "they were left alone"
    assert watch.seen["llama"][-1] == watch.seen["llama"][0]
    _only_neighbours_meet(watch.seen["llama"])


def _moved(plane: ControlPlane, namespace: str, concurrency: int) -> Current:
    """Return what runs under a load, once it is what is recommended."""
    serve(plane, namespace, "llama", concurrency=concurrency, **ASKED)
    until_settled(plane, namespace, "llama", seconds=30)
    return current(plane, namespace, "llama")


def _came_back(plane: ControlPlane, namespace: str, concurrency: int, wanted: Current) -> float:
    """Return after how many seconds under a lower load *wanted* runs again."""
    began = time.monotonic()
    serve(plane, namespace, "llama", concurrency=concurrency, **ASKED)
    eventually(lambda: current(plane, namespace, "llama") == wanted, 30)
    seconds = time.monotonic() - began
    until_settled(plane, namespace, "llama", seconds=30)
    return seconds


def _only_neighbours_meet(story: Sequence[Serving]) -> None:
    """No third size is ever touched on the way from one to the next."""
    sizes = [{name for name, _ in moment} for moment in story]
    assert all(len(one) <= 2 for one in sizes), sizes
    alone = [next(iter(one)) for one in sizes if len(one) == 1]
    order = ["1 nvidia.com/mig-2g.20gb", "1 nvidia.com/mig-3g.40gb", "1 nvidia.com/gpu"]
    steps = [order.index(one) for one, _ in groupby(alone)]
    assert steps == [0, 1, 2, 0], steps


@dataclass(frozen=True)
class Current:
    """What runs: a resource, how much of it a pod holds, and how many pods."""

    resource: str
    count: int
    replicas: int

    @property
    def cards(self) -> int:
        """Units of the resource that all pods hold."""
        return self.count * self.replicas


def current(plane: ControlPlane, namespace: str, name: str) -> Current:
    """Return what runs, as the status tells it."""
    one = found(plane, namespace, "mdep", name)["status"]["current"]
    return Current(one["resource"], one["count"], one["replicas"])
