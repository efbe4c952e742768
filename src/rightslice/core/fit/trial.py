"""One offer under one question: sized, predicted and held against the targets, each once."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from rightslice.core.catalog.question import Question
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.traffic import ClosedLoop, Load, OpenLoop, Traffic
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.fit.result import Constraint, Holds, Judged, Offer, Refused
from rightslice.core.perf.capacity import capacity_at
from rightslice.core.perf.predict import largest_load, predict
from rightslice.core.perf.queueing import STABLE_UTILIZATION
from rightslice.core.perf.result import PerfConstants, Prediction
from rightslice.core.sizing.memory import size
from rightslice.core.sizing.result import Fits, Phase, Sizing, TooBig
from rightslice.units import (
    format_bytes,
    format_duration,
    format_duration_up,
    format_gib,
    format_rate,
    format_rate_down,
    format_ratio,
)

PROGRESS: Final = {
    constraint: rank
    for rank, constraint in enumerate(
        (
            Constraint.UNKNOWN,
            Constraint.MEMORY,
            Constraint.CONCURRENCY,
            Constraint.STABILITY,
            Constraint.TTFT,
            Constraint.TPOT,
            Constraint.REPLICAS,
        )
    )
}
"""How far an offer came before it was refused; the furthest refusal of several is reported."""

MOST_REPLICAS: Final = 1_000_000
"""As many as the largest closed loop that a fleet file may name has clients."""


def share_of(traffic: Traffic, replicas: int) -> Traffic:
    """Return what one of *replicas* servers gets of *traffic* when it is spread evenly."""
    load: Load
    match traffic.load:
        case ClosedLoop(concurrency=clients):
            load = ClosedLoop(concurrency=math.ceil(clients / replicas))
        case OpenLoop(requests_per_second=rate):
            load = OpenLoop(requests_per_second=rate / replicas)
    return replace(traffic, load=load)


def load_size(traffic: Traffic) -> float:
    """Return the load as a number: clients, or requests per second."""
    match traffic.load:
        case ClosedLoop(concurrency=clients):
            return float(clients)
        case OpenLoop(requests_per_second=rate):
            return rate


def load_text(load: float, traffic: Traffic) -> str:
    """Return a load in words: ``64 clients`` or ``5/s``."""
    if isinstance(traffic.load, ClosedLoop):
        return f"{load:,.0f} client{'' if load == 1 else 's'}"
    return format_rate(load)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One offer with one set of flags; sizing is worked out once and shared."""

    question: Question
    offer: Offer
    server: ServerConfig
    constants: FittedConstants

    @cached_property
    def sizing(self) -> Sizing:
        """Memory of one replica."""
        return size(
            self.question.model,
            self.offer.device,
            self.server,
            engine=self.question.engine,
            coefficients=self.constants.memory,
        )

    @cached_property
    def perf(self) -> PerfConstants:
        """Step-time constants: of the user's own measurements, or of the engine's age."""
        return self.constants.on(self.question, self.offer.device)

    def prediction(self, replicas: int) -> Prediction:
        """Return one replica's latencies under its part of the load."""
        return predict(
            self.sizing,
            share_of(self.question.traffic, replicas),
            constants=self.perf,
        )

    def largest(self) -> float:
        """Return the load that one replica holds within the targets; 0 when none."""
        return largest_load(
            self.sizing,
            self.question.traffic,
            self.question.slo,
            constants=self.perf,
            confidence=self.question.confidence,
        )

    def judge(self) -> Judged:
        """Return the offer's outcome with these flags."""
        refused = self._memory()
        if refused is not None:
            return self._judged(refused, None)
        question = self.question
        replicas = question.min_replicas
        prediction = self.prediction(replicas)
        refused = self.violation(prediction)
        if refused is not None and question.max_replicas > replicas:
            wanted, refused = self._enough_replicas(refused)
            if wanted is not None:
                replicas = wanted
                prediction = self.prediction(replicas)
        if refused is not None:
            return self._judged(refused, prediction)
        return self._judged(self._holds(replicas, prediction), prediction)

    def held_by(self, replicas: int) -> Judged:
        """Return the outcome of *replicas* that are known to be the fewest that hold the load."""
        prediction = self.prediction(replicas)
        return self._judged(self._holds(replicas, prediction), prediction)

    def _judged(self, outcome: Holds | Refused, prediction: Prediction | None) -> Judged:
        return Judged(outcome=outcome, sizing=self.sizing, prediction=prediction)

    def _memory(self) -> Refused | None:
        verdict = self.sizing.verdict
        device = self.offer.device
        if isinstance(verdict, TooBig):
            return Refused(
                constraint=Constraint.MEMORY,
                reason=f"{verdict.reason} (fails at {verdict.phase.value})",
                remedy=f"{format_bytes(verdict.short_by_bytes)} more memory a GPU",
                needed=float(device.memory_bytes + verdict.short_by_bytes),
                available=float(device.memory_bytes),
                unit="bytes",
            )
        assert isinstance(verdict, Fits)
        if verdict.probability < self.question.confidence:
            return Refused(
                constraint=Constraint.MEMORY,
                reason=(
                    f"starts with a probability of {format_ratio(verdict.probability)} only:"
                    f" the KV cache may be as small as {format_gib(self.sizing.kv.size_bytes.low)}"
                ),
                remedy=_surer(verdict.probability),
                needed=self.question.confidence,
                available=verdict.probability,
                unit="probability",
            )
        return None

    def violation(self, prediction: Prediction) -> Refused | None:
        """Return what keeps one replica from holding its part of the load, or None."""
        return self._capacity(prediction) or self._stability(prediction) or self._slo(prediction)

    def _capacity(self, prediction: Prediction) -> Refused | None:
        load = prediction.traffic.load
        places = capacity_at(prediction.capacity, self.question.confidence)
        wanted = load.concurrency if isinstance(load, ClosedLoop) else 1
        if places >= wanted:
            return None
        tokens = prediction.traffic.input.mean + prediction.traffic.output.mean
        limit = prediction.capacity.limit
        if limit == "max-model-len":
            return self._too_long(prediction.traffic)
        what = (
            f"the KV cache of {format_gib(self.sizing.kv.size_bytes.expected)}"
            if limit == "KV cache" else limit
        )  # fmt: skip
        return Refused(
            constraint=Constraint.CONCURRENCY,
            reason=(f"{what} holds {places} of {wanted} sequences of {tokens:,.0f} tokens at once"),
            remedy=f"at most {places} clients a replica" if places else "a larger device",
            needed=float(wanted),
            available=float(places),
            unit="sequences",
        )

    def _too_long(self, traffic: Traffic) -> Refused:
        longest = traffic.input.largest + traffic.output.largest
        allowed = self.sizing.flags.max_model_len
        return Refused(
            constraint=Constraint.CONCURRENCY,
            reason=f"requests of up to {longest:,} tokens exceed max-model-len {allowed:,}",
            remedy=f"max-model-len {longest}, or shorter requests",
            needed=float(longest),
            available=float(allowed),
            unit="tokens",
        )

    def _stability(self, prediction: Prediction) -> Refused | None:
        if isinstance(prediction.traffic.load, ClosedLoop):
            return None
        used = prediction.utilization
        if used <= STABLE_UTILIZATION:
            return None
        rate = prediction.traffic.load.requests_per_second
        safe = rate * STABLE_UTILIZATION / used if math.isfinite(used) and used > 0 else 0.0
        return Refused(
            constraint=Constraint.STABILITY,
            reason=(
                f"{format_rate(rate)} a replica is {format_ratio(used)} of the largest stable rate;"
                f" beyond {format_ratio(STABLE_UTILIZATION)} queues cannot be promised"
            ),
            remedy=f"at most {format_rate_down(safe)} a replica",
            needed=used,
            available=STABLE_UTILIZATION,
            unit="utilization",
        )

    def _slo(self, prediction: Prediction) -> Refused | None:
        slo, confidence = self.question.slo, self.question.confidence
        targets = (
            (Constraint.TPOT, slo.tpot_seconds, slo.tpot_percentile, prediction.tpot),
            (Constraint.TTFT, slo.ttft_seconds, slo.ttft_percentile, prediction.ttft),
        )
        for constraint, target, percentile, latency in targets:
            if target is None:
                continue
            reached = latency.at(percentile)
            upper = reached.upper(confidence)
            if upper > target:
                return _missed(constraint, target, percentile, (reached.expected, upper))
        return None

    def _enough_replicas(self, first: Refused) -> tuple[int | None, Refused | None]:
        """Return the fewest replicas that hold the load, or why none of those allowed do."""
        question = self.question
        if self._is_held_by(question.max_replicas):
            return self._fewest(question.min_replicas, question.max_replicas), None
        if not self._is_held_by(MOST_REPLICAS):
            return None, first
        too_few = question.max_replicas
        while not self._is_held_by(enough := min(2 * too_few, MOST_REPLICAS)):
            too_few = enough
        replicas = self._fewest(too_few, enough)
        one = self.largest()
        load = load_text(load_size(question.traffic), question.traffic)
        return None, Refused(
            constraint=Constraint.REPLICAS,
            reason=(
                f"one replica holds {load_text(one, question.traffic)};"
                f" {load} need {replicas} replicas, {question.max_replicas} allowed"
            ),
            remedy=f"max replicas {replicas}",
            needed=float(replicas),
            available=float(question.max_replicas),
            unit="replicas",
            held_load=one * question.max_replicas,
        )

    def _is_held_by(self, replicas: int) -> bool:
        return self.violation(self.prediction(replicas)) is None

    def _fewest(self, too_few: int, enough: int) -> int:
        """Return the fewest replicas that hold the load: more never hold less."""
        while enough - too_few > 1:
            middle = (too_few + enough) // 2
            if self._is_held_by(middle):
                enough = middle
            else:
                too_few = middle
        return enough

    def _holds(self, replicas: int, prediction: Prediction) -> Holds:
        cost = self.offer.usd_per_hour
        return Holds(
            replicas=replicas,
            usd_per_hour=None if cost is None else cost * replicas,
            headroom_ratio=self._headroom(prediction),
        )

    def _headroom(self, prediction: Prediction) -> float:
        slo, confidence = self.question.slo, self.question.confidence
        rooms = [
            1 - latency.at(percentile).upper(confidence) / target
            for target, percentile, latency in (
                (slo.tpot_seconds, slo.tpot_percentile, prediction.tpot),
                (slo.ttft_seconds, slo.ttft_percentile, prediction.ttft),
            )
            if target is not None
        ]
        return min(rooms)


def _surer(probability: float) -> str:
    """Return what turns a start that is not sure enough."""
    percent = math.floor(probability * 100)
    if percent < 50:
        return "a larger device"
    return f"a confidence of {percent}%, or a larger device"


def _missed(
    constraint: Constraint,
    target: float,
    percentile: float | None,
    reached: tuple[float, float],
) -> Refused:
    expected, upper = reached
    which = "mean" if percentile is None else f"p{percentile * 100:g}"
    name = constraint.value
    at_confidence = "" if upper == expected else f" (up to {format_duration(upper)})"
    return Refused(
        constraint=constraint,
        reason=(
            f"{which} {name} {format_duration(expected)}{at_confidence} misses"
            f" {format_duration(target)}"
        ),
        remedy=f"a {name} target of {format_duration_up(upper)}, or less load",
        needed=upper,
        available=target,
        unit="seconds",
    )


def furthest(refusals: list[Judged]) -> Judged:
    """Return the refusal that came nearest to holding; of equals the one with leaner flags."""
    return max(reversed(refusals), key=_progress)


def _progress(refusal: Judged) -> tuple[int, float]:
    outcome = refusal.outcome
    assert isinstance(outcome, Refused)
    verdict = None if refusal.sizing is None else refusal.sizing.verdict
    if isinstance(verdict, TooBig) and verdict.phase is Phase.CONFIG:
        return -1, 0.0
    missing = outcome.needed if outcome.constraint is Constraint.REPLICAS else 0.0
    return PROGRESS[outcome.constraint], -missing
