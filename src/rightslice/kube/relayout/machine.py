"""What comes next in a change of a node's layout: a function of the record and of what is seen.

Nothing is remembered but the record: an operator that is killed after any step, or replaced by
another one, goes on from it. Up to the label every way back is to uncordon; after it, mig-manager
is told the former configuration again. A ``success`` is believed only when the node hands out what
was wanted: the label may still speak of the change before, and mig-manager is known to say so with
no device there (NVIDIA/gpu-operator#603).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from rightslice.kube.relayout.limits import Limits
from rightslice.kube.relayout.record import Amount, Record
from rightslice.kube.relayout.step import ENDED, LayoutStep

SUCCESS: Final = "success"
FAILED: Final = "failed"
REBOOTING: Final = "rebooting"
_BEFORE_LABEL: Final = (LayoutStep.CORDONED, LayoutStep.CONFIGURED, LayoutStep.DRAINED)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is seen of the node, and of what else the next step rests on."""

    is_cordoned: bool
    label: str
    """``nvidia.com/mig.config``."""
    state: str
    """``nvidia.com/mig.config.state``."""
    handed_out: Mapping[str, int]
    """GPU resources, those that there are none of left out."""
    pods: tuple[str, ...] = ()
    """Pods with a GPU on the node."""
    stays: str | None = None
    """Why one of them may not be moved after all."""
    is_configured: bool = False
    """Whether the ConfigMap has the wanted configuration."""
    unwanted: str | None = None
    """Why nobody needs the change any more; None while somebody does."""


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Nothing can be done now."""

    message: str


@dataclass(frozen=True, kw_only=True)
class MovePods:
    """Move what may be moved now."""

    message: str


@dataclass(frozen=True, kw_only=True)
class WriteConfig:
    """Write the wanted configuration into the ConfigMap."""


@dataclass(frozen=True, kw_only=True)
class Patch:
    """Write the record, and with it what it tells of, in one patch of the node."""

    record: Record
    cordon: bool | None = None
    """Whether pods are kept away; None: as it is."""
    label: str | None = None
    """The value of ``nvidia.com/mig.config``; None: as it is."""


Next = Wait | MovePods | WriteConfig | Patch


def next_step(record: Record, seen: Seen, limits: Limits, now: str) -> Next | None:
    """Return what is to be done next; None when the change has ended."""
    if record.step in ENDED:
        return None
    clock = _Clock(record, now)
    if record.step in _BEFORE_LABEL:
        return _before_label(record, seen, limits, clock)
    if record.step is LayoutStep.LABELLED:
        return _labelled(record, seen, limits, clock)
    return _rolling_back(record, seen, limits, clock)


@dataclass(frozen=True)
class _Clock:
    record: Record
    now: str

    @property
    def seconds(self) -> float:
        return seconds_between(self.record.since, self.now)

    def to(
        self,
        step: LayoutStep,
        message: str,
        *,
        cordon: bool | None = None,
        label: str | None = None,
    ) -> Patch:
        made = replace(self.record, step=step, since=self.now, message=message)
        return Patch(record=made, cordon=cordon, label=label)


def _before_label(record: Record, seen: Seen, limits: Limits, clock: _Clock) -> Next:
    given_up = _given_up(record, seen, limits, clock)
    if given_up is not None:
        return clock.to(LayoutStep.ABANDONED, f"{given_up}; nothing was cut", cordon=False)
    if record.step is LayoutStep.CORDONED:
        if not seen.is_configured:
            return WriteConfig()
        told = f"{record.wanted} is configured; the pods with a GPU are moved away"
        return clock.to(LayoutStep.CONFIGURED, told)
    if seen.pods:
        return MovePods(message=f"{', '.join(seen.pods)} to be moved first")
    return _empty(record, limits, clock)


def _empty(record: Record, limits: Limits, clock: _Clock) -> Next:
    if record.step is LayoutStep.CONFIGURED:
        left = limits.config_seconds - clock.seconds
        if left > 0:
            return Wait(message=f"the node's mig-manager to see {record.wanted}, {left:.0f} s")
        return clock.to(LayoutStep.DRAINED, "no pod with a GPU is left")
    told = f"mig-manager cuts the cards as {record.wanted}"
    return clock.to(LayoutStep.LABELLED, told, label=record.wanted)


def _given_up(record: Record, seen: Seen, limits: Limits, clock: _Clock) -> str | None:
    if seen.unwanted is not None:
        return seen.unwanted
    if seen.label != record.former:
        return f"somebody changed the node's configuration to {seen.label or 'none'}"
    if not seen.is_cordoned:
        return "somebody uncordoned the node"
    if seen.stays is not None:
        return seen.stays
    if clock.seconds > limits.drain_seconds + limits.config_seconds:
        pods = ", ".join(seen.pods) or "the configuration"
        return f"after {limits.drain_seconds:.0f} s {pods} still kept the node"
    return None


def _labelled(record: Record, seen: Seen, limits: Limits, clock: _Clock) -> Next:
    if seen.label != record.wanted:
        told = f"somebody changed the node's configuration to {seen.label or 'none'}"
        return clock.to(LayoutStep.FAILED, told, cordon=False)
    if _is_done(seen, record.after):
        told = f"the node hands out {_listed(record.after)}"
        return clock.to(LayoutStep.DONE, told, cordon=False)
    if seen.state == FAILED:
        told = (
            f"mig-manager could not cut the cards as {record.wanted}; its log on the node says why"
        )
        return _back(record, clock, told)
    limit = limits.reboot_seconds if seen.state == REBOOTING else limits.change_seconds
    if clock.seconds > limit:
        found = _listed_counts(seen.handed_out)
        told = (
            f"after {limit:.0f} s mig-manager says {seen.state or 'nothing'} and the node hands out"
            f" {found}, not {_listed(record.after)}"
        )
        return _back(record, clock, told)
    return Wait(message=f"mig-manager, which says {seen.state or 'nothing'}")


def _back(record: Record, clock: _Clock, why: str) -> Patch:
    told = f"{why}; back to {record.former}"
    return clock.to(LayoutStep.ROLLING_BACK, told, label=record.former)


def _rolling_back(record: Record, seen: Seen, limits: Limits, clock: _Clock) -> Next:
    if seen.label != record.former:
        told = f"somebody changed the node's configuration to {seen.label or 'none'}"
        return clock.to(LayoutStep.FAILED, told, cordon=False)
    if _is_done(seen, record.before):
        return clock.to(LayoutStep.ROLLED_BACK, record.message, cordon=False)
    is_stale = clock.seconds <= limits.stale_seconds
    limit = limits.reboot_seconds if seen.state == REBOOTING else limits.change_seconds
    if (seen.state == FAILED and not is_stale) or clock.seconds > limit:
        told = (
            f"{record.message}; nor did that come about: mig-manager says"
            f" {seen.state or 'nothing'}, the node hands out {_listed_counts(seen.handed_out)}."
            " Look at its mig-manager"
        )
        return clock.to(LayoutStep.FAILED, told, cordon=False)
    return Wait(
        message=f"mig-manager to go back to {record.former}; it says {seen.state or 'nothing'}"
    )


def _is_done(seen: Seen, wanted: tuple[Amount, ...]) -> bool:
    counts = {one.name: one.count for one in wanted}
    return seen.state == SUCCESS and dict(seen.handed_out) == counts


def _listed(given: tuple[Amount, ...]) -> str:
    return ", ".join(f"{one.count} {one.name}" for one in given) or "nothing"


def _listed_counts(given: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(given.items())) or "nothing"


def seconds_between(since: str, now: str) -> float:
    """Return the seconds from *since* to *now*, as Kubernetes writes moments; 0 for no moment."""
    try:
        begun, ended = (_moment(one) for one in (since, now))
    except ValueError:
        return 0.0
    return max(0.0, (ended - begun).total_seconds())


def _moment(written: str) -> dt.datetime:
    return dt.datetime.strptime(written, "%Y-%m-%dT%H:%M:%SZ")  # noqa: DTZ007 - Z says UTC
