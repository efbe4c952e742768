"""A node's own text: nvidia-smi and the DCGM exporter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rightslice.edge.catalog_files import Catalog
from rightslice.edge.live.read import read_live
from rightslice.errors import InputError

Reader = Callable[..., Any]
Made = dict[str, Callable[..., Any]]

TEXT = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-e86cb44c-6756-fd30-cd4a-1e6da3caf9b0)
  MIG 3g.20gb     Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
+----------------------------------------------------+
| GPU instances:                                     |
| GPU   Name          Profile  Instance   Placement  |
|                       ID       ID       Start:Size |
|====================================================|
|   0  MIG 1g.5gb       19       13          2:1     |
+----------------------------------------------------+
|   0  MIG 3g.20gb       9        1          4:4     |
+----------------------------------------------------+
# HELP DCGM_FI_PROF_GR_ENGINE_ACTIVE Ratio of time the graphics engine is active.
# TYPE DCGM_FI_PROF_GR_ENGINE_ACTIVE gauge
DCGM_FI_PROF_GR_ENGINE_ACTIVE{gpu="0",UUID="GPU-e86cb44c-6756-fd30-cd4a-1e6da3caf9b0",\
device="nvidia0",modelName="NVIDIA A100-SXM4-40GB",GPU_I_PROFILE="3g.20gb",GPU_I_ID="1",\
Hostname="worker-1",container="vllm",namespace="search",pod="chat-0"} 0.25
DCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-e86cb44c-6756-fd30-cd4a-1e6da3caf9b0",GPU_I_ID="13"} 0
"""


def test_slices_and_pods_of_a_node_are_read(read: Reader) -> None:
    """Profile, start and pod of each instance; a card without instances is there too."""
    state = read(TEXT, "worker-1.txt")
    cards = {card.name[:8]: card for card in state.cards}
    held = {each.placement.start: each.pod for each in cards["GPU-e86c"].slices}
    assert {start: pod and pod.name for start, pod in held.items()} == {2: None, 4: "search/chat-0"}
    assert (cards["GPU-5d5b"].slices, cards["GPU-5d5b"].node) == ((), "worker-1")


def test_renamed_labels_of_prometheus_are_known(read: Reader) -> None:
    """Prometheus keeps its own pod label and calls the workload's exported_pod."""
    renamed = TEXT.replace('namespace="search",pod="chat-0"', 'pod="dcgm",exported_pod="chat-0",'
                           'exported_namespace="search"')  # fmt: skip
    state = read(renamed, "worker-1.txt")
    pods = [each.pod.name for card in state.cards for each in card.slices if each.pod]
    assert pods == ["search/chat-0"]


def test_a_folder_has_a_text_for_each_node(tmp_path: Path, made: Made) -> None:
    """Pods and budgets beside the texts give workloads and floors."""
    (tmp_path / "worker-1.txt").write_text(TEXT)
    (tmp_path / "worker-2.txt").write_text(
        TEXT.replace("GPU-e86c", "GPU-f").replace("GPU-5d5b", "GPU-g").replace("chat-0", "chat-1")
    )
    (tmp_path / "pods.json").write_text(
        made["listed"](made["pod"]("chat-0", "chat"), made["budget"]("chat", 1))
    )
    state = read_live(tmp_path, Catalog())
    assert {card.node for card in state.cards} == {"worker-1", "worker-2"}
    assert state.floors == {"search/chat": 1}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("2:1", "4:1", "node worker-1, GPU GPU-e86cb44c-6756-fd30-cd4a-1e6da3caf9b0: slot 4: "),
        ("1g.5gb  ", "1g.6gb  ", "slot 2: unknown MIG profile"),
        ("2:1", "two", "worker-1:9: is no row of nvidia-smi mig -lgi"),
        ('GPU_I_ID="1"', 'GPU_I_ID="7"', "instance 7: pod chat-0 runs there by DCGM"),
        ('"} 0\n', '",pod="b",namespace="s"} 0\nX{gpu="0",GPU_I_ID="13",pod="c"} 0\n',
         "slot 2: two pods on one slice: s/b and c"),
        ("19       13 ", "19        1 ", "worker-1:11: instance 1 of GPU 0 again"),
        ("A100-SXM4-40GB", "T4", "slices on a GPU that has none"),
    ],
)  # fmt: skip
def test_malformed_texts_are_refused(old: str, new: str, message: str, read: Reader) -> None:
    """What cannot be is named with its node, GPU and slot, or with its line."""
    with pytest.raises(InputError) as caught:
        read(TEXT.replace(old, new), "worker-1.txt")
    assert message in str(caught.value)


def test_a_node_without_instances_says_so(read: Reader) -> None:
    """Nothing cut is no state to repack."""
    with pytest.raises(InputError, match="no GPU instance is listed"):
        read("No MIG-enabled devices found.\n", "worker-1.txt")
