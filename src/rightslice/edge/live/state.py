"""Slices found on a cluster, put together into a state of one kind of card.

A fault is named with its node, its GPU and its slot, and nothing is guessed over it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.core.packing.live import LiveCard, LivePod, LiveSlice, LiveState, check_state
from rightslice.edge.catalog_files import Catalog
from rightslice.errors import FieldError, InputError, UnknownNameError


@dataclass(kw_only=True)
class FoundCard:
    """One GPU while its slices are collected."""

    node: str
    name: str
    """Its UUID where that is known."""
    product: str = ""
    """What the cluster calls its kind; "" where nothing says."""
    slices: list[LiveSlice] = field(default_factory=list)

    @property
    def where(self) -> str:
        """The card, for messages."""
        return f"node {self.node}, GPU {self.name}" if self.node else f"GPU {self.name}"

    def add(self, profile: str, start: int, pod: LivePod | None) -> None:
        """Add a slice."""
        placement = Placement(profile=ProfileName(profile), start=start)
        self.slices.append(LiveSlice(placement=placement, pod=pod))

    def seat(self, start: int, pod: LivePod) -> None:
        """Put *pod* into the slice that starts at slot *start*.

        Raises:
            FieldError: when there is none, or another pod runs in it.
        """
        for index, each in enumerate(self.slices):
            if each.placement.start != start:
                continue
            if each.pod is not None and each.pod.name != pod.name:
                raise FieldError(
                    self.where,
                    f"slot {start}",
                    f"two pods on one slice: {each.pod.name} and {pod.name}",
                )
            self.slices[index] = replace(each, pod=pod)
            return
        raise FieldError(self.where, f"slot {start}", f"pod {pod.name} runs in no slice there")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a source told."""

    cards: tuple[FoundCard, ...]
    floors: Mapping[str, int] = field(default_factory=dict)
    is_inferred: bool = False


def live_state(found: Found, *, catalog: Catalog, gpu: str | None, where: str) -> LiveState:
    """Return the cards of one kind with their slices, checked.

    Args:
        found: every card that the source told of.
        catalog: for the placement grids.
        gpu: the kind that is wanted; None where all are of one kind that the source names.
        where: the source, for messages.

    Raises:
        FieldError: naming node, GPU and slot of what cannot exist.
        InputError: when the kind is not told, several are, or it has no MIG.
    """
    if not found.cards:
        raise InputError(f"{where}: tells of no GPU that is cut into slices")
    wanted = None if gpu is None else catalog.mig_gpu(gpu)
    grids: dict[str, MigGrid] = {}
    cards: list[LiveCard] = []
    for card in found.cards:
        grid = _grid(card, catalog, wanted)
        if wanted is not None and grid.name != wanted.name:
            continue
        grids[grid.name] = grid
        cards.append(LiveCard(name=card.name, node=card.node, slices=tuple(card.slices)))
    if not grids:
        raise InputError(f"{where}: has no {gpu} that is cut into slices")
    if len(grids) > 1:
        raise InputError(
            f"{where}: holds cards of several kinds ({', '.join(sorted(grids))}); choose one with"
            " --gpu, since a slice cannot move between kinds"
        )
    state = LiveState(
        grid=next(iter(grids.values())),
        cards=tuple(sorted(cards, key=lambda card: (card.node, card.name))),
        floors=found.floors,
        is_inferred=found.is_inferred,
    )
    check_state(state)
    return state


def _grid(card: FoundCard, catalog: Catalog, wanted: MigGrid | None) -> MigGrid:
    if not card.product:
        if wanted is None:
            raise FieldError(card.where, "", "nothing says what kind of GPU it is; give --gpu")
        return wanted
    try:
        return catalog.mig_gpu(card.product)
    except UnknownNameError as error:
        raise FieldError(card.where, "", str(error)) from None
    except InputError as error:
        raise FieldError(card.where, "", f"slices on a GPU that has none: {error}") from None
