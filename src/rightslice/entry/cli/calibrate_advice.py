"""What is to be decided, and which points tell most about it: ``calibrate --advise``.

With a load and a target the stakes are the offers near the frontier: those that may hold, up to the
first that surely does. With a target alone, the capacity under it. With neither, the TPOT of a grid
of loads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.question import Question
from rightslice.core.catalog.traffic import ClosedLoop, Slo, Traffic
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.fit.fit import judge_all
from rightslice.core.fit.result import Candidate, Offer
from rightslice.core.perf.capacity import capacity_of
from rightslice.core.perf.observation import Observation, tpot_as_measured
from rightslice.core.perf.predict import largest_load
from rightslice.core.perf.result import PerfConstants
from rightslice.core.sizing.result import Sizing, TooBig
from rightslice.edge.benchmark_files import observe
from rightslice.edge.benchmark_run import BenchmarkRun
from rightslice.entry.cli.calibrate_commands import bench_command, serve_command
from rightslice.entry.cli.calibrate_points import Bench
from rightslice.entry.cli.calibrate_result import NextPoints, PointToMeasure, Uncertainty
from rightslice.errors import InputError

if TYPE_CHECKING:
    from rightslice.core.perf.advice import Stake

_LENGTHS: Final = ((128, 128), (1024, 128), (4096, 256), (512, 1024))
"""Chat, retrieval, long documents and long answers: what the points asked for are chosen from."""
_SURELY: Final = 0.99
_HARDLY: Final = 0.01
"""Offers held with a probability beyond these are no question."""
_BAND: Final = 2 * 1.6449
"""Standard deviations between the ends of a 90 % band."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the points are measured for."""

    question: Question | None
    """A load with targets, to be put on an offer."""
    offers: tuple[Offer, ...]
    lengths: tuple[Lengths, Lengths] | None
    slo: Slo | None


def next_points(
    decision: Decision,
    bench: Bench,
    known: Sequence[Observation],
    constants: tuple[FittedConstants, PerfConstants],
    count: int,
) -> NextPoints:
    """Return the *count* points that tell most, given the points known already.

    *constants* are those that hold now, and the prior before any point was known.

    Raises:
        InputError: when nothing fits, so that there is nothing to measure.
    """
    from rightslice.core.perf.advice import advise_for, chance_wrong  # noqa: PLC0415 - numpy loads here

    fitted, prior = constants
    now = fitted.of(bench.engine, bench.model, bench.gpu)
    text, stakes = _stakes(decision, bench, fitted, now)
    offered = list(_offered(decision, bench, stakes))
    if not offered:
        raise InputError(_nothing_fits(bench.sized(bench.tensor_parallel)))
    found = advise_for(stakes, offered, known, prior, count)
    uncertain = []
    for stake, before, after in zip(stakes, found.before, found.after, strict=True):
        margin = None if stake.log_margin is None else stake.log_margin / stake.elasticity
        uncertain.append(
            Uncertainty(
                name=stake.name,
                quantity=_quantity(stake),
                probability_held=stake.holds(now),
                chance_wrong_before=None
                if margin is None
                else chance_wrong(margin, before, before),
                chance_wrong_after=None if margin is None else chance_wrong(margin, before, after),
                band_ratio_before=math.exp(_BAND * before),
                band_ratio_after=math.exp(_BAND * after),
            )
        )
    points = [_to_measure(bench, offered[index], at) for at, index in enumerate(found.chosen)]
    return NextPoints(decision=text, points=tuple(points), uncertainties=tuple(uncertain))


def _nothing_fits(sizing: Sizing) -> str:
    """Return why there is nothing to measure, and what would help."""
    label = sizing.device.label
    if isinstance(sizing.verdict, TooBig):
        return (
            f"{sizing.model.name} does not start on {label}: {sizing.verdict.reason}; give"
            " --tensor-parallel-size, --max-model-len or another board"
        )
    return f"no request fits {label}, so there is nothing to measure; give --max-model-len"


def _quantity(stake: Stake) -> str:
    if stake.elasticity != 1.0:
        return "capacity"
    return "TTFT" if stake.is_first_token else "TPOT"


def _to_measure(bench: Bench, point: Observation, at: int) -> PointToMeasure:
    sizing = bench.sized(point.served.tensor_parallel)
    return PointToMeasure(
        concurrency=round(point.sequences),
        input_tokens=round(point.traffic.input.mean),
        output_tokens=round(point.traffic.output.mean),
        tensor_parallel=point.served.tensor_parallel,
        serve_command=serve_command(sizing),
        bench_command=bench_command(sizing, point, seed=at + 1),
    )


def _stakes(
    decision: Decision, bench: Bench, fitted: FittedConstants, now: PerfConstants
) -> tuple[str, list[Stake]]:
    if decision.question is not None:
        stakes = _frontier(decision.question, decision.offers, fitted, now)
        if stakes:
            text = "which offer holds the load within the targets"
            settled = all(_is_settled(stake.holds(now)) for stake in stakes)
            return f"{text}; it is settled at 99 % already" if settled else text, stakes
        return "no offer is near its targets: the TPOT at other loads", _grid(decision, bench)
    if decision.slo is not None and decision.lengths is not None:
        stake = _capacity(decision.lengths, decision.slo, bench, now)
        if stake is not None:
            return "how many clients the target allows", [stake]
        return "the target does not bind the capacity: the TPOT at other loads", _grid(
            decision, bench
        )
    return "the TPOT at any load", _grid(decision, bench)


def _is_settled(probability: float | None) -> bool:
    return probability is not None and not _HARDLY < probability < _SURELY


def _frontier(
    question: Question,
    offers: Sequence[Offer],
    fitted: FittedConstants,
    now: PerfConstants,
) -> list[Stake]:
    """Return a stake an offer that may hold, cheapest first, up to the first that surely does."""
    stakes: list[Stake] = []
    seen = set()
    for candidate in judge_all(question, offers, fitted):
        stake = _offer_stake(question.slo, candidate)
        key = (candidate.offer.device.label, candidate.offer.tensor_parallel)
        if stake is None or key in seen:
            continue
        seen.add(key)
        held = stake.holds(now) or 0.0
        if held >= _HARDLY:
            stakes.append(stake)
        if held >= _SURELY:
            break
    return stakes


def _offer_stake(slo: Slo, candidate: Candidate) -> Stake | None:
    """Return the latency that decides about *candidate*, or None when something else does."""
    from rightslice.core.perf.advice import Stake  # noqa: PLC0415 - numpy loads here

    sizing, guess = candidate.sizing, candidate.prediction
    if sizing is None or guess is None or guess.waiting >= 1 or guess.running <= 0:
        return None
    margins = []
    if slo.tpot_seconds is not None:
        reached = guess.tpot.at(slo.tpot_percentile).expected
        margins.append((math.log(slo.tpot_seconds / reached), False))
    if slo.ttft_seconds is not None:
        reached = guess.ttft.at(slo.ttft_percentile).expected
        margins.append((math.log(slo.ttft_seconds / reached), True))
    margin, is_first_token = min(margins)
    if not math.isfinite(margin):
        return None
    lengths = guess.traffic.input, guess.traffic.output
    ranks = candidate.offer.tensor_parallel
    return Stake(
        name=candidate.offer.device.label + (f" x{ranks}" if ranks > 1 else ""),
        point=_point(sizing, guess.running, lengths),
        log_margin=margin,
        is_first_token=is_first_token,
    )


def _capacity(
    lengths: tuple[Lengths, Lengths], slo: Slo, bench: Bench, now: PerfConstants
) -> Stake | None:
    """Return the stake of the largest concurrency under *slo*; None where memory ends it first."""
    from rightslice.core.perf.advice import Stake  # noqa: PLC0415 - numpy loads here

    sizing = bench.sized(bench.tensor_parallel)
    traffic = Traffic(load=ClosedLoop(concurrency=1), input=lengths[0], output=lengths[1])
    most = largest_load(sizing, traffic, slo, constants=now, confidence=0.5)
    if not 1 <= most < capacity_of(sizing, traffic).sequences:
        return None
    here, above = (_point(sizing, most * factor, lengths) for factor in (1.0, 1.1))
    rise = math.log(tpot_as_measured(above, now) / tpot_as_measured(here, now)) / math.log(1.1)
    return Stake(
        name=f"largest concurrency: {most:,.0f}",
        point=here,
        log_margin=None,
        is_first_token=slo.tpot_seconds is None,
        elasticity=max(rise, 1e-3),
    )


def _grid(decision: Decision, bench: Bench) -> list[Stake]:
    from rightslice.core.perf.advice import Stake  # noqa: PLC0415 - numpy loads here

    sizing = bench.sized(bench.tensor_parallel)
    return [
        Stake(
            name=f"{point.sequences:,.0f} clients, {point.traffic.input.mean:,.0f} in,"
            f" {point.traffic.output.mean:,.0f} out",
            point=point,
            log_margin=None,
        )
        for point in _doublings(sizing, _kinds(decision))
    ]


def _kinds(decision: Decision) -> tuple[tuple[Lengths, Lengths], ...]:
    """Return the lengths asked about, or a grid of usual ones."""
    asked = decision.question
    if asked is not None:
        return ((asked.traffic.input, asked.traffic.output),)
    if decision.lengths is not None:
        return (decision.lengths,)
    return tuple((Lengths.fixed(inputs), Lengths.fixed(outputs)) for inputs, outputs in _LENGTHS)


def _offered(decision: Decision, bench: Bench, stakes: Sequence[Stake]) -> Iterator[Observation]:
    """Yield what can be measured: usual lengths and those asked about, at every rank count used."""
    ranks = {bench.tensor_parallel, *(s.point.served.tensor_parallel for s in stakes)}
    usual = [(Lengths.fixed(inputs), Lengths.fixed(outputs)) for inputs, outputs in _LENGTHS]
    own = [(_typical(one), _typical(other)) for one, other in _kinds(decision)]
    kinds = {(one.tokens, other.tokens): (one, other) for one, other in [*usual, *own]}
    for count in sorted(ranks):
        sizing = bench.sized(count)
        if not isinstance(sizing.verdict, TooBig):
            yield from _doublings(sizing, tuple(kinds.values()))


def _typical(lengths: Lengths) -> Lengths:
    return Lengths.fixed(max(round(lengths.mean), 1))


def _doublings(sizing: Sizing, kinds: Sequence[tuple[Lengths, Lengths]]) -> Iterator[Observation]:
    """Yield doublings of the clients that run at once, for each kind of request."""
    for lengths in kinds:
        traffic = Traffic(load=ClosedLoop(concurrency=1), input=lengths[0], output=lengths[1])
        places = capacity_of(sizing, traffic).sequences_low
        for power in range(places.bit_length()):
            yield _point(sizing, float(1 << power), lengths)


def _point(sizing: Sizing, clients: float, lengths: tuple[Lengths, Lengths]) -> Observation:
    run = BenchmarkRun(
        where="",
        model=None,
        concurrency=clients,
        input_tokens=lengths[0].mean,
        output_tokens=lengths[1].mean,
        tensor_parallel=None,
        tpot_seconds=1.0,
        ttft_seconds=None,
    )
    return observe(run, sizing)
