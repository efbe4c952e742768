"""Pods moved between cards on the real scheduler: as the core plans, make-before-break, resumable.

Pods of ModelDeployments are spread over cards by claims of others that come and go, as a busy
cluster leaves them behind. Then cards are freed.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rightslice.kube.cluster.dra import DraDevice, DraPool
from rightslice.kube.cluster.read import read_cluster
from rightslice.kube.manifest import REVISION_LABEL
from rightslice.kube.repack.pods import COST, HASH_LABEL, MOVE
from tests.e2e.operating import (
    MODELS,
    PodWatch,
    found,
    install_rights,
    make_models,
    running,
    serve,
    until_settled,
)
from tests.e2e.test_dra_operator import allocated, cards
from tests.e2e.waiting import eventually
from tools.testbed.control_plane import ControlPlane

OPTIONS = ("--ceiling=enforce", "--settle=0", "--repack", "--repack-rest=1")


def hold(plane: ControlPlane, namespace: str, name: str, device: DraDevice) -> None:
    """Have somebody else's pod hold a slice of the profile and the card of *device*."""
    wanted = {"profile": device.profile, "parentUUID": device.card}
    selectors = [
        {"cel": {"expression": f"device.attributes['gpu.nvidia.com'].{key} == '{value}'"}}
        for key, value in wanted.items()
    ]
    exactly = {"deviceClassName": "mig.nvidia.com", "selectors": selectors}
    spec = {"devices": {"requests": [{"name": "gpu", "exactly": exactly}]}}
    template = {
        "apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaimTemplate",
        "metadata": {"name": name, "labels": {"holds": "yes"}}, "spec": {"spec": spec},
    }  # fmt: skip
    container = {"name": "c", "image": "none", "resources": {"claims": [{"name": "gpu"}]}}
    claims = [{"name": "gpu", "resourceClaimTemplateName": name}]
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"holds": "yes"}},
        "spec": {"containers": [container], "resourceClaims": claims},
    }  # fmt: skip
    items = {"apiVersion": "v1", "kind": "List", "items": [template, pod]}
    plane.kubectl("-n", namespace, "apply", "-f", "-", stdin=json.dumps(items))
    eventually(lambda: found(plane, namespace, "pod", name)["spec"].get("nodeName"))


def release(plane: ControlPlane, namespace: str) -> None:
    """Have all of them go."""
    delete = ("-n", namespace, "delete", "--grace-period=0", "--force", "-l", "holds=yes")
    plane.kubectl(*delete, "pods,resourceclaimtemplates")


def in_use(plane: ControlPlane, namespace: str) -> list[str]:
    """Return the cards that hold a slice."""
    return sorted({one.split("-mig-")[0] for one in allocated(plane, namespace)})


@contextmanager
def rights_to_move(plane: ControlPlane) -> Iterator[None]:
    """Give the operator's account what the chart gives it with `operator.repack.enabled`."""
    install_rights(plane, values=("operator.repack.enabled=true",))
    try:
        yield
    finally:
        install_rights(plane)


def pool(plane: ControlPlane) -> DraPool:
    """Return what the node publishes, and what claims hold of it."""
    kinds = {"Node": "nodes", "ResourceSlice": "resourceslices", "ResourceClaim": "resourceclaims"}
    given = {
        kind: json.loads(plane.kubectl("get", name, "-A", "-o", "json"))["items"]
        for kind, name in kinds.items()
    }
    (made,) = [one.dra for one in read_cluster(given).cluster.nodes if one.dra is not None]
    return made


def fill(plane: ControlPlane, namespace: str) -> None:
    """Have others hold all that is left of every card in use."""
    while True:
        now = pool(plane)
        used = {one.card for one in now.stock.devices if one.name in now.taken}
        fits = [
            one for one in now.stock.devices
            if one.card in used and one.profile and one.name not in now.taken and now.fits(one)
        ]  # fmt: skip
        if not fits:
            return
        largest = max(fits, key=lambda one: sum("memory-slice" in name for _, name in one.takes))
        hold(plane, namespace, f"hold-{len(now.taken)}", largest)


def spread(plane: ControlPlane, namespace: str, *wanted: tuple[str, int]) -> None:
    """Leave the pods of ModelDeployments on cards of their own, one after the other."""
    for name, count in wanted:
        serve(plane, namespace, name, replicas={"min": count, "max": count})
        until_settled(plane, namespace, name)
        fill(plane, namespace)
    release(plane, namespace)
    eventually(lambda: len(allocated(plane, namespace)) == len(wanted), 40)


def is_left_alone(plane: ControlPlane, namespace: str) -> bool:
    """Whether nothing of a move is left: no mark on a pod, no template beside the revisions'."""
    pods = found(plane, namespace, "pods")
    marked = [one for one in pods if MOVE in one["metadata"].get("labels", {})]
    revisions = {one["metadata"]["labels"][REVISION_LABEL] for one in pods}
    templates = found(plane, namespace, "resourceclaimtemplates")
    owners = {each["kind"] for one in pods for each in one["metadata"]["ownerReferences"]}
    return not marked and len(templates) == len(revisions) and owners == {"ReplicaSet"}


def test_three_cards_become_one(
    plane: ControlPlane, namespace: str, rights: Path, tmp_path: Path
) -> None:
    """As the core plans; never fewer ready than guaranteed; nothing is left of the moves."""
    make_models(plane, namespace)
    watch = PodWatch(plane, namespace)
    with (
        cards(plane, "dra-repack", 3),
        rights_to_move(plane),
        watch.following(),
        running(rights, tmp_path / "operator.log", *OPTIONS[:2]) as process,
    ):
        spread(plane, namespace, ("opt", 1), ("mistral", 1), ("llama", 1))
        assert len(in_use(plane, namespace)) == 3
        process.end(signal.SIGTERM)
        process.arguments = OPTIONS
        watch.arm()
        process.start()
        eventually(lambda: len(in_use(plane, namespace)) == 1, 90)
        until_settled(plane, namespace, "opt", "mistral", "llama")
        eventually(lambda: is_left_alone(plane, namespace), 20)
        moves = [found(plane, namespace, "mdep", one)["status"].get("move") for one in MODELS]
        assert [one["step"] for one in moves if one] == ["Done", "Done"]
        assert watch.fewest == dict.fromkeys(MODELS, 1)
        told = plane.kubectl("-n", namespace, "get", "events", "-o=jsonpath={.items[*].reason}")
        assert told.count("MoveDone") == 2
        plane.kubectl("-n", namespace, "delete", "mdep", "--all")
        eventually(lambda: not allocated(plane, namespace), 60)


def test_room_is_made_for_a_load_that_waits(
    plane: ControlPlane, namespace: str, rights: Path, tmp_path: Path
) -> None:
    """Two cards with a slice each, and a load for a whole card: one slice goes to the other."""
    make_models(plane, namespace)
    watch = PodWatch(plane, namespace)
    with (
        cards(plane, "dra-room-made", 2),
        rights_to_move(plane),
        watch.following(),
        running(rights, tmp_path / "operator.log", *OPTIONS[:2]) as process,
    ):
        spread(plane, namespace, ("opt", 1), ("mistral", 1))
        watch.arm()
        serve(plane, namespace, "llama", concurrency=100)
        eventually(
            lambda: found(plane, namespace, "mdep", "llama").get("status", {}).get("waitingFor"), 30
        )
        process.end(signal.SIGTERM)
        process.arguments = OPTIONS
        process.start()
        until_settled(plane, namespace, "llama", "opt", "mistral", seconds=90)
        assert len(in_use(plane, namespace)) == 2
        moves = [found(plane, namespace, "mdep", one)["status"].get("move") for one in MODELS]
        told = [one["message"] for one in moves if one]
        assert any(f"which {namespace}/llama waits for" in one for one in told)
        assert watch.fewest["opt"] == watch.fewest["mistral"] == 1
        plane.kubectl("-n", namespace, "delete", "mdep", "--all")
        eventually(lambda: not allocated(plane, namespace), 60)


def stage(plane: ControlPlane, namespace: str) -> str:
    """Return how far the move under way is, by what is seen of it."""
    pods = found(plane, namespace, "pods")
    marked = any(COST in one["metadata"].get("annotations", {}) for one in pods)
    for one in pods:
        labels = one["metadata"].get("labels", {})
        if MOVE in labels:
            ready = any(
                each["type"] == "Ready" and each["status"] == "True"
                for each in one["status"].get("conditions", ())
            )
            return f"ready {ready}, marked {marked}, adopted {HASH_LABEL in labels}"
    return ""


def test_killed_after_each_step_it_comes_to_the_same_end(
    plane: ControlPlane, namespace: str, rights: Path, tmp_path: Path
) -> None:
    """Replicas of one Deployment on two cards among them: it is the planned one that moves."""
    make_models(plane, namespace)
    watch, seen = PodWatch(plane, namespace), {""}
    with (
        cards(plane, "dra-killed", 4),
        rights_to_move(plane),
        watch.following(),
        running(rights, tmp_path / "operator.log", *OPTIONS[:2]) as process,
    ):
        spread(plane, namespace, ("opt", 1), ("mistral", 1), ("opt", 2), ("llama", 1))
        assert len(in_use(plane, namespace)) == 4
        process.end(signal.SIGTERM)
        process.arguments = OPTIONS
        watch.arm()
        process.start()
        deadline = time.monotonic() + 300
        while len(in_use(plane, namespace)) > 1 or not is_left_alone(plane, namespace):
            assert time.monotonic() < deadline, (allocated(plane, namespace), process.told())
            now = stage(plane, namespace)
            if now not in seen:
                seen.add(now)
                process.end(signal.SIGKILL)
                process.start()
            time.sleep(0.05)
        until_settled(plane, namespace, "opt", "mistral", "llama")
        assert len(seen) > 2, seen
        assert len(allocated(plane, namespace)) == 4
        assert watch.fewest == {"opt": 2, "mistral": 1, "llama": 1}
        plane.kubectl("-n", namespace, "delete", "mdep", "--all")
        eventually(lambda: not allocated(plane, namespace), 60)
