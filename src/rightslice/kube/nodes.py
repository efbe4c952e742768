"""How each node is cut and labelled: mig-parted's device lists, and the labels pods select by.

The device plugin's rules (NVIDIA/k8s-device-plugin internal/rm/device_map.go): a card in MIG mode
without instances is an error, and under ``single`` every card of a node must be in the same mode
with instances of one kind. So an unused card is not in MIG mode, except under ``single``, where it
is cut as its neighbours are. Our own labels (``rightslice.dev/...``) tell node groups apart where
NVIDIA's cannot: two groups of one instance type, or nodes that are cut differently under
``single``, where every slice is called ``nvidia.com/gpu``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from rightslice.core.catalog.fleet import MigStrategy, NodeGroup
from rightslice.core.catalog.mig import Placement, ProfileName
from rightslice.core.catalog.resource import resource_suffix
from rightslice.core.catalog.share import Exclusive, MigSlice, MpsShare, Share, TimeSlice
from rightslice.core.packing.backends import Backend
from rightslice.core.packing.driver import parted_layout
from rightslice.core.plan.result import CardPlan, Plan
from rightslice.kube.manifest import GROUP, LONGEST_NAME, digest, short_name

MIG_CONFIG_LABEL: Final = "nvidia.com/mig.config"
DEVICE_PLUGIN_LABEL: Final = "nvidia.com/device-plugin.config"
NODE_LABEL: Final = f"{GROUP}/node"
NODE_GROUP_LABEL: Final = f"{GROUP}/node-group"
PROFILE_LABEL: Final = f"{GROUP}/mig-profile"
WHOLE: Final = "whole"
"""Value of the profile label on a node whose cards are not cut."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Cards of one node that are cut alike."""

    devices: tuple[int, ...]
    counts: Mapping[ProfileName, int]
    """Instances by profile; empty: not in MIG mode."""


@dataclass(frozen=True, kw_only=True)
class NodeSetting:
    """What one node is to become."""

    node: str
    """The plan's name of it: group and index."""
    group: NodeGroup
    cuts: tuple[Cut, ...]
    mig_config: str | None
    """Name of its mig-parted configuration; None where MIG is not used."""
    device_plugin_config: str | None
    """Name of its configuration for sharing cards; None where they are not shared."""
    elsewhere: tuple[int, ...]
    """Cards on which mig-parted puts the same instances at other starts than the plan."""

    @property
    def labels(self) -> dict[str, str]:
        """Every label of the node, MIG configuration last."""
        labels = {NODE_GROUP_LABEL: self.group.name, NODE_LABEL: short_name(self.node)}
        if self.group.mig is MigStrategy.SINGLE:
            labels[PROFILE_LABEL] = self._profile
        if self.device_plugin_config is not None:
            labels[DEVICE_PLUGIN_LABEL] = self.device_plugin_config
        if self.mig_config is not None:
            labels[MIG_CONFIG_LABEL] = self.mig_config
        return labels

    @property
    def _profile(self) -> str:
        names = [name for cut in self.cuts for name in cut.counts]
        return resource_suffix(names[0]) if names else WHOLE


def node_settings(plan: Plan, backend: Backend = Backend.DEVICE_PLUGIN) -> tuple[NodeSetting, ...]:
    """Return the setting of every node of *plan* under *backend*, in the plan's order."""
    by_node = groupby(plan.cards, key=lambda card: card.node)
    settings = tuple(_setting(node, tuple(cards)) for node, cards in by_node)
    if backend is Backend.DEVICE_PLUGIN:
        return settings
    # mig-manager must not cut what something else cuts, and starts are not left to its order.
    return tuple(replace(each, mig_config=None, elsewhere=()) for each in settings)


def node_selector(share: Share, group: NodeGroup) -> dict[str, str]:
    """Return the labels of the nodes that hand out *share* of a card of *group*."""
    selector = {NODE_GROUP_LABEL: group.name}
    if group.mig is MigStrategy.SINGLE:
        profile = share.profile if isinstance(share, MigSlice) else None
        selector[PROFILE_LABEL] = WHOLE if profile is None else resource_suffix(profile)
    if group.instance is not None:
        selector["node.kubernetes.io/instance-type"] = group.instance.name
    return selector


def sharing_name(share: TimeSlice | MpsShare) -> str:
    """Return the name of the device plugin configuration that hands out cards so.

    >>> sharing_name(MpsShare(replicas=4))
    'mps-4'
    """
    how = "mps" if isinstance(share, MpsShare) else "time-sliced"
    return f"{how}-{share.replicas}"


def ways_of_sharing(nodes: Sequence[NodeSetting]) -> list[TimeSlice | MpsShare]:
    """Return every way in which cards of *nodes* are shared: MPS first, fewest shares first."""
    shares = {share for node in nodes if (share := card_sharing(node.group)) is not None}
    return sorted(shares, key=lambda share: (isinstance(share, TimeSlice), share.replicas))


def card_sharing(group: NodeGroup) -> TimeSlice | MpsShare | None:
    """Return how the cards of *group* are shared; None when they are not."""
    share = group.whole_share
    return None if isinstance(share, Exclusive) else share


def _setting(node: str, cards: Sequence[CardPlan]) -> NodeSetting:
    group = cards[0].group
    cuts = _cuts(group, cards)
    sharing = card_sharing(group)
    return NodeSetting(
        node=node,
        group=group,
        cuts=cuts,
        mig_config=None if group.mig is MigStrategy.NONE else _config_name(group.name, cuts),
        device_plugin_config=None if sharing is None else sharing_name(sharing),
        elsewhere=tuple(card.card for card in cards if _is_elsewhere(card)),
    )


def _cuts(group: NodeGroup, cards: Sequence[CardPlan]) -> tuple[Cut, ...]:
    fill: tuple[Placement, ...] = ()
    if group.mig is MigStrategy.SINGLE:
        fill = next((card.layout for card in cards if card.layout), ())
    by_counts: dict[tuple[tuple[ProfileName, int], ...], list[int]] = {}
    for card in cards:
        counts = Counter(placement.profile for placement in card.layout or fill)
        by_counts.setdefault(tuple(sorted(counts.items())), []).append(card.card)
    return tuple(
        Cut(devices=tuple(devices), counts=dict(counts)) for counts, devices in by_counts.items()
    )


def _config_name(group: str, cuts: Sequence[Cut]) -> str:
    """Name by content: mig-manager acts when the label changes, not when the file does."""
    content = json.dumps([[cut.devices, sorted(cut.counts.items())] for cut in cuts])
    ending = f"-layout-{digest(content)}"
    return group[: LONGEST_NAME - len(ending)].rstrip("-") + ending


def _is_elsewhere(card: CardPlan) -> bool:
    grid = card.group.gpu.mig
    if not card.layout or grid is None or grid.slots is None:
        return False
    reached = parted_layout(grid, Counter(placement.profile for placement in card.layout))
    return reached is None or not reached.certain or reached.layout != tuple(sorted(card.layout))
