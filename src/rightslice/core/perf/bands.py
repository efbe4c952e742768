"""How sure a prediction is: the spread of log error by what the device has in common with the data.

The spread of whole cards is that of rows left out of the fit, pair of model and GPU by pair. The
host's work a sequence differs most between set-ups, so doubt grows with its share of TPOT. On a
MIG slice, under MPS or time-slicing and on boards without a row bands are wider; independent
causes add as squares.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.estimate import Estimate
from rightslice.core.catalog.share import MigSlice, MpsShare, TimeSlice
from rightslice.core.perf.operation import Spread
from rightslice.core.perf.result import Latency, PerfConstants
from rightslice.core.perf.roofline import Step


class Doubt(NamedTuple):
    """Log-scale standard deviations of the error of each latency."""

    tpot: float
    ttft: float
    host: float
    """Of the host's part of TPOT that grows with the batch."""

    def at(self, host_share: float) -> Doubt:
        """Return the doubt where the host's work a sequence takes *host_share* of TPOT."""
        further = self.host * host_share
        return Doubt(math.hypot(self.tpot, further), math.hypot(self.ttft, further), self.host)


def doubt_on(device: Device, constants: PerfConstants) -> Doubt:
    """Return how far predictions on *device* are likely to be off."""
    further = 0.0
    match device.share:
        case MigSlice():
            further = constants.log_sd_slice
        case MpsShare() | TimeSlice():
            further = constants.log_sd_shared
        case _:
            pass
    if device.gpu_name not in constants.fitted_gpus:
        further = math.hypot(further, constants.log_sd_new_gpu)
    return Doubt(
        math.hypot(constants.log_sd_tpot, further),
        math.hypot(constants.log_sd_ttft, further),
        constants.log_sd_host,
    )


def host_share(step: Step, running: float, tpot: float) -> float:
    """Return what part of a mean *tpot* the host's work for *running* sequences takes."""
    if not 0 < tpot < math.inf:
        return 0.0
    return min(step.host_per_sequence * running / step.stages / tpot, 1.0)


def with_band(spread: Spread, log_sd: float) -> Latency:
    """Return a latency whose every figure carries the same relative doubt."""
    return Latency(
        mean=Estimate(spread.mean, log_sd),
        p50=Estimate(spread.p50, log_sd),
        p90=Estimate(spread.p90, log_sd),
        p95=Estimate(spread.p95, log_sd),
        p99=Estimate(spread.p99, log_sd),
    )
