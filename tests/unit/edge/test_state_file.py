"""State files: what runs where, read and refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from rightslice.core.catalog.mig import Placement, ProfileName
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.state_file import read_state
from rightslice.errors import InputError

GOOD = """
gpu: H100-80GB
floors: {chat: 1}
cards:
- name: GPU-0
  node: worker-1
  slices:
  - {profile: 1g.10gb, start: 0, pod: chat-1, workload: chat}
  - {profile: 3g.40gb, start: 4, pod: rag-1, moveWeight: 2, pinned: true}
- name: GPU-1
"""


def written(folder: Path, text: str) -> Path:
    """Return a file with *text*."""
    path = folder / "state.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_cards_slices_and_pods_are_read(tmp_path: Path) -> None:
    """Every field arrives in the state, and a card may be empty."""
    state = read_state(written(tmp_path, GOOD), Catalog())
    first, second = state.cards
    rag = first.slices[1]
    assert rag.placement == Placement(profile=ProfileName("3g.40gb"), start=4)
    assert rag.pod is not None
    assert (rag.pod.move_weight, rag.pod.pinned) == (2.0, True)
    assert (second.slices, state.floors) == ((), {"chat": 1})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("start: 4", "start: 1", "node worker-1, GPU GPU-0: slot 1: 3g.40gb cannot start"),
        ("3g.40gb, start: 4", "7g.80gb, start: 0", "GPU GPU-0: slot 0: 7g.80gb at slot 0 overlaps"),
        ("3g.40gb", "3g.39gb", "GPU GPU-0: slot 4: unknown MIG profile"),
        ("rag-1", "chat-1", "pod chat-1 also runs on node worker-1, GPU GPU-0 at slot 0"),
        ("GPU-1", "GPU-0", "GPU GPU-0: this GPU is listed twice"),
        ("pinned", "pined", "unknown field; did you mean pinned"),
        ("pod: chat-1, ", "", "a slice without a pod has no workload"),
        (
            "start: 4",
            "start: 8",
            "node worker-1, GPU GPU-0: slot 8: 3g.40gb cannot start at slot 8",
        ),
        ("start: 4", "start: -1", "node worker-1, GPU GPU-0: slot -1: 3g.40gb cannot start"),
        ("start: 4", "start: 0", "GPU GPU-0: slot 0: 3g.40gb at slot 0 overlaps"),
        ("H100-80GB", "T4-16GB", "T4-16GB has no MIG: it cannot hold slices; "),
        ("H100-80GB", "T4-16GB", "is given for node worker-1, GPU GPU-0, slot 0"),
    ],
)
def test_malformed_states_are_refused(old: str, new: str, message: str, tmp_path: Path) -> None:
    """What is wrong is named with its node, GPU and slot, or with its line."""
    with pytest.raises(InputError) as caught:
        read_state(written(tmp_path, GOOD.replace(old, new)), Catalog())
    assert message in str(caught.value)
