"""How sure a prediction is: the spread of log error by what the device has in common with the data.

The spread of whole cards is that of rows left out of the fit, pair of model and GPU by pair. The
host's work a sequence differs most between set-ups, so doubt grows with its share of TPOT. On a
MIG slice, under MPS or time-slicing and on boards without a row bands are wider; independent
causes add as squares.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.estimate import Estimate
from rightslice.core.catalog.share import MigSlice, MpsShare, TimeSlice
from rightslice.core.perf.arithmetic import Arithmetic
from rightslice.core.perf.operation import Spread
from rightslice.core.perf.result import Latency, PerfConstants
from rightslice.core.perf.roofline import Step

WIDEST: Final = math.log(10)
"""Largest log-scale doubt stated: beyond a factor of ten either way a band says nothing more."""


_INSTANT: Final = 1e-300


class Doubt(NamedTuple):
    """Log-scale standard deviations of the error of each latency."""

    tpot: float
    ttft: float
    host: float
    """Of the host's part of TPOT that grows with the batch."""

    def at(self, step: Step, running: float, prompts: float, steps: float = 1.0) -> Doubt:
        """Return the doubt about a token that takes *steps* of *running*, and *prompts* seconds."""
        hypot, where = step.arithmetic.hypot, step.arithmetic.where
        misfit, step = step.misfit, step.settled(running)
        whole = steps * step.seconds(running) + prompts
        further = self.host * steps * step.host_per_sequence * running / step.stages / whole
        if misfit is not None:
            shares = (*_shares(step, running, steps), *_prompt_shares(step, prompts))
            slopes = tuple(shares[place] / whole for place in _ORDER)
            spread = misfit.variance(running, slopes, step.arithmetic)
            further = hypot(further, step.arithmetic.sqrt(spread))
        served = running > 0
        return Doubt(
            where(served, hypot(self.tpot, further), self.tpot),
            where(served, hypot(self.ttft, further), self.ttft),
            self.host,
        )

    def in_queue(
        self, now: tuple[float, float], slow: tuple[float, float], arithmetic: Arithmetic
    ) -> Doubt:
        """Return the doubt that a queue makes of this one about its server's speed.

        *now* and *slow* are mean TPOT and TTFT of the server and of one slowed by this doubt; the
        latter may be infinite.
        """
        log, larger, smaller = arithmetic.log, arithmetic.larger, arithmetic.smaller
        (tpot, ttft), (slow_tpot, slow_ttft) = now, slow
        waiting = larger(smaller(log(slow_ttft / ttft), WIDEST) - self.tpot, 0.0)
        return Doubt(
            larger(smaller(log(slow_tpot / tpot), WIDEST), self.tpot),
            smaller(arithmetic.hypot(self.ttft, waiting), WIDEST),
            self.host,
        )


_ORDER: Final = (0, 1, 2, 3, 4, 7, 5, 6, 8, 9)
"""Of the shares of a step and of prompts, one after the other: the order of `fitting.NAMES`."""


def _shares(step: Step, running: float, steps: float) -> tuple[float, ...]:
    """Return the seconds by which a token's steps grow a unit of each log constant of theirs."""
    n = step.a_stage(running)
    weights = step.weights + sum(size * (1.0 - untouched**n) for size, untouched in step.experts)
    cache, compute = step.memory_per_sequence * n, step.compute_per_sequence * n
    corner = step.arithmetic.hypot(weights + cache, compute)
    memory = steps * (weights + cache) / corner
    return (
        steps * step.overhead,
        steps * (step.host_per_sequence - step.host_of_context) * n,
        memory * weights,
        memory * cache,
        steps * compute * compute / corner,
        steps * step.all_reduce,
        steps * step.host_of_context * n,
    )


def _prompt_shares(step: Step, prompts: float) -> tuple[float, ...]:
    """Return the same of the *prompts* seconds that go to them, as if none shared a step."""
    unit = prompts / step.arithmetic.larger(step.prefill, _INSTANT)
    launch, ring = unit * step.prompt_launch, unit * step.prompt_ring
    return prompts - launch - ring, launch, ring


def doubt_on(device: Device, constants: PerfConstants) -> Doubt:
    """Return how far predictions on *device* are likely to be off.

    What was not measured, a slice or a board, is doubted once and not twice. A device with at
    least as much of everything as a measured board is as sure as that one.
    """
    known = device.gpu_name in constants.fitted_gpus
    new = 0.0 if known else constants.log_sd_new_gpu
    match device.share:
        case MigSlice() if device.label in constants.fitted_gpus:
            further = 0.0
        case MigSlice() if not _is_whole(device):
            further = max(constants.log_sd_slice, new)
        case MpsShare(profile=profile) if profile is not None:
            further = math.hypot(constants.log_sd_shared, max(constants.log_sd_slice, new))
        case MpsShare() | TimeSlice():
            further = math.hypot(constants.log_sd_shared, new)
        case _:
            further = new
    return Doubt(
        math.hypot(constants.log_sd_tpot, further),
        math.hypot(constants.log_sd_ttft, further),
        constants.log_sd_host,
    )


def dominates(one: Device, other: Device) -> bool:
    """Whether *one* has at least as much memory, bandwidth, SMs and FLOP/s as *other*."""
    pairs = [
        (one.memory_bytes, other.memory_bytes),
        (one.bandwidth_bytes_per_second, other.bandwidth_bytes_per_second),
        (one.sms, other.sms),
        *((one.flops.get(dtype), rate) for dtype, rate in other.flops.items()),
    ]
    return all((mine or 0) >= (theirs or 0) for mine, theirs in pairs)


def _is_whole(device: Device) -> bool:
    """Whether a slice has all that its card has: no less sure than the card, which it equals."""
    card = device.gpu
    return (
        device.bandwidth_bytes_per_second == card.bandwidth_bytes_per_second
        and device.sms == card.sms
    )


def with_band(spread: Spread, log_sd: float) -> Latency:
    """Return a latency whose every figure carries the same relative doubt."""
    return Latency(
        mean=Estimate(spread.mean, log_sd),
        p50=Estimate(spread.p50, log_sd),
        p90=Estimate(spread.p90, log_sd),
        p95=Estimate(spread.p95, log_sd),
        p99=Estimate(spread.p99, log_sd),
    )
