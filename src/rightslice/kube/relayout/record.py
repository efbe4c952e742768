"""A change under way, as an annotation of its node tells it: whoever reads it can go on.

The record and what it tells of (cordon, label) are fields of one object and are written in one
patch, so that they never disagree; the object's resource version lets one writer win.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from rightslice.kube.crd.decode import decode, encode
from rightslice.kube.crd.deployment import LayoutChange
from rightslice.kube.crd.shape import Shape
from rightslice.kube.manifest import GROUP, digest
from rightslice.kube.relayout.step import LayoutStep
from rightslice.records import Json

RECORD: Final = f"{GROUP}/layout-change"
"""The annotation."""


@dataclass(frozen=True, kw_only=True)
class Amount:
    """So many of a resource, or of a profile."""

    name: str
    count: int


@dataclass(frozen=True, kw_only=True)
class CardCut:
    """Cards of the node that are cut alike."""

    devices: Annotated[tuple[int, ...], Shape(longest=64)]
    slices: Annotated[tuple[Amount, ...], Shape(longest=32)] = ()
    """Profiles; none: the card is not in MIG mode."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One change of one node: from what, to what, for whom, and how far it is."""

    demand: str
    """Namespace and name of the ModelDeployment that it is made for."""
    step: LayoutStep
    since: str
    """When the step was reached."""
    former: str
    """Value of ``nvidia.com/mig.config`` before."""
    wanted: str
    """And afterwards."""
    cuts: tuple[CardCut, ...] = ()
    before: tuple[Amount, ...] = ()
    """GPU resources that the node handed out."""
    after: tuple[Amount, ...] = ()
    """Those that it is to hand out."""
    message: str = ""
    saves: str = ""
    """The cheaper resource that it is made for; empty where the load has nothing to run on."""

    def as_change(self, node: str) -> LayoutChange:
        """Return what the status of a ModelDeployment says of it."""
        return LayoutChange(
            step=self.step, node=node, former=self.former, wanted=self.wanted, since=self.since,
            message=self.message[:2048],
        )  # fmt: skip


def read_record(notes: Mapping[str, str]) -> Record | None:
    """Return the record among a node's annotations; None when there is none that can be read."""
    written = notes.get(RECORD)
    try:
        return None if written is None else decode(Record, json.loads(written)).value
    except ValueError:
        return None


def write_record(record: Record) -> str:
    """Return the annotation's value.

    >>> one = Record(demand="n/chat", step=LayoutStep.CORDONED, since="", former="a", wanted="b")
    >>> read_record({RECORD: write_record(one)}) == one
    True
    """
    return json.dumps(encode(record), separators=(",", ":"))


def amounts(given: Mapping[str, int]) -> tuple[Amount, ...]:
    """Return what *given* has more than none of, by name."""
    return tuple(Amount(name=name, count=count) for name, count in sorted(given.items()) if count)


def entries(cuts: Sequence[CardCut]) -> list[Json]:
    """Return mig-parted's entry of a configuration (NVIDIA/mig-parted, ``mig-configs``)."""
    found: list[Json] = []
    for cut in cuts:
        devices: Json = "all" if len(cuts) == 1 else list(cut.devices)
        entry: dict[str, Json] = {"devices": devices, "mig-enabled": bool(cut.slices)}
        if cut.slices:
            entry["mig-devices"] = {one.name: one.count for one in cut.slices}
        found.append(entry)
    return found


def config_name(cuts: Sequence[CardCut], known: Mapping[str, Json]) -> str:
    """Return the name of a configuration that says the same, else one of its content.

    mig-manager acts when the label's value changes, so that another content is another name.
    """
    wanted = entries(cuts)
    same = sorted(name for name, found in known.items() if found == wanted)
    return same[0] if same else f"{GROUP.partition('.')[0]}-{digest(json.dumps(wanted))}"


def cards_alike(counts: Sequence[Mapping[str, int]]) -> tuple[CardCut, ...]:
    """Return the cuts of cards, first card first, those that are alike together."""
    by_counts: dict[tuple[Amount, ...], list[int]] = {}
    for index, one in enumerate(counts):
        by_counts.setdefault(amounts(one), []).append(index)
    return tuple(CardCut(devices=tuple(d), slices=slices) for slices, d in by_counts.items())


def slices_of(cuts: Sequence[CardCut]) -> Counter[str]:
    """Return how many slices of each profile all cards have together."""
    total: Counter[str] = Counter()
    for cut in cuts:
        for one in cut.slices:
            total[one.name] += one.count * len(cut.devices)
    return total
