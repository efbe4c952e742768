"""What a changed ModelDeployment would do, to itself and to its neighbours, before it is applied.

The operator's own pass is made twice over one moment of a cluster: as it is, and with the change.
Where a cheaper offer waits for its settling time, it is made once more as if that were over, since
a lower load is not followed at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from rightslice.kube.crd.decode import encode
from rightslice.kube.operate.again import Memory
from rightslice.kube.operate.decided import Decided, Moment, dollars, offer_text
from rightslice.kube.operate.view import Key, Served


@dataclass(frozen=True, kw_only=True)
class Change:
    """One ModelDeployment before and after."""

    before: Decided | None
    """None: it is not there yet."""
    after: Decided
    settled: Decided
    """After the settling time, when nothing else changes; mostly as `after`."""
    is_asked: bool
    """Whether it is one that is changed, not a neighbour."""
    fields: tuple[str, ...] = ()
    """Fields of its spec that differ, with both values."""

    @property
    def changes(self) -> bool:
        """Whether it would get something else, at once or after the settling time."""
        return self.changes_at_once or self.changes_later

    @property
    def changes_later(self) -> bool:
        """Whether it would get something else again after the settling time."""
        return _told(self.settled) != _told(self.after)

    @property
    def changes_at_once(self) -> bool:
        """Whether it would get something else at once."""
        return self.before is None or _told(self.before) != _told(self.after)


@dataclass(frozen=True, kw_only=True)
class WhatIf:
    """What a change would do."""

    verdict: str
    """The answer in a sentence."""
    changes: tuple[Change, ...]
    """What is changed first, then every neighbour that would get something else."""
    usd_per_hour_before: Decimal | None
    """Of all ModelDeployments together, by what is recommended; None: a price is not known."""
    usd_per_hour_after: Decimal | None
    usd_per_hour_settled: Decimal | None
    settle_seconds: float

    @property
    def asked(self) -> tuple[Change, ...]:
        """Those that are changed."""
        return tuple(one for one in self.changes if one.is_asked)

    @property
    def holds(self) -> bool:
        """Whether each of those would have an offer that holds its load, or wants none."""
        return all(one.settled.offer or one.after.mode == "off" for one in self.asked)


def what_if(before: Moment, after: Moment, asked: Collection[Key]) -> WhatIf:
    """Return what becomes of *before* when it is *after*.

    Args:
        before: the cluster as it is.
        after: the same moment with the change.
        asked: the ModelDeployments that are changed or new.
    """
    is_before, memory = _by_key(before, Memory())
    is_after, memory = _by_key(after, memory)
    was_settled, settled = is_before, is_after
    if any(one.status.lowering for one in (*is_before.values(), *is_after.values())):
        was_settled, memory = _by_key(before.settled, memory)
        settled, _ = _by_key(after.settled, memory)
    found = []
    for key, one in is_after.items():
        # What settles anyway is no consequence of the change.
        anyway = key in was_settled and _told(was_settled[key]) == _told(settled[key])
        change = Change(
            before=is_before.get(key),
            after=one,
            settled=one if anyway and key not in asked else settled[key],
            is_asked=key in asked,
            fields=differences(before.served.get(key), after.served[key]),
        )
        if change.is_asked or change.changes:
            found.append(change)
    found.sort(key=lambda one: (not one.is_asked, one.after.key))
    return WhatIf(
        verdict=_verdict(found, after.world.settle_seconds),
        changes=tuple(found),
        usd_per_hour_before=_sum(is_before),
        usd_per_hour_after=_sum(is_after),
        usd_per_hour_settled=_sum(settled),
        settle_seconds=after.world.settle_seconds,
    )


def _by_key(moment: Moment, last: Memory) -> tuple[dict[Key, Decided], Memory]:
    decided, memory = moment.decided_after(last)
    return {one.key: one for one in decided}, memory


def _told(one: Decided) -> tuple[object, ...]:
    """Return what of a decision its owner would notice."""
    found = one.status.recommendation
    offer = None if found is None else replace(found.offer, revision="")
    return one.outcome, one.mode, offer, () if found is None else found.flags


def _sum(decided: Mapping[Key, Decided]) -> Decimal | None:
    prices = [one.usd_per_hour for one in decided.values()]
    known = [one for one in prices if one is not None]
    return sum(known, Decimal(0)) if len(known) == len(prices) else None


def _verdict(changes: Sequence[Change], settle_seconds: float) -> str:
    asked = [one for one in changes if one.is_asked]
    parts = [
        (f"{one.after.name}: " if len(asked) > 1 else "") + _own_verdict(one, settle_seconds)
        for one in asked
    ]
    neighbours = len(changes) - len(asked)
    if neighbours:
        noun = "other changes" if neighbours == 1 else "others change"
        parts.append(f"{neighbours} {noun} with it")
    return "; ".join(parts)


def _own_verdict(asked: Change, settle_seconds: float) -> str:
    before, after, settled = asked.before, asked.after, asked.settled
    if after.mode == "off":
        return "nothing is decided: its mode is off"
    if after.offer is None and settled.offer is None:
        return after.reason or f"nothing: {after.outcome}"
    same_later = _told(settled) == _told(after)
    if before is None:
        found = f"new: {offer_text(after.offer)}"
    elif not asked.changes:
        return f"no change: {offer_text(after.offer)}"
    elif _same_offer(before, after):
        keeps = f"keeps {offer_text(after.offer)}"
        found = f"{keeps}, with other flags or another mode" if same_later else keeps
    else:
        found = f"{offer_text(before.offer)} -> {offer_text(after.offer)}"
    if same_later:
        return found
    return f"{found}; after {settle_seconds:g} s at that load {offer_text(settled.offer)}"


def _same_offer(one: Decided, other: Decided) -> bool:
    return offer_text(one.offer) == offer_text(other.offer) and dollars(one.offer) == dollars(
        other.offer
    )


def differences(before: Served | None, after: Served) -> tuple[str, ...]:
    """Return each field of the spec that *after* has otherwise, with both values."""
    old = {} if before is None or before.spec is None else _flat(before.spec)
    new = {} if after.spec is None else _flat(after.spec)
    if before is None:
        return ()
    names = [*new, *(name for name in old if name not in new)]
    return tuple(
        f"{name}: {old.get(name, 'not set')} -> {new.get(name, 'not set')}"
        for name in names
        if old.get(name) != new.get(name)
    )


def _flat(value: object) -> dict[str, str]:
    """Return the leaves of a spec as the API writes them, by their path."""
    plain = encode(value)
    found: dict[str, str] = {}
    ahead: list[tuple[str, object]] = [("", plain)]
    while ahead:
        where, one = ahead.pop(0)
        if isinstance(one, dict):
            ahead += [(f"{where}.{key}".lstrip("."), item) for key, item in one.items()]
        else:
            found[where] = " ".join(map(str, one)) if isinstance(one, list) else str(one)
    return found
