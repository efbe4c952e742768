"""Seconds that each kind of work takes a server: a small table of what its speed rests on.

One number a kind of work, from the model's bytes and operations (`work`), the device's bandwidth
and FLOP/s (a slice's by its memory slots and SMs), its link, and the era's fitted ratios. Lengths
and batches come later (`roofline`), so many loads share one table. The host's part does not
shrink with the slice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rightslice.core.catalog.device import SWITCHING_RATIO, Device
from rightslice.core.catalog.gpu import LinkKind, MatmulDtype
from rightslice.core.catalog.share import TimeSlice
from rightslice.core.perf.anchors import Anchors
from rightslice.core.perf.result import PerfConstants
from rightslice.core.perf.work import Flops, ServedAs, Work
from rightslice.errors import InputError

_SUMMED_DIRECTIONS: Final = 2
"""Vendors state links as the sum of both directions; a ring sends in one."""


_FORMATS: Final = tuple(MatmulDtype)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The work, and how the engine cuts it into steps."""

    work: Work
    chunk_tokens: int
    stages: int = 1
    is_eager: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Rates:
    """Seconds that each kind of work takes a server: all that device, model and flags decide.

    Tuples have one entry a kind of layer, in the order of `Work.contexts` and `Work.experts`.
    """

    overhead: float
    host_per_sequence: float
    host_per_context_token: float
    """Of a sequence."""
    prompt_launch: float
    """Of a step with prompts, however many."""
    prompt_ring: float
    """The same, by tensor parallelism."""
    weights: float
    experts: tuple[float, ...]
    cache_per_token: tuple[float, ...]
    """Of context and sequence."""
    state: float
    """A sequence."""
    compute_per_sequence: float
    compute_per_context_token: tuple[float, ...]
    prompt_per_token: float
    prompt_per_pair: tuple[float, ...]
    all_reduce: float
    all_reduce_per_sequence: float
    first_token: float
    ttft_ratio: float
    chunk_tokens: float
    stages: int
    untouched: tuple[float, ...]
    """The share of its experts that a token leaves untouched."""
    tensor_parallel: float
    narrowest_bytes: float
    """A parameter, of the narrowest format that is read."""
    anchors: Anchors | None = None
    """Points of a calibration."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """What of a device decides its speed; arrays where there are many."""

    bandwidth: float
    flops: Mapping[MatmulDtype, float]
    """At which it multiplies each format."""
    turns: float
    """How much longer launches take that wait for the turns of others."""
    hop: float
    """Latency of one all-reduce; none on one GPU."""
    link: float
    """Bytes a second in one direction; 1 on one GPU, which sends none."""


def rates_on(
    device: Device, served: ServedAs, constants: PerfConstants, schedule: Schedule
) -> Rates:
    """Return what every kind of work of *schedule* takes on *device*.

    Raises:
        InputError: when the device's bandwidth, FLOP/s or (for several GPUs) link is unknown.
    """
    figures = figures_of(device, served.tensor_parallel, constants)
    return rates_from(figures, served, constants, schedule)


def figures_of(device: Device, tensor_parallel: int, constants: PerfConstants) -> Figures:
    """Return what of *device* decides the speed of *tensor_parallel* of it.

    Raises:
        InputError: when the device's bandwidth, FLOP/s or (for several GPUs) link is unknown.
    """
    share = device.share
    hop, link = link_of(device, tensor_parallel, constants)
    flops, wide = device.flops, peak(device, MatmulDtype.FP16)
    return Figures(
        bandwidth=_bandwidth(device),
        flops={dtype: flops.get(dtype) or wide for dtype in _FORMATS},
        turns=share.replicas * SWITCHING_RATIO if isinstance(share, TimeSlice) else 1.0,
        hop=hop,
        link=link,
    )


def rates_from(
    figures: Figures, served: ServedAs, constants: PerfConstants, schedule: Schedule
) -> Rates:
    """Return what every kind of work of *schedule* takes on devices of these *figures*."""
    work, turns, wide = schedule.work, figures.turns, figures.flops[MatmulDtype.FP16]
    latency, per_token = work.all_reduces * figures.hop, work.all_reduce_bytes / figures.link
    eager = constants.eager_factor if schedule.is_eager else 1.0
    bandwidth = figures.bandwidth
    streaming, reading = constants.weight_ratio / bandwidth, constants.kv_ratio / bandwidth
    decoding, prompting = constants.compute_ratio / wide, constants.prefill_ratio / wide
    return Rates(
        overhead=constants.overhead_seconds_per_layer * work.layers * eager * turns,
        host_per_sequence=constants.host_seconds_per_sequence,
        host_per_context_token=constants.host_seconds_per_context_token,
        prompt_launch=constants.prompt_seconds_per_layer * work.layers * turns,
        prompt_ring=constants.prompt_seconds_per_rank
        * work.layers
        * (served.tensor_parallel - 1)
        * turns,
        weights=streaming * work.weight_bytes,
        experts=tuple([streaming * part.size_bytes for part in work.experts]),
        cache_per_token=tuple([reading * part.bytes_per_token for part in work.contexts]),
        state=reading * work.state_bytes,
        compute_per_sequence=constants.compute_ratio * _seconds(work.flops_per_token, figures),
        compute_per_context_token=tuple(
            [decoding * part.flops_per_token for part in work.contexts]
        ),
        prompt_per_token=per_token
        + constants.prefill_ratio * _seconds(work.prompt_flops_per_token, figures),
        prompt_per_pair=tuple([prompting * part.prompt_flops_per_pair for part in work.contexts]),
        all_reduce=latency,
        all_reduce_per_sequence=per_token,
        first_token=constants.ttft_seconds + constants.ttft_seconds_per_layer * work.layers,
        ttft_ratio=constants.ttft_ratio,
        chunk_tokens=schedule.chunk_tokens,
        stages=schedule.stages,
        untouched=tuple([1 - part.share_per_token for part in work.experts]),
        tensor_parallel=float(served.tensor_parallel),
        narrowest_bytes=work.narrowest_bytes,
        anchors=constants.anchors,
    )


def is_known(device: Device, tensor_parallel: int) -> bool:
    """Whether every figure that `rates_on` needs of *device* is known."""
    linked = tensor_parallel == 1 or device.gpu.link_bytes_per_second is not None
    return (
        linked
        and device.bandwidth_bytes_per_second is not None
        and bool(device.flops.get(MatmulDtype.FP16))
    )


def _bandwidth(device: Device) -> float:
    if device.bandwidth_bytes_per_second is None:
        raise InputError(
            f"the memory bandwidth of {device.label} is not known, so nothing can be predicted"
            " on it; choose a GPU or profile whose bandwidth `rightslice catalog gpus` shows"
        )
    return device.bandwidth_bytes_per_second


def peak(device: Device, dtype: MatmulDtype) -> float:
    """Return the FLOP/s at which *device* multiplies *dtype*; 16 bit where it lacks the format.

    A format that the board has no tensor cores for is widened by weight-only kernels (Marlin).

    Raises:
        InputError: when the 16-bit figure is unknown too.
    """
    flops: Mapping[MatmulDtype, float] = device.flops
    rate = flops.get(dtype) or flops.get(MatmulDtype.FP16)
    if rate is None:
        raise InputError(
            f"the FP16 FLOP/s of {device.label} are not known, so nothing can be predicted on it;"
            " choose a GPU or profile whose FLOP/s and SMs `rightslice catalog gpus` shows"
        )
    return rate


def _seconds(flops: Flops, figures: Figures) -> float:
    return sum(operations / figures.flops[dtype] for dtype, operations in flops)


def link_of(device: Device, tensor_parallel: int, constants: PerfConstants) -> tuple[float, float]:
    """Return the latency of one all-reduce, and bytes a second in one direction.

    Raises:
        InputError: when the link between several GPUs is unknown.
    """
    if tensor_parallel == 1:
        return 0.0, 1.0
    link = device.gpu.link_bytes_per_second
    if link is None:
        raise InputError(
            f"the bandwidth between {device.gpu_name} boards is not known, so tensor-parallel-size"
            f" {tensor_parallel} cannot be predicted on it; use tensor-parallel-size 1"
        )
    has_nvlink = device.gpu.link is LinkKind.NVLINK
    latency = constants.all_reduce_seconds if has_nvlink else constants.all_reduce_pcie_seconds
    return latency, link / _SUMMED_DIRECTIONS
