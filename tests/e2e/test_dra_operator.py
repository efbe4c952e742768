"""The operator on nodes that publish their GPUs under DRA, and nothing else.

Every profile that the counters still hold is an offer: no label is changed and no node drained.
The real scheduler allocates; nothing is left when a ModelDeployment goes.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rightslice.edge.catalog_files import Catalog
from tests.e2e.operating import (
    MODELS,
    PodWatch,
    found,
    gpu_nodes,
    make_models,
    running,
    serve,
    until_settled,
)
from tests.e2e.waiting import eventually
from tools.testbed import dra
from tools.testbed.control_plane import ControlPlane
from tools.testbed.dra import DraNode
from tools.testbed.nodes import GpuNode

SLO = {"tpot": "30ms"}
BOARD = "NVIDIA A100-SXM4-40GB"


@contextmanager
def cards(plane: ControlPlane, name: str, count: int = 1) -> Iterator[DraNode]:
    """Make the only GPU node of the cluster, with so many A100s that only DRA hands out."""
    node = DraNode(node=name, grid=Catalog().mig_gpu("A100-40GB"), product=BOARD, cards=count)
    published = [*dra.driver_classes(), *node.slices()]
    with gpu_nodes(plane, GpuNode(name=name, resources={})):
        dra.publish(plane, published)
        try:
            yield node
        finally:
            dra.withdraw(plane, published)


def allocated(plane: ControlPlane, namespace: str) -> list[str]:
    """Return the devices of the namespace's claims."""
    return sorted(
        result["device"]
        for claim in found(plane, namespace, "resourceclaims")
        for result in claim.get("status", {})
        .get("allocation", {})
        .get("devices", {})
        .get("results", ())
    )


def nothing_left(plane: ControlPlane, namespace: str) -> bool:
    """Whether no pod, claim or template is left."""
    kinds = "pods,resourceclaims,resourceclaimtemplates,deployments"
    return not plane.kubectl("-n", namespace, "get", kinds, "-o", "name")


def test_a_load_moves_to_a_bigger_slice_and_back(
    plane: ControlPlane, namespace: str, rights: Path, tmp_path: Path
) -> None:
    """Made on demand, moved make-before-break, one template a revision; nothing is left."""
    make_models(plane, namespace)
    watch = PodWatch(plane, namespace)
    with (
        cards(plane, "dra-moves"),
        watch.following(),
        running(rights, tmp_path / "operator.log", "--ceiling=enforce", "--settle=1"),
    ):
        serve(plane, namespace, "opt", slo=SLO)
        until_settled(plane, namespace, "opt")
        assert allocated(plane, namespace) == ["gpu-0-mig-1g5gb-19-0"]
        watch.arm()
        serve(plane, namespace, "opt", slo=SLO, concurrency=128)
        until_settled(plane, namespace, "opt")
        assert watch.serving("opt") == {("1 resourceclaim:3g.20gb", 1)}
        serve(plane, namespace, "opt", slo=SLO)
        eventually(lambda: watch.serving("opt") == {("1 resourceclaim:1g.5gb", 1)}, 40)
        until_settled(plane, namespace, "opt")
        eventually(lambda: len(found(plane, namespace, "resourceclaimtemplates")) == 1)
        assert watch.fewest == {"opt": 1}
        plane.kubectl("-n", namespace, "delete", "mdep", "--all")
        eventually(lambda: nothing_left(plane, namespace), 60)


def test_room_is_what_the_counters_leave(
    plane: ControlPlane, namespace: str, rights: Path, tmp_path: Path
) -> None:
    """Three share a card; the whole card is no longer an offer, and the one that wants it waits."""
    make_models(plane, namespace)
    with (
        cards(plane, "dra-room"),
        running(rights, tmp_path / "operator.log", "--ceiling=enforce", "--settle=0"),
    ):
        for name in MODELS:
            serve(plane, namespace, name)
        until_settled(plane, namespace, *MODELS)
        before = allocated(plane, namespace)
        assert len(before) == 3
        serve(plane, namespace, "llama", concurrency=100)
        eventually(lambda: _waits_for(plane, namespace, "llama"), 40)
        assert allocated(plane, namespace) == before
        pods = found(plane, namespace, "pods")
        assert all(pod["spec"].get("nodeName") for pod in pods), "a pod waits for what is not there"
        for name in ("opt", "mistral"):
            plane.kubectl("-n", namespace, "delete", "mdep", name)
        plane.kubectl("-n", namespace, "delete", "mdep", "llama")
        eventually(lambda: nothing_left(plane, namespace), 60)


def _waits_for(plane: ControlPlane, namespace: str, name: str) -> bool:
    status = found(plane, namespace, "mdep", name).get("status", {})
    return any("resourceclaim:" in one or "is free" in one for one in status.get("waitingFor", ()))


def test_kills_leave_one_template_and_no_claim_too_many(
    plane: ControlPlane, namespace: str, rights: Path, tmp_path: Path
) -> None:
    """Killed in the midst of moves back and forth, and started again: it ends where it should."""
    make_models(plane, namespace)
    with (
        cards(plane, "dra-kills"),
        running(rights, tmp_path / "operator.log", "--ceiling=enforce", "--settle=0") as process,
    ):
        serve(plane, namespace, "opt", slo=SLO)
        until_settled(plane, namespace, "opt")
        for concurrency in (128, 1, 128):
            serve(plane, namespace, "opt", slo=SLO, concurrency=concurrency)
            eventually(lambda: len(found(plane, namespace, "resourceclaimtemplates")) > 1, 40)
            process.end(signal.SIGKILL)
            process.start()
            until_settled(plane, namespace, "opt")
        eventually(lambda: len(found(plane, namespace, "resourceclaimtemplates")) == 1, 40)
        eventually(lambda: len(allocated(plane, namespace)) == 1, 40)
        assert allocated(plane, namespace)[0].startswith("gpu-0-mig-3g20gb")
        plane.kubectl("-n", namespace, "delete", "mdep", "--all")
        eventually(lambda: nothing_left(plane, namespace), 60)
