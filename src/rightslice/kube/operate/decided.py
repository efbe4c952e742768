"""One ModelDeployment with what is decided about it, as every front end shows it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

from rightslice.kube.crd.condition import Condition
from rightslice.kube.crd.deployment import (
    ModelDeploymentSpec,
    ModelDeploymentStatus,
    OfferStatus,
)
from rightslice.kube.operate.again import Memory, decide_again
from rightslice.kube.operate.decide import Decision
from rightslice.kube.operate.view import Key, Served, World


@dataclass(frozen=True, kw_only=True)
class Decided:
    """A ModelDeployment, and what the operator decides about it at one moment."""

    namespace: str
    name: str
    model: str
    mode: str
    """How far it may go: what its spec asks for, and at most the operator's ceiling."""
    load: str
    targets: str
    outcome: str
    """What came of it in a word: ``Recommended``, ``NoRoom`` ..."""
    reason: str
    """Why, in words."""
    status: ModelDeploymentStatus

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.namespace, self.name

    @property
    def offer(self) -> OfferStatus | None:
        """What should run; None where nothing that holds can be had."""
        found = self.status.recommendation
        return None if found is None else found.offer

    @property
    def usd_per_hour(self) -> Decimal | None:
        """What should run costs, or what stays where nothing can be had; None: no price."""
        return dollars(self.offer or self.status.current)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What the operator sees at one moment: what it decides about, and what it rests on."""

    served: Mapping[Key, Served]
    world: World
    now: dt.datetime

    def decided(self) -> tuple[Decided, ...]:
        """Return every ModelDeployment with the operator's decision, by name."""
        return self.decided_after(Memory())[0]

    def decided_after(self, last: Memory) -> tuple[tuple[Decided, ...], Memory]:
        """Return `decided`, working out anew only what is not as *last* had it; and what it had."""
        memory = decide_again(self.served.values(), self.world, self.now, last)
        found = [_decided(one, self.served[one.key]) for one in memory.decisions]
        return tuple(sorted(found, key=lambda one: one.key)), memory

    @property
    def settled(self) -> Moment:
        """The same moment, as if every cheaper offer had done for its settling time."""
        return replace(self, world=replace(self.world, settle_seconds=0.0))


def dollars(offer: OfferStatus | None) -> Decimal | None:
    """Return the price of *offer*, 0 of none; None where it is not known."""
    if offer is None:
        return Decimal(0)
    try:
        return None if offer.usd_per_hour is None else Decimal(offer.usd_per_hour.replace(",", ""))
    except InvalidOperation:
        return None


def offer_text(offer: OfferStatus | None) -> str:
    """Return an offer with its replicas; ``nothing`` for none."""
    return "nothing" if offer is None else f"{offer.replicas} x {offer.offer}"


def _decided(decision: Decision, served: Served) -> Decided:
    spec, conditions = served.spec, {one.type: one for one in decision.status.conditions}
    return Decided(
        namespace=served.namespace,
        name=served.name,
        model="" if spec is None else spec.model,
        mode=decision.mode.value,
        load="" if spec is None else load_of(spec),
        targets="" if spec is None else targets_of(spec),
        outcome=decision.outcome.value,
        reason=_reason(conditions),
        status=decision.status,
    )


def _reason(conditions: Mapping[str, Condition]) -> str:
    told = [conditions[one].message for one in ("Recommended", "Accepted") if one in conditions]
    return next((one for one in told if one), "")


def load_of(spec: ModelDeploymentSpec) -> str:
    """Return the load as it is written: ``64 at once, 128 in, 128 out``."""
    load = spec.load
    amount = f"{load.concurrency} at once" if load.rate is None else load.rate
    return f"{amount}, {spec.input} in, {spec.output} out"


def targets_of(spec: ModelDeploymentSpec) -> str:
    """Return the targets as they are written: ``TPOT 30ms, TTFT 2s, p95``."""
    slo = spec.slo
    named = (("TPOT", slo.tpot), ("TTFT", slo.ttft), ("at", slo.percentile))
    return ", ".join(f"{name} {value}" for name, value in named if value is not None)


def stored_of(served: Served) -> Decided:
    """Return a ModelDeployment as its own status tells it: what the operator decided last."""
    spec, status = served.spec, served.before
    conditions = {one.type: one for one in status.conditions}
    recommended = conditions.get("Recommended")
    return Decided(
        namespace=served.namespace,
        name=served.name,
        model="" if spec is None else spec.model,
        mode="" if spec is None else spec.mode.value,
        load="" if spec is None else load_of(spec),
        targets="" if spec is None else targets_of(spec),
        outcome="Undecided" if recommended is None else recommended.reason,
        reason=_reason(conditions),
        status=status,
    )
