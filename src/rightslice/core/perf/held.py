"""When a load is held, and the search for the largest rate that is: of one server or of many.

Held within an SLO: the worst latency, with the doubt about it, is at most its target. The largest
rate is searched by regula falsi on how far latencies are from their targets in logs, aimed just
below them; a bracket that shrinks by less than a tenth is halved next. The Illinois rule lets no
end stay for long.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from rightslice.core.catalog.estimate import normal_quantile
from rightslice.core.catalog.traffic import Slo
from rightslice.core.perf.arithmetic import SCALAR, Arithmetic
from rightslice.core.perf.bands import WIDEST, Doubt
from rightslice.core.perf.operation import Operation, Spread
from rightslice.core.perf.roofline import Step

MET: Final = 1e-3
"""A latency this near below its target, in logs, is at it."""
SAME: Final = 1.002
"""A server slower by less than this is not searched again."""
RATE_STEPS: Final = 11
"""The rate is found to 1/2,048 of the largest stable rate."""
_INSTANT: Final = 1e-300


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What must be met, and how surely."""

    slo: Slo
    doubt: Doubt
    confidence: float
    arithmetic: Arithmetic = SCALAR

    def near(self, step: Step, state: Operation) -> Ask:
        """Return the same demand with the doubt that belongs to the batch of *state*."""
        doubt = self.doubt.at(step, state.running, state.prefill_per_token)
        return replace(self, doubt=doubt)

    def factor(self, log_sd: float) -> float:
        """Return the slowdown that the truth stays below with the confidence asked for."""
        return self.arithmetic.exp(normal_quantile(self.confidence) * log_sd)

    def excess(self, tpot: Spread, ttft: Spread, *, slowed: bool) -> float:
        """Return the log of the worst latency over its target, none of them above when negative.

        Latencies of a *slowed* server carry the doubt about its speed already.
        """
        slo, doubt, larger = self.slo, self.doubt, self.arithmetic.larger
        worst = -math.inf
        if slo.tpot_seconds is not None:
            reached = tpot.at(slo.tpot_percentile, self.arithmetic)
            factor = 1.0 if slowed else self.factor(doubt.tpot)
            worst = self._log_over(reached * factor, slo.tpot_seconds)
        if slo.ttft_seconds is not None:
            rest = doubt.ttft
            if slowed:
                rest = self.arithmetic.sqrt(larger(doubt.ttft**2 - doubt.tpot**2, 0.0))
            waited = ttft.at(slo.ttft_percentile, self.arithmetic) * self.factor(rest)
            worst = larger(worst, self._log_over(waited, slo.ttft_seconds))
        return worst

    def rate_excess(self, state: Operation, most: float) -> float:
        """Return the excess of a slowed server under a rate; the widest above utilization *most*.

        Never far from zero, so that the search's secants stay useful.
        """
        smaller, where = self.arithmetic.smaller, self.arithmetic.where
        within = smaller(self.excess(state.tpot, state.ttft, slowed=True), WIDEST)
        return where(state.utilization > most * (1 + 1e-9), WIDEST, within)

    def _log_over(self, reached: float, target: float) -> float:
        if not math.isfinite(target):
            return -math.inf
        return self.arithmetic.log(self.arithmetic.larger(reached, _INSTANT) / target)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bracket:
    """Rates between which the largest one held lies, and the excess at its ends."""

    low: float
    high: float
    below: float
    above: float
    enough: float
    """Width at which the search ends."""
    kept: float = 0.0
    """Which end stayed last: 1 the upper one, -1 the lower one."""
    halve: float = 0.0
    """1 when the middle is tried next."""

    @classmethod
    def under(cls, high: float, above: float) -> Bracket:
        """Return the bracket from no load to *high*, whose excess is *above* zero."""
        none = high * 0.0
        return cls(
            low=none,
            high=high,
            below=none - 1.0,
            above=above,
            enough=high / 2**RATE_STEPS,
            kept=none,
            halve=none,
        )

    def aim(self, arithmetic: Arithmetic) -> float:
        """Return the rate to try next."""
        low, high, enough = self.low, self.high, self.enough
        aim = low + (high - low) * (self.below + MET / 2) / (self.below - self.above)
        inside = arithmetic.smaller(arithmetic.larger(aim, low + enough / 2), high - enough / 2)
        return arithmetic.where(self.halve > 0, (low + high) / 2, inside)

    def narrowed(self, rate: float, excess: float, arithmetic: Arithmetic) -> Bracket:
        """Return the bracket once *rate* is known to have *excess*."""
        where = arithmetic.where
        held = excess <= 0
        low, high = where(held, rate, self.low), where(held, self.high, rate)
        above = where(self.kept > 0, self.above / 2, self.above)
        below = where(self.kept < 0, self.below / 2, self.below)
        is_slow = high - low > 0.9 * (self.high - self.low)
        return Bracket(
            low=low,
            high=high,
            below=where(held, excess, below),
            above=where(held, above, excess),
            enough=self.enough,
            kept=where(held, self.kept * 0.0 + 1.0, self.kept * 0.0 - 1.0),
            halve=where(is_slow, 1.0 - self.halve, self.halve * 0.0),
        )
