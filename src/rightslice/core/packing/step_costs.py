"""What the steps of a repack take and save: seconds, dollars, and when it has paid for itself.

A step costs the part of its card that it holds while nobody is served from it, by the rule of
slice prices (the larger of a profile's memory and compute shares): a slice being made or removed,
and for a move the new slice while the successor loads, when old and new are both held; a label
costs its node's cards while they are cut. Steps are counted one after another. Known gap: what a
stopped replica's users lose has no price here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from rightslice.core.catalog.mig import MigGrid, slice_share
from rightslice.core.packing.live import LivePod
from rightslice.core.packing.on_backend import Action
from rightslice.core.packing.steps import Step, StepKind
from rightslice.errors import InputError

_HOUR_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True)
class StepRates:
    """What each kind of step takes, and what a card costs."""

    create_seconds: float = 10.0
    """NVIDIA's DRA driver notes "O(10 s)" for making an instance without a cached handle
    (kubernetes-sigs/dra-driver-nvidia-gpu cmd/gpu-kubelet-plugin/nvlib.go), and mig-parted took
    about 9 s for a node of eight B200 (NVIDIA/mig-parted#332)."""
    destroy_seconds: float = 10.0
    """As for creation: the same calls of the driver."""
    start_seconds: float = 455.0
    """Until a successor serves, where nothing better is known: the part of a measured cold start
    after the image was there (kaito-project/kaito#2325)."""
    relabel_seconds: float = 10.0
    """For all cards of a node: mig-parted took about 9 s for eight B200 (NVIDIA/mig-parted#332).
    mig-manager restarts the device plugin too, which nobody has timed."""
    stop_seconds: float = 30.0
    """Kubernetes' default grace period, for running requests to end."""
    card_usd_per_hour: float | None = None
    """None: nothing is priced."""

    def __post_init__(self) -> None:
        names = ("create_seconds", "destroy_seconds", "start_seconds", "stop_seconds")
        for name in (*names, "relabel_seconds"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise InputError(f"{name} is {value:g}; give seconds, 0 or more")
        price = self.card_usd_per_hour
        if price is not None and not 0 < price < float("inf"):
            raise InputError(f"a GPU at {price:g} dollars an hour; give more than 0")


@dataclass(frozen=True, kw_only=True)
class StepCost:
    """One step's part."""

    seconds: float
    usd: float | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class RepackCost:
    """What a plan costs and saves."""

    __record__: ClassVar = (
        "steps",
        "actions",
        "seconds",
        "usd",
        "saves_usd_per_hour",
        "payback_seconds",
    )

    steps: tuple[StepCost, ...]
    """One for each step, in order."""
    seconds: float
    """All steps, one after another."""
    usd: float | None
    saves_usd_per_hour: float | None
    """The cards that are freed, at their price."""
    actions: tuple[StepCost, ...] | None = None
    """One for each action of the back end that was named; seconds and dollars are then of these."""

    @property
    def payback_seconds(self) -> float | None:
        """How long the freed cards must stay away to pay for the moves; None when unpriced."""
        if self.usd is None or not self.saves_usd_per_hour:
            return None
        return self.usd / self.saves_usd_per_hour * _HOUR_SECONDS


def repack_cost(grid: MigGrid, plan: Sequence[Step], freed: int, rates: StepRates) -> RepackCost:
    """Return what each of the steps takes and costs, and what so many *freed* cards save."""
    steps = tuple(step_cost(grid, step, rates) for step in plan)
    price = rates.card_usd_per_hour
    return RepackCost(
        steps=steps,
        seconds=sum(each.seconds for each in steps),
        usd=None if price is None else sum(each.usd or 0.0 for each in steps),
        saves_usd_per_hour=None if price is None else freed * price,
    )


def on_backend_cost(
    grid: MigGrid, cost: RepackCost, actions: Sequence[Action], rates: StepRates
) -> RepackCost:
    """Return *cost* with seconds and dollars of the back end's *actions* instead of the steps."""
    found = tuple(_action_cost(grid, action, rates) for action in actions)
    usd = None if cost.usd is None else sum(each.usd or 0.0 for each in found)
    seconds = sum(each.seconds for each in found)
    return replace(cost, actions=found, seconds=seconds, usd=usd)


def _action_cost(grid: MigGrid, action: Action, rates: StepRates) -> StepCost:
    if isinstance(action, Step):
        return step_cost(grid, action, rates)
    seconds, price = rates.relabel_seconds, rates.card_usd_per_hour
    usd = None if price is None else price * len(action.cards) * seconds / _HOUR_SECONDS
    return StepCost(seconds=seconds, usd=usd, reason="mig-manager cuts every card of the node")


def step_cost(grid: MigGrid, step: Step, rates: StepRates) -> StepCost:
    """Return what *step* takes and what it costs at *rates*."""
    seconds, reason = _seconds(step, rates)
    return StepCost(seconds=seconds, usd=_usd(grid, step, seconds, rates), reason=reason)


def _seconds(step: Step, rates: StepRates) -> tuple[float, str]:
    match step.action:
        case StepKind.CREATE:
            return rates.create_seconds, "the driver makes the slice"
        case StepKind.DESTROY:
            return rates.destroy_seconds, "the driver removes the slice"
        case StepKind.STOP:
            return rates.stop_seconds, "running requests end"
        case StepKind.START:
            return _start(step.pod, rates), "the replica loads; it serves nobody until then"
        case StepKind.MOVE:
            seconds = _start(step.pod, rates) + rates.stop_seconds
            return seconds, "the successor loads while the old replica serves; both are held"


def _start(pod: LivePod | None, rates: StepRates) -> float:
    if pod is None or pod.start_seconds is None:
        return rates.start_seconds
    return pod.start_seconds


def _usd(grid: MigGrid, step: Step, seconds: float, rates: StepRates) -> float | None:
    share = slice_share(grid, grid.profile(step.placement.profile))
    if rates.card_usd_per_hour is None or share is None:
        return None
    part = float(max(share.memory, share.compute))
    return rates.card_usd_per_hour * part * seconds / _HOUR_SECONDS
