"""Which nodes mig-manager could cut anew now, and why the others are left alone.

Labels are those of NVIDIA's GPU operator: ``nvidia.com/gpu.deploy.mig-manager`` says that a
mig-manager runs there, ``nvidia.com/mig.config`` which configuration it was told, and
``nvidia.com/mig.config.state`` how that went (NVIDIA/mig-parted
deployments/container/reconfigure-mig.sh). Changing the label resets every card of the node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from rightslice.core.catalog.gpu import Gpu
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.resource import WHOLE
from rightslice.core.catalog.share import Exclusive, MigSlice
from rightslice.kube.cluster.hardware import NodeHardware, gpu_resources
from rightslice.kube.cluster.view import ClusterNode
from rightslice.kube.manifest import GROUP
from rightslice.kube.nodes import MIG_CONFIG_LABEL
from rightslice.kube.relayout.cards import NodeCards
from rightslice.kube.relayout.limits import Limits
from rightslice.kube.relayout.machine import SUCCESS, seconds_between
from rightslice.kube.relayout.record import read_record
from rightslice.kube.relayout.step import ENDED, LayoutStep

STATE_LABEL: Final = "nvidia.com/mig.config.state"
MANAGER_LABEL: Final = "nvidia.com/gpu.deploy.mig-manager"
STRATEGY_LABEL: Final = "nvidia.com/mig.strategy"
COUNT_LABEL: Final = "nvidia.com/gpu.count"
OWN_LABEL: Final = f"{GROUP}/relayout"
"""``never``: a node that is not to be cut by us."""
_MOST_CARDS: Final = 16


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A node that will not be cut, and the smallest change that would turn it."""

    node: str
    reason: str
    remedy: str

    @property
    def told(self) -> str:
        """Both, in a sentence."""
        return f"{self.node}: {self.reason}; would turn: {self.remedy}"


@dataclass(frozen=True, kw_only=True)
class CuttableNode:
    """A node whose cards could be cut anew."""

    node: ClusterNode
    gpu: Gpu
    cards: NodeCards

    @property
    def former(self) -> str:
        """The configuration that its mig-manager was told."""
        return self.node.labels[MIG_CONFIG_LABEL]

    @property
    def is_in_use(self) -> bool:
        """Whether a pod holds one of its GPUs."""
        return self.in_use > 0

    @property
    def in_use(self) -> int:
        """How many of its GPU resources pods hold."""
        return sum(int(self.node.used.get(name, 0)) for name in self.handed_out)

    @cached_property
    def handed_out(self) -> Mapping[str, int]:
        """GPU resources, and how many of each."""
        return handed_out(self.node)


def handed_out(node: ClusterNode) -> dict[str, int]:
    """Return the GPU resources of *node*, those that there are none of left out."""
    return {name: int(node.allocatable[name]) for name in gpu_resources(node)}


def is_candidate(node: ClusterNode) -> bool:
    """Whether *node* has to do with GPUs at all; of others nothing is said."""
    return MANAGER_LABEL in node.labels or COUNT_LABEL in node.labels or bool(gpu_resources(node))


def cuttable(
    node: ClusterNode, hardware: NodeHardware | None, limits: Limits, now: str
) -> CuttableNode | Refusal:
    """Return the node as it could be cut, or why it is left alone."""
    refused = _by_labels(node) or _by_record(node, limits, now)
    if refused is not None:
        return refused
    if hardware is None or not hardware.handed_out or hardware.problem is not None:
        why = "hands out no GPU" if hardware is None else hardware.problem or "hands out no GPU"
        return _refused(node, why, "its device plugin and labels set right")
    gpu = hardware.handed_out[0].device.gpu
    if any(not isinstance(one.device.share, Exclusive | MigSlice) for one in hardware.handed_out):
        return _refused(node, "its cards are shared in turns or by MPS", "sharing switched off")
    if gpu.mig is None or gpu.mig.slots is None:
        return _refused(node, f"{gpu.name} has no MIG layout that is known", "another board")
    count = node.labels.get(COUNT_LABEL, "")
    cards = int(count) if count.isdecimal() and count.isascii() else 0
    whole = int(node.allocatable.get(WHOLE, 0))
    if not max(1, whole) <= cards <= _MOST_CARDS:
        return _refused(node, f"says {COUNT_LABEL}={count or 'nothing'}", "the number of its cards")
    slices = {
        ProfileName(one.device.share.profile): int(node.allocatable[one.resource])
        for one in hardware.handed_out
        if isinstance(one.device.share, MigSlice)
    }
    counted = NodeCards(grid=gpu.mig, cards=cards, whole=whole, slices=slices)
    return CuttableNode(node=node, gpu=gpu, cards=counted)


def _refused(node: ClusterNode, reason: str, remedy: str) -> Refusal:
    return Refusal(node=node.name, reason=reason, remedy=remedy)


def _by_labels(node: ClusterNode) -> Refusal | None:
    labels = node.labels
    if labels.get(OWN_LABEL) == "never":
        return _refused(node, f"is labelled {OWN_LABEL}=never", "that label removed")
    if labels.get(MANAGER_LABEL) != "true":
        return _refused(
            node, f"lacks {MANAGER_LABEL}=true: no mig-manager would cut it",
            "mig-manager of the GPU operator on it",
        )  # fmt: skip
    if labels.get(STRATEGY_LABEL) != "mixed":
        found = labels.get(STRATEGY_LABEL) or "nothing"
        return _refused(node, f"has {STRATEGY_LABEL}={found}", "the MIG strategy mixed")
    state = labels.get(STATE_LABEL)
    if not labels.get(MIG_CONFIG_LABEL) or state != SUCCESS:
        return _refused(
            node, f"its {STATE_LABEL} is {state or 'not there'}",
            f"a configuration in {MIG_CONFIG_LABEL} that its mig-manager has made",
        )  # fmt: skip
    return None


def _by_record(node: ClusterNode, limits: Limits, now: str) -> Refusal | None:
    record = read_record(node.notes)
    if record is not None and record.step not in ENDED:
        return _refused(node, f"is being cut for {record.demand}", "that to end")
    if record is not None:
        done = record.step is LayoutStep.DONE
        left = limits.rest_seconds if done else limits.retry_seconds
        left -= seconds_between(record.since, now)
        if left > 0:
            what = "was cut a short while ago" if done else f"{record.step.value}: {record.message}"
            until = f"{limits.rest_seconds if done else limits.retry_seconds:.0f} s after that"
            return _refused(node, what, f"{until} ({record.since}), or without the annotation")
    if node.is_cordoned or not node.is_ready:
        why = "is cordoned, not by us" if node.is_cordoned else "is not ready"
        return _refused(node, why, "a node that takes pods")
    return None


def sort_nodes(
    given: Iterable[CuttableNode | Refusal],
) -> tuple[tuple[CuttableNode, ...], tuple[Refusal, ...]]:
    """Return those that can be cut, and the refusals."""
    every = tuple(given)
    can = tuple(one for one in every if isinstance(one, CuttableNode))
    return can, tuple(one for one in every if isinstance(one, Refusal))
