"""What fitting returns: the offer taken, its numbers, and why every other one was not.

"Holds" is defined once, here and in `perf.predict`: a closed-loop load of C is held only when C
sequences of input + output tokens fit the KV pool and ``max-num-seqs`` at once and the targets are
met at that batch; a rate is held when the queue is stable and the targets are met at their
percentiles. Queueing is never counted as holding.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import ClassVar

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.instance import InstanceType, Price
from rightslice.core.catalog.question import Question
from rightslice.core.perf.result import Prediction
from rightslice.core.sizing.result import Sizing


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

    @property
    def name(self) -> str:
        """A name that tells offers of one pool apart: ``H100-SXM-80GB 3g.40gb``."""
        ranks = f" x{self.tensor_parallel}" if self.tensor_parallel > 1 else ""
        where = "" if self.pool == self.device.gpu.name else f" on {self.pool}"
        return f"{self.device.label}{ranks}{where}"


class Constraint(Enum):
    """What refused an offer."""

    ISOLATION = "isolation"
    TOPOLOGY = "topology"
    UNKNOWN = "unknown facts"
    MEMORY = "memory"
    CONCURRENCY = "KV cache"
    TPOT = "TPOT"
    TTFT = "TTFT"
    STABILITY = "stability"
    REPLICAS = "replicas"


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
class Candidate:
    """One offer, judged."""

    offer: Offer
    outcome: Outcome
    sizing: Sizing | None
    """None when the offer was refused before sizing."""
    prediction: Prediction | None
    """One replica under its part of the load; None when it does not start."""

    @property
    def holds(self) -> Holds | None:
        """The outcome when the offer holds the load."""
        return self.outcome if isinstance(self.outcome, Holds) else None


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
        "question", "answer", "chosen", "best_effort", "at_point_estimate", "others", "notes",
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
    def cheaper_refused(self) -> tuple[Candidate, ...]:
        """Offers that would cost less and were refused."""
        if self.chosen is None or self.chosen.holds is None:
            return tuple(c for c in self.candidates if c.holds is None)
        limit = self.chosen.holds.usd_per_hour
        return tuple(
            candidate
            for candidate in self.candidates
            if candidate.holds is None
            and (limit is None or (candidate.offer.usd_per_hour or Fraction(0)) <= limit)
        )
