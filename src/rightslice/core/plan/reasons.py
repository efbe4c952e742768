"""Why a workload got what it got: every cheaper offer, and what would help where nothing was."""

from __future__ import annotations

from fractions import Fraction

from rightslice.core.fit.result import Candidate, Recommendation, Refused
from rightslice.core.packing.demand import Refused as NoRoom
from rightslice.core.plan.result import NotPlaced, Passed


def passed(recommendation: Recommendation, taken: Candidate) -> tuple[Passed, ...]:
    """Return each offer that would cost less than the one *taken*, with why it was not."""
    limit = _cost(taken)
    return tuple(
        Passed(offer=candidate.offer.name, reason=_reason(candidate, taken))
        for candidate in recommendation.candidates
        if candidate is not taken and _cost(candidate) < limit
    )


def _cost(candidate: Candidate) -> tuple[bool, Fraction]:
    """Return dollars an hour; offers without a price come after, by whole-card equivalents."""
    cost = candidate.usd_per_hour
    if cost is None:
        return True, (candidate.offer.cards or Fraction(0)) * max(candidate.replicas, 1)
    return False, cost


def _reason(candidate: Candidate, taken: Candidate) -> str:
    if candidate.replicas:
        return (
            f"holds, but the cards in use cost no less with it than with {taken.offer.name}, or"
            " its slots go to workloads that need them more"
        )
    refused = candidate.outcome
    assert isinstance(refused, Refused)
    return f"{refused.reason}; would turn: {refused.remedy}"


def not_placed(recommendation: Recommendation, room: NoRoom | None) -> NotPlaced:
    """Return why a workload got nothing, and the smallest change that would help."""
    best = recommendation.best_effort
    if recommendation.chosen is None:
        if best is None or not isinstance(best.outcome, Refused):
            first = recommendation.candidates[0].outcome
            assert isinstance(first, Refused)
            return NotPlaced(reason=first.reason, remedy=first.remedy)
        return NotPlaced(
            reason=f"no offer of the fleet holds it; the nearest, {best.offer.name}:"
            f" {best.outcome.reason}",
            remedy=best.outcome.remedy,
        )
    reasons = () if room is None else room.reasons
    change = "" if room is None else room.smallest_change
    return NotPlaced(
        reason="; ".join(reasons) or "the fleet has no room for it beside what goes first",
        remedy=change or "more cards, a larger quota, or a higher priority",
    )
