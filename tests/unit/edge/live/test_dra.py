"""ResourceSlices and ResourceClaims, read and refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rightslice.errors import InputError

Made = dict[str, Callable[..., Any]]
Reader = Callable[..., Any]

GPU = "GPU-18a3e86f-4c0e-cd9f-59c3-55488c4b0c24"


def device(profile: str, number: int, start: int, *, uuid: str | None = None) -> dict[str, Any]:
    """Return a MIG device of gpu-0 as the driver announces it."""
    attributes = {
        "type": {"string": "mig"},
        "profile": {"string": profile},
        "parentUUID": {"string": GPU},
        "productName": {"string": "NVIDIA H100 80GB HBM3"},
    }
    if uuid is not None:
        attributes["uuid"] = {"string": uuid}
    name = f"gpu-0-mig-{profile.replace('.', '').replace('+', '-')}-{number}-{start}"
    return {"name": name, "attributes": attributes, "capacity": {"memory": {"value": "9728Mi"}}}


def resource_slice(*devices: dict[str, Any], generation: int = 1) -> dict[str, Any]:
    """Return the devices of worker-1."""
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceSlice",
        "metadata": {"name": f"worker-1-gpu.nvidia.com-{generation}"},
        "spec": {
            "driver": "gpu.nvidia.com",
            "nodeName": "worker-1",
            "pool": {"name": "worker-1", "generation": generation, "resourceSliceCount": 1},
            "devices": list(devices),
        },
    }


def claim(name: str, device_name: str, *pods: str) -> dict[str, Any]:
    """Return an allocated claim of namespace search."""
    result = {"driver": "gpu.nvidia.com", "pool": "worker-1", "request": "gpu"}
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": name, "namespace": "search"},
        "status": {
            "allocation": {"devices": {"results": [{**result, "device": device_name}]}},
            "reservedFor": [{"resource": "pods", "name": pod, "uid": "u"} for pod in pods],
        },
    }


def test_existing_slices_and_their_pods_are_read(read: Reader, made: Made) -> None:
    """Static slices exist without a claim; pods bring workload, start time, pin and floor."""
    pinned = {"annotations": {"karpenter.sh/do-not-disrupt": "true"}}
    state = read(
        made["listed"](
            resource_slice(
                device("3g.40gb", 9, 4, uuid="MIG-a"), device("1g.10gb", 19, 0, uuid="MIG-b")
            ),
            claim("c", "gpu-0-mig-3g40gb-9-4", "chat-5d9f-x"),
            made["pod"]("chat-5d9f-x", "chat", metadata=pinned),
            made["budget"]("chat", 1),
        )
    )
    (card,) = state.cards
    assert (card.name, card.node, state.grid.name) == (GPU, "worker-1", "H100-80GB")
    held = {each.placement.start: each.pod for each in card.slices}
    assert held[0] is None
    assert held[4] is not None
    assert (held[4].name, held[4].workload) == ("search/chat-5d9f-x", "search/chat")
    assert (held[4].pinned, held[4].start_seconds) == (True, 120.0)
    # The label app is overwritten by no one, so the budget counts this pod.
    assert state.floors == {"search/chat": 1}


def test_a_slice_that_could_be_made_is_none(read: Reader, made: Made) -> None:
    """Under DynamicMIG every placement is announced; those that a claim holds exist."""
    every = [device("1g.10gb", 19, start) for start in range(7)]
    held = claim("c", "gpu-0-mig-1g10gb-19-2", "solo")
    state = read(made["listed"](resource_slice(*every), held))
    assert [each.placement.start for each in state.cards[0].slices] == [2]


def test_only_the_newest_generation_of_a_pool_counts(read: Reader, made: Made) -> None:
    """A driver that restarts leaves old slices behind for a while."""
    old = resource_slice(device("7g.80gb", 0, 0, uuid="MIG-a"))
    new = resource_slice(device("1g.10gb", 19, 0, uuid="MIG-b"), generation=2)
    state = read(made["listed"](old, new))
    assert [each.placement.profile for each in state.cards[0].slices] == ["1g.10gb"]


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        (
            [resource_slice(device("3g.40gb", 9, 4, uuid="a"), device("2g.20gb", 14, 4, uuid="b"))],
            f"node worker-1, GPU {GPU}: slot 4: 2g.20gb at slot 4 overlaps",
        ),
        ([resource_slice(device("3g.39gb", 9, 4, uuid="a"))], "slot 4: unknown MIG profile"),
        ([resource_slice(device("3g.40gb", 9, 5, uuid="a"))], "slot 5: 3g.40gb cannot start"),
        (
            [
                resource_slice(device("1g.10gb", 19, 0, uuid="a")),
                claim("c", "gpu-0-mig-1g10gb-19-0", "x", "y"),
            ],
            f"GPU {GPU}: slot 0: two pods on one slice by claim c: search/x and search/y",
        ),
        (
            [
                resource_slice(device("1g.10gb", 19, 0, uuid="a")),
                claim("c", "gpu-0-mig-1g10gb-19-0", "x"),
                claim("d", "gpu-0-mig-1g10gb-19-0", "y"),
            ],
            "slot 0: two pods on one slice: search/x and search/y",
        ),
        (
            [
                resource_slice(device("1g.10gb", 19, 0, uuid="a")),
                claim("c", "gpu-0-mig-1g10gb-19-3", "x"),
            ],
            "ResourceClaim c: status.allocation: no ResourceSlice of pool worker-1",
        ),
        ([{"apiVersion": "v1", "kind": "ResourceSlice", "metadata": {"name": "s"}}], "`spec`"),
    ],
)
def test_malformed_states_are_refused(
    objects: list[dict[str, Any]], message: str, read: Reader, made: Made
) -> None:
    """What cannot be is named with its node, GPU and slot, or with its object."""
    with pytest.raises(InputError) as caught:
        read(made["listed"](*objects))
    assert message in str(caught.value)


def test_a_gpu_without_mig_has_no_slices(read: Reader, made: Made) -> None:
    """MIG slices on a board that has none are a fault, with the board named."""
    odd = device("1g.10gb", 19, 0, uuid="a")
    odd["attributes"]["productName"] = {"string": "Tesla-T4"}
    with pytest.raises(InputError, match=r"node worker-1, GPU .*: slices on a GPU that has none"):
        read(made["listed"](resource_slice(odd)))
