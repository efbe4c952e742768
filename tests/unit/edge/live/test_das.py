"""AllocationClaims and NodeAccelerators, read and refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rightslice.errors import InputError

Made = dict[str, Callable[..., Any]]
Reader = Callable[..., Any]

GPU = "GPU-8d042338-e67f-9c48-92b4-5b55c7e5133c"


def node() -> dict[str, Any]:
    """Return what DAS discovered on a node of two A100s."""
    gpus = [
        {"gpuUuid": name, "gpuName": "NVIDIA A100-PCIE-40GB", "gpuMemory": "40Gi"}
        for name in (GPU, "GPU-31cfe05c-ed13-cd17-d7aa-c63db5108c24")
    ]
    return {
        "apiVersion": "inference.redhat.com/v1alpha1",
        "kind": "NodeAccelerator",
        "metadata": {"name": "worker-1", "namespace": "das-operator"},
        "spec": {"acceleratorType": "nvidia-mig"},
        "status": {"nodeResources": {"nodeGpus": gpus, "migPlacement": {}}},
    }


def claim(profile: str, start: int, size: int, pod: str, state: str = "inUse") -> dict[str, Any]:
    """Return a claim as DAS's scheduler makes it."""
    return {
        "apiVersion": "inference.redhat.com/v1alpha1",
        "kind": "AllocationClaim",
        "metadata": {"name": f"8835132e-{pod}-0", "namespace": "das-operator"},
        "spec": {
            "profile": profile,
            "gpuUUID": GPU,
            "migPlacement": {"size": size, "start": start},
            "nodename": "worker-1",
            "podRef": {"kind": "Pod", "name": pod, "namespace": "search"},
        },
        "status": {"state": state, "conditions": []},
    }


def test_claims_say_who_sits_where(read: Reader, made: Made) -> None:
    """Trials of the scheduler are passed over, orphans are slices without a pod."""
    state = read(
        made["listed"](
            node(),
            claim("1g.5gb", 0, 1, "a"),
            claim("3g.20gb", 4, 4, "b", "orphaned"),
            claim("2g.10gb", 0, 2, "c", "staged"),
        )
    )
    by_name = {card.name: card for card in state.cards}
    held = {each.placement.start: each.pod for each in by_name[GPU].slices}
    assert {start: pod and pod.name for start, pod in held.items()} == {0: "search/a", 4: None}
    assert (len(by_name), state.grid.name, state.is_inferred) == (2, "A100-40GB", False)


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([node(), claim("", 0, 1, "a")], f"GPU {GPU}: slot 0: claim 8835132e-a-0 names no profile"),
        ([claim("1g.5gb", 0, 1, "a")], "give --gpu"),
        (
            [node(), claim("4g.20gb", 0, 4, "a"), claim("1g.5gb", 2, 1, "b")],
            f"node worker-1, GPU {GPU}: slot 2: 1g.5gb at slot 2 overlaps 4g.20gb",
        ),
        ([node(), claim("1g.5gb", 7, 1, "a")], "slot 7: 1g.5gb cannot start at slot 7"),
        (
            [node(), claim("1g.5gb", 0, 1, "a"), claim("1g.5gb", 0, 1, "b")],
            "slot 0: 1g.5gb is listed twice, for pod search/a and pod search/b",
        ),
        ([{**claim("1g.5gb", 0, 1, "a"), "spec": {}}], "AllocationClaim 8835132e-a-0"),
    ],
)
def test_malformed_states_are_refused(
    objects: list[dict[str, Any]], message: str, read: Reader, made: Made
) -> None:
    """What cannot be is named with its node, GPU and slot, or with its object."""
    with pytest.raises(InputError) as caught:
        read(made["listed"](*objects))
    assert message in str(caught.value)


def test_the_kind_may_be_given(read: Reader, made: Made) -> None:
    """Without NodeAccelerators the kind of card is an option."""
    state = read(made["listed"](claim("1g.5gb", 0, 1, "a")), gpu="A100-40GB")
    assert len(state.cards) == 1
