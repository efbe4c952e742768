"""The pack file: what it may hold, and what is said of mistakes."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from rightslice.core.catalog.together import Apart, Preference
from rightslice.core.packing.node_ask import NodeAsk
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.pack_file import read_pack
from rightslice.errors import FieldError

GOOD = """\
prefer: pack
nodes:
- {name: a, count: 2, gpu: A100-40GB, gpusPerNode: 8, cpu: 96, memory: 1Ti}
- {name: h, gpu: H100-80GB, gpusPerNode: 4}
workloads:
- name: chat
  replicas: 3
  cpu: 500m
  memory: 2GiB
  apart: gpu
  accept:
  - {profile: 1g.10gb, usdPerHour: 0.5}
  - {profile: 2g.20gb}
reserve:
- {profile: 7g.40gb, count: 2}
"""


def read(tmp_path: Path, text: str) -> NodeAsk:
    """Return what a file with *text* asks."""
    path = tmp_path / "pack.yaml"
    path.write_text(text, encoding="utf-8")
    return read_pack(path, Catalog())


def test_a_file_becomes_nodes_and_workloads(tmp_path: Path) -> None:
    """Units are read, absent limits do not bind, and a profile serves on each GPU that has it."""
    ask = read(tmp_path, GOOD)
    a, h = ask.kinds
    assert (a.count, a.cpu_cores, a.memory_bytes, h.cpu_cores) == (2, 96.0, 2.0**40, inf)
    chat, reserve = ask.workloads
    assert (chat.count, chat.cpu_cores, chat.memory_bytes) == (3, 0.5, 2.0**31)
    assert (chat.apart, ask.preference) == (Apart.GPU, Preference.PACK)
    accepted = [(each.gpu, str(each.profile), each.usd_per_hour) for each in chat.accepts]
    assert accepted == [
        (a.grid.name, "1g.10gb", 0.5),
        (h.grid.name, "1g.10gb", 0.5),
        (h.grid.name, "2g.20gb", 0.0),
    ]
    assert (reserve.is_reserve, reserve.count) == (True, 2)


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("gpu: A100-40GB", "gpu: A100-41GB", r"pack.yaml:3: nodes\[0\].gpu: unknown GPU"),
        ("gpu: A100-40GB", "gpu: T4-16GB", r"nodes\[0\].gpu"),
        ("profile: 7g.40gb", "profile: 7g.99gb", "no GPU of these nodes has 7g.99gb; they have"),
        ("cpu: 500m", "cpu: much", "no amount of CPU; write it like 4 or 500m"),
        ("memory: 2GiB", "memory: 2 loads", "unknown unit"),
        ("apart: gpu", "apart: rack", "allowed: .*node"),
        ("replicas: 3", "replica: 3", "unknown field; did you mean replicas"),
        ("{profile: 2g.20gb}", "{profile: 1g.10gb}", "is given twice"),
        ("{profile: 2g.20gb}", "{profile: 2g.20gb, gpu: A30-24GB}", "no node has A30-24GB"),
    ],
)
def test_a_mistake_is_named_with_its_field(
    was: str, becomes: str, said: str, tmp_path: Path
) -> None:
    """The message has the line, the field and what would be right."""
    assert was in GOOD
    with pytest.raises(FieldError, match=said):
        read(tmp_path, GOOD.replace(was, becomes))
