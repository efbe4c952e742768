"""Placements as a node itself tells them: ``nvidia-smi`` text, and DCGM exporter's pod labels.

One text a node, the outputs one after another in any order::

    nvidia-smi -L                  # GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-...)
    nvidia-smi mig -lgi            # |   0  MIG 3g.40gb   9   1   4:4  |
    curl -s localhost:9400/metrics # DCGM_FI_...{gpu="0",UUID="GPU-...",GPU_I_ID="1",pod="..."} 3

``-lgi`` gives profile, instance id and start:size; the exporter's labels ``GPU_I_ID`` and ``pod``
(``exported_pod`` where Prometheus renamed it) say who runs in which instance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from rightslice.edge.live.pods import Tenants
from rightslice.edge.live.state import FoundCard
from rightslice.errors import FieldError, InputError

_GPU: Final = re.compile(r"GPU (?P<index>\d+): (?P<name>.+?) \(UUID: (?P<uuid>GPU-[\w-]+)\)")
_INSTANCE: Final = re.compile(
    r"\|+\s*(?P<gpu>\d{1,4})\s+MIG (?P<profile>\S+)\s+(?P<id>\d+)\s+(?P<instance>\d+)"
    r"\s+(?P<start>\d{1,4}):(?P<size>\d+)\s*\|"
)
_LOOKS_LIKE_INSTANCE: Final = re.compile(r"\|+\s*\d+\s+MIG ")
_METRIC: Final = re.compile(r"[A-Za-z_:][\w:]*\{(?P<labels>.*)\}\s+\S+")
_LABEL: Final = re.compile(r'(?P<name>\w+)="(?P<value>(?:[^"\\]|\\.)*)"')


@dataclass
class _Node:
    name: str
    cards: dict[str, FoundCard] = field(default_factory=dict)
    """By GPU index."""
    starts: dict[tuple[str, str], int] = field(default_factory=dict)
    """Start slot by GPU index and instance id."""
    samples: list[dict[str, str]] = field(default_factory=list)

    def card(self, index: str) -> FoundCard:
        """Return the card, made anew when nothing else told of it."""
        name = f"{self.name}/{index}"
        return self.cards.setdefault(index, FoundCard(node=self.name, name=name))


def read_smi(text: str, *, node: str, tenants: Tenants) -> tuple[FoundCard, ...]:
    """Return the cards of *node* with their slices, and the pods that DCGM saw in them.

    Raises:
        FieldError: naming node, GPU and slot: two pods on one slice, a pod on an instance that
            ``-lgi`` does not list.
        InputError: for a row that cannot be read, with its line, or when nothing is cut.
    """
    found = _Node(name=node)
    for number, line in enumerate(text.splitlines(), 1):
        _read_line(found, line, f"{node}:{number}")
    if not found.starts:
        raise InputError(f"{node}: no GPU instance is listed; give the text of nvidia-smi mig -lgi")
    for labels in found.samples:
        _seat(found, labels, tenants)
    return tuple(card for card in found.cards.values())


def _read_line(found: _Node, line: str, where: str) -> None:
    if (gpu := _GPU.search(line)) is not None:
        card = found.card(gpu["index"])
        card.name, card.product = gpu["uuid"], gpu["name"]
    elif (row := _INSTANCE.search(line)) is not None:
        key = (row["gpu"], row["instance"])
        if key in found.starts:
            raise InputError(f"{where}: instance {row['instance']} of GPU {row['gpu']} again")
        found.starts[key] = int(row["start"])
        found.card(row["gpu"]).add(row["profile"], int(row["start"]), None)
    elif _LOOKS_LIKE_INSTANCE.search(line) is not None:
        raise InputError(f"{where}: is no row of nvidia-smi mig -lgi: {line.strip()}")
    elif (metric := _METRIC.fullmatch(line.strip())) is not None:
        found.samples.append(dict(_labels(metric["labels"])))


def _labels(text: str) -> Iterator[tuple[str, str]]:
    for match in _LABEL.finditer(text):
        yield match["name"], re.sub(r"\\(.)", r"\1", match["value"])


def _seat(found: _Node, labels: dict[str, str], tenants: Tenants) -> None:
    instance, index = labels.get("GPU_I_ID"), labels.get("gpu", "")
    pod = labels.get("exported_pod") or labels.get("pod")
    if not instance or not pod:
        return
    card = found.card(index)
    if card.name == f"{found.name}/{index}" and labels.get("UUID", "").startswith("GPU-"):
        card.name = labels["UUID"]
    card.product = card.product or labels.get("modelName", "")
    start = found.starts.get((index, instance))
    if start is None:
        raise FieldError(
            card.where,
            f"instance {instance}",
            f"pod {pod} runs there by DCGM, and nvidia-smi mig -lgi does not list it",
        )
    namespace = labels.get("exported_namespace") or labels.get("namespace", "")
    card.seat(start, tenants.live(namespace, pod))
