"""What prediction returns: latencies and throughput with bands, itemised step time, the knee."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from rightslice.core.catalog.estimate import Estimate
from rightslice.core.catalog.traffic import Slo, Traffic
from rightslice.core.perf.anchors import Anchors
from rightslice.core.perf.operation import between
from rightslice.core.sizing.result import Sizing


class Bound(Enum):
    """What most of a decode step waits for."""

    MEMORY_BANDWIDTH = "memory bandwidth"
    COMPUTE = "compute"
    PREFILL = "prefill of other requests"
    OVERHEAD = "host and launch overhead"
    ALL_REDUCE = "all-reduce"


@dataclass(frozen=True, kw_only=True)
class StepTerm:
    """One part of the time per output token."""

    name: str
    seconds: float
    formula: str


@dataclass(frozen=True, kw_only=True)
class Latency:
    """A latency's mean and percentiles over requests, each with its band of prediction error."""

    mean: Estimate
    p50: Estimate
    p90: Estimate
    p95: Estimate
    p99: Estimate

    def at(self, percentile: float | None) -> Estimate:
        """Return the mean (None) or the given percentile, log-interpolated between those kept."""
        if percentile is None:
            return self.mean
        known = (self.p50, self.p90, self.p95, self.p99)
        below, above, share = between(percentile)
        low, high = known[below], known[above]
        if not share or low.expected <= 0:
            return high
        return Estimate(
            low.expected * (high.expected / low.expected) ** share, max(low.log_sd, high.log_sd)
        )


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """How many sequences of this traffic run at once without queueing."""

    sequences: int
    """At the expected pool."""
    sequences_low: int
    """At the low end of the pool's 90 % band."""
    limit: str
    """``KV cache``, ``max-num-seqs``, ``max-model-len`` or, when nothing starts, ``memory``."""


@dataclass(frozen=True, kw_only=True)
class CalibratedBy:
    """The calibration that a prediction rests on."""

    file: str
    """Its name; empty when it was in a cluster's object."""
    model: str
    gpu: str
    engine_version: str
    date: str
    points: int
    """Measured."""
    distance: str
    """``same board``, or what differs and what follows from it."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One server under one traffic, in steady state."""

    traffic: Traffic
    running: float
    """Sequences decoding at once, in the mean."""
    waiting: float
    """Requests queued beyond what runs; above zero the load is not held."""
    tpot: Latency
    ttft: Latency
    end_to_end: Latency
    output_tokens_per_second: Estimate
    requests_per_second: Estimate
    capacity: Capacity
    utilization: float
    """Load over the largest stable load; 1 and more never settles (open loop)."""
    bound: Bound
    terms: tuple[StepTerm, ...]
    """Parts of the mean TPOT; they sum to it."""
    calibrated_by: CalibratedBy | None = None
    """None: the constants of the engine's age."""


@dataclass(frozen=True, kw_only=True)
class Knee:
    """Where more concurrency buys little.

    The batch at which one more sequence adds less than a fifth of what the first one added to the
    throughput, and the batch at which memory gives out.
    """

    concurrency: int
    output_tokens_per_second: float
    tpot_seconds: float
    capacity: Capacity
    binding: str
    """``latency-throughput knee`` or ``KV cache`` or ``max-num-seqs``, whichever comes first."""


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """One concurrency on the latency-throughput curve."""

    concurrency: int
    tpot: Estimate
    ttft_p95: Estimate
    output_tokens_per_second: Estimate
    held: bool
    """Whether that many sequences fit at once."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Latency against throughput over concurrency, with the knee."""

    sizing: Sizing
    points: tuple[CurvePoint, ...]
    knee: Knee


@dataclass(frozen=True, kw_only=True)
class HeldLoad:
    """The largest load of one kind that a server holds, at the point estimate and surely."""

    expected: float
    """Concurrency, or requests a second."""
    at_90_percent: float
    """The same, promised with 90 % confidence."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What `predict` answers: the prediction at the load, whether it is held, and the curve."""

    prediction: Prediction
    slo: Slo | None
    is_held: bool
    """At the point estimate: nothing waits for a place, the rate is stable, the SLO is met."""
    largest: HeldLoad
    curve: Curve


@dataclass(frozen=True, kw_only=True)
class PerfConstants:
    """Fitted ratios to the catalogue's figures, one set an engine era (`data/perf.toml`)."""

    era: str
    overhead_seconds_per_layer: float
    """Launches, norms, sampling, scheduler, host: a layer and step; the same in a slice."""
    eager_factor: float
    """Overhead without CUDA graphs over overhead with them."""
    weight_ratio: float
    """Time of streaming weights over bytes / bandwidth."""
    kv_ratio: float
    compute_ratio: float
    prefill_ratio: float
    """Time of prefill over FLOPs / peak."""
    all_reduce_seconds: float
    """Latency of one all-reduce over NVLink."""
    all_reduce_pcie_seconds: float
    """The same where GPUs of a node meet over PCIe."""
    host_seconds_per_sequence: float
    """Host work a step for every running sequence (sampling, detokenising, scheduling)."""
    host_seconds_per_context_token: float = 0.0
    """The same for every token of its context: engines that copy token ids in every step."""
    prompt_seconds_per_layer: float = 0.0
    """What prompts add to a step a layer, however many there are: launches without full CUDA
    graphs, or a pass of their own."""
    prompt_seconds_per_rank: float = 0.0
    """The same for each further GPU of tensor parallelism: long messages go round a ring."""
    ttft_seconds: float
    """Constant part of the time to first token (tokenise, schedule, return)."""
    ttft_seconds_per_layer: float
    """Part that grows with layers: prompts run without full CUDA graphs."""
    log_sd_tpot: float
    log_sd_ttft: float
    log_sd_host: float
    """Spread of the host's part a sequence between set-ups: it counts by its share of TPOT."""
    log_sd_slice: float
    """Further spread on a slice, where nothing was measured on whole cards of that host."""
    log_sd_shared: float
    """Further spread under MPS and time-slicing, unmeasured."""
    log_sd_new_gpu: float
    """Further spread on a board that is not among those fitted."""
    fitted_gpus: tuple[str, ...]
    """Boards with rows in the fit."""
    source: str
    ttft_ratio: float = 1.0
    """What a calibration multiplies the time to first token by."""
    anchors: Anchors | None = None
    """Points of a calibration: what they say of constants and of the model's own error."""
    measured_sharing: str = ""
    """The way of sharing that a calibration was measured in: ``mps/2``; empty: on cards and slices
    held alone."""
    calibrated_by: CalibratedBy | None = None
    """Where they are those of a calibration, as far from the server as they are."""
