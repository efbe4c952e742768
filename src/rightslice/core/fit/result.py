"""What fitting returns: the offer taken, its numbers, and why every other one was not.

"Holds" is defined once, here and in `perf.predict`: a closed-loop load of C is held only when C
sequences of input + output tokens fit the KV pool and ``max-num-seqs`` at once and the targets are
met at that batch; a rate is held when the queue is stable and the targets are met at their
percentiles. Queueing is never counted as holding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from functools import cached_property
from typing import ClassVar, Final, Protocol

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.instance import InstanceType, Price
from rightslice.core.catalog.question import Question
from rightslice.core.fit.frontier import Frontier, FrontierPoint, target_of, unbeaten
from rightslice.core.perf.result import Prediction
from rightslice.core.sizing.result import Sizing

_NOTHING: Final = Fraction(0)
_NO_CARDS: Final = Fraction(1000)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One way to run one replica: a device, how many of it, and what that costs."""

    __record__: ClassVar = (
        "name", "device", "tensor_parallel", "pool", "cards", "usd_per_hour", "price",
    )  # fmt: skip

    device: Device
    """What each rank sees."""
    tensor_parallel: int
    pool: str
    """Where it comes from: a node group of the fleet, an instance type, or the board's name."""
    instance: InstanceType | None
    price: Price | None
    """The price that ``usd_per_hour`` is a share of; None when it is not known."""
    cards: Fraction | None
    """Whole-card equivalents that one replica pays for; None on an unknown MIG grid."""
    usd_per_hour: Fraction | None

    @cached_property
    def name(self) -> str:
        """A name that tells offers of one pool apart: ``H100-SXM-80GB 3g.40gb``."""
        ranks = f" x{self.tensor_parallel}" if self.tensor_parallel > 1 else ""
        where = "" if self.pool == self.device.gpu.name else f" on {self.pool}"
        return f"{self.device.label}{ranks}{where}"

    @cached_property
    def cost_order(self) -> tuple[bool, float, Fraction, float, Fraction]:
        """What puts one replica of the cheaper offer first: dollars, then part of a card.

        Fractions compare slowly: the floats nearest to them go before. What has no price comes
        last, and a slice on an unknown grid behind all that are known.
        """
        cost = _NOTHING if self.usd_per_hour is None else self.usd_per_hour
        cards = _NO_CARDS if self.cards is None else self.cards
        return self.usd_per_hour is None, float(cost), cost, float(cards), cards


class Constraint(Enum):
    """What refused an offer."""

    ISOLATION = "isolation"
    UNMEASURED = "unmeasured"
    TOPOLOGY = "topology"
    UNKNOWN = "unknown facts"
    MEMORY = "memory"
    CONCURRENCY = "KV cache"
    TPOT = "TPOT"
    TTFT = "TTFT"
    STABILITY = "stability"
    REPLICAS = "replicas"


_TOO_SLOW: Final = (Constraint.TPOT, Constraint.TTFT)
"""Refusals of offers that carry the load all the same."""


@dataclass(frozen=True, kw_only=True)
class Holds:
    """The offer holds the load within the targets at the stated confidence."""

    replicas: int
    usd_per_hour: Fraction | None
    """All replicas together."""
    headroom_ratio: float
    """Room to the nearest target: 0.25 says that a quarter of the tightest one is spare."""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The offer does not: the binding constraint, with its number and what would turn it."""

    constraint: Constraint
    reason: str
    """With the numbers: ``64 sequences of 256 tokens need 3.0 GiB of KV cache, 1.3 GiB remain``."""
    remedy: str
    """The smallest change that would turn it."""
    needed: float
    available: float
    unit: str
    """Of ``needed`` and ``available``: ``bytes``, ``seconds``, ``sequences``, ``replicas``."""
    held_load: float | None = None
    """What all allowed replicas would hold, clients or requests/s; None when not worked out."""


Outcome = Holds | Refused


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What came of a device under a question, in full."""

    outcome: Outcome
    sizing: Sizing | None
    """None when the device was refused before sizing."""
    prediction: Prediction | None
    """One replica under its part of the load; None when it does not start."""

    @property
    def replicas(self) -> int:
        """How many hold the load; 0 when refused."""
        return self.outcome.replicas if isinstance(self.outcome, Holds) else 0

    @property
    def headroom_ratio(self) -> float:
        """Room to the nearest target; 0 when refused."""
        return self.outcome.headroom_ratio if isinstance(self.outcome, Holds) else 0.0

    @property
    def judged(self) -> Judged:
        """Itself: it is worked out already."""
        return self


class Judgement(Protocol):
    """What came of a device: in short at once, in full when it is asked for."""

    @property
    def replicas(self) -> int:
        """How many hold the load; 0 when refused."""

    @property
    def headroom_ratio(self) -> float:
        """Room to the nearest target; 0 when refused."""

    @property
    def judged(self) -> Judged:
        """The outcome with its numbers and reasons."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pending:
    """A judgement whose words are left until somebody reads them. Compared by identity."""

    replicas: int
    room: float
    """Room to the nearest target, as the arrays have it: `judged` may differ in the last digit."""
    work_out: Callable[[], Judged]

    @cached_property
    def judged(self) -> Judged:
        """The outcome with its numbers and reasons."""
        return self.work_out()

    @property
    def headroom_ratio(self) -> float:
        """Room to the nearest target; 0 when refused."""
        known = self.__dict__.get("judged")
        return self.room if known is None else known.headroom_ratio


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """One offer, judged. Compared by identity: equal devices share one judgement."""

    __record__: ClassVar = ("offer", "outcome", "sizing", "prediction")

    offer: Offer
    judgement: Judgement

    @cached_property
    def outcome(self) -> Outcome:
        """Whether it holds the load, at this offer's price, or what refused it."""
        outcome = self.judgement.judged.outcome
        if isinstance(outcome, Holds):
            return replace(outcome, usd_per_hour=self.usd_per_hour)
        return outcome

    @property
    def sizing(self) -> Sizing | None:
        """None when the offer was refused before sizing."""
        return self.judgement.judged.sizing

    @property
    def prediction(self) -> Prediction | None:
        """One replica under its part of the load; None when it does not start."""
        return self.judgement.judged.prediction

    @property
    def holds(self) -> Holds | None:
        """The outcome when the offer holds the load."""
        if not self.replicas:
            return None
        return self.outcome if isinstance(self.outcome, Holds) else None

    @property
    def replicas(self) -> int:
        """Replicas that hold the load; 0 when the offer is refused."""
        return self.judgement.replicas

    @property
    def usd_per_hour(self) -> Fraction | None:
        """Price of all replicas that hold the load; of one when the offer is refused."""
        cost, replicas = self.offer.usd_per_hour, self.replicas
        return cost if cost is None or replicas <= 1 else cost * replicas


@dataclass(frozen=True, kw_only=True)
class CandidateSummary:
    """One offer in a line, as JSON readers get it."""

    offer: str
    pool: str
    usd_per_hour: Fraction | None
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """The answer to a question, with every alternative."""

    __record__: ClassVar = (
        "question", "answer", "chosen", "best_effort", "at_point_estimate", "others", "frontier",
        "notes",
    )  # fmt: skip

    question: Question
    chosen: Candidate | None
    """The cheapest offer that holds; None when none does."""
    best_effort: Candidate | None
    """When none holds: the one that holds most of the load."""
    at_point_estimate: str | None
    """The offer that a confidence of 50 % would take: what certainty costs."""
    candidates: tuple[Candidate, ...]
    """Every offer, cheapest first."""
    notes: tuple[str, ...] = ()

    @property
    def answer(self) -> str:
        """``holds`` or ``none holds``."""
        return "none holds" if self.chosen is None else "holds"

    @property
    def others(self) -> tuple[CandidateSummary, ...]:
        """Every offer but the one taken, with its outcome."""
        return tuple(
            CandidateSummary(
                offer=candidate.offer.name,
                pool=candidate.offer.pool,
                usd_per_hour=candidate.offer.usd_per_hour,
                outcome=candidate.outcome,
            )
            for candidate in self.candidates
            if candidate is not self.chosen
        )

    @property
    def frontier(self) -> Frontier:
        """What less latency costs: the offers that none beats in both."""
        slo = self.question.slo
        latency, percentile, target = target_of(slo)
        found = (self._point(candidate, latency, percentile) for candidate in self.candidates)
        return Frontier(
            latency=latency,
            percentile=percentile,
            target_seconds=target,
            points=unbeaten(point for point in found if point is not None),
        )

    def _point(
        self, candidate: Candidate, latency: str, percentile: float | None
    ) -> FrontierPoint | None:
        """Return a candidate as a point; None where it does not carry the load or has no price."""
        outcome, prediction, price = candidate.outcome, candidate.prediction, candidate.offer
        is_carried = isinstance(outcome, Holds) or outcome.constraint in _TOO_SLOW
        if not is_carried or prediction is None or price.usd_per_hour is None:
            return None
        reached = (prediction.tpot if latency == "TPOT" else prediction.ttft).at(percentile)
        replicas = candidate.replicas or self.question.min_replicas
        return FrontierPoint(
            offer=candidate.offer.name,
            replicas=replicas,
            usd_per_hour=price.usd_per_hour * replicas,
            latency=reached,
            upper_seconds=reached.upper(self.question.confidence),
            holds=candidate.replicas > 0,
        )

    @property
    def cheaper_refused(self) -> tuple[Candidate, ...]:
        """Offers that would cost less and were refused."""
        refused = tuple(candidate for candidate in self.candidates if not candidate.replicas)
        limit = None if self.chosen is None else self.chosen.usd_per_hour
        if limit is None:
            return refused
        return tuple(c for c in refused if (c.offer.usd_per_hour or Fraction(0)) <= limit)
