"""Time of one engine step on one device: a roofline with fitted ratios, itemised.

    step(n) = o L + h n + allreduce
              + [ (k_w W(n) / BW + k_kv KV n / BW)^2 + (k_c FLOPs n / peak)^2 ]^(1/2)

n sequences decode; a prompt adds prefill = k_pf FLOPs(prompt) / peak to the step that it joins.
BW and peak are the device's (a slice's by its memory slots and SMs); o L and h, the host's part,
do not shrink with the slice. The exponent 2 (how sharply memory and compute bounds meet) is not
identifiable from serving data: 1, 2 and 4 fit equally well. Roofline: Williams, Waterman and
Patterson 2009, doi:10.1145/1498765.1498785.

Pipeline parallelism: a batch runs in as many micro-batches as there are stages, each of which
passes the whole model, so a token takes the time of step(n / stages) over all layers.

Known gaps: prefill never hides under the memory-bound part of a step; clocks are the vendor's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import mul
from typing import Final

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.traffic import Traffic
from rightslice.core.perf.anchors import BATCHES, LARGER, Anchors, Misfit, Place
from rightslice.core.perf.arithmetic import SCALAR, Arithmetic
from rightslice.core.perf.identity import Same
from rightslice.core.perf.rates import Rates, Schedule, rates_on
from rightslice.core.perf.result import PerfConstants
from rightslice.core.perf.shapes import context_tokens, prompt_pairs
from rightslice.core.perf.work import ServedAs, Work, work_of
from rightslice.core.sizing.kv_cache import kv_value_bytes
from rightslice.core.sizing.result import Sizing

_SMALLEST_CHUNK: Final = 16.0
"""A block: what a crowded step still leaves for prompts, so that they advance at all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A server's step times under one kind of request; all times in seconds."""

    overhead: float
    host_per_sequence: float
    weights: float
    """Streaming of what every step reads."""
    experts: tuple[tuple[float, float], ...]
    """Streaming of all routed experts, and the share of them that a token leaves untouched."""
    memory_per_sequence: float
    """Keys, values and states."""
    compute_per_sequence: float
    all_reduce: float
    all_reduce_per_sequence: float
    prefill: float
    """What the mean prompt adds to the steps it joins, when it is alone in them."""
    prompt_tokens: float
    """Prompt tokens that must be computed, in the mean."""
    chunk_tokens: float
    """Tokens that one step may compute (``max-num-batched-tokens``)."""
    stages: int
    """Of the pipeline; the same for all servers of an array."""
    first_token: float
    """Constant part of the time to first token."""
    host_of_context: float = 0.0
    """The part of `host_per_sequence` that follows its context."""
    prompt_launch: float = 0.0
    """The part of `prefill` that all prompts of a step share: launches, a layer."""
    prompt_ring: float = 0.0
    """The same, by tensor parallelism."""
    ttft_ratio: float = 1.0
    """What a calibration multiplies the time to first token by."""
    arithmetic: Arithmetic = SCALAR
    misfit: Misfit | None = None
    """The model's own error, where points were measured; `settled` applies it."""

    def settled(self, sequences: float) -> Step:
        """Return the server as calibration corrects it while *sequences* run."""
        if self.misfit is None:
            return self
        return replace(self.slowed(self.misfit.factor(sequences, self.arithmetic)), misfit=None)

    def a_stage(self, sequences: float) -> float:
        """Return the batch of one stage of the pipeline."""
        if self.stages == 1:
            return sequences
        return self.arithmetic.larger(sequences / self.stages, 1.0)

    def seconds(self, sequences: float) -> float:
        """Return the time of a step in which *sequences* decode and no prompt is computed."""
        n = sequences if self.stages == 1 else self.a_stage(sequences)
        memory = self.weights + self.memory_per_sequence * n
        for size, untouched in self.experts:
            memory = memory + size * (1.0 - untouched**n)
        compute = self.compute_per_sequence * n
        return (
            self.overhead
            + self.host_per_sequence * n
            + self.arithmetic.sqrt(memory * memory + compute * compute)
            + self.all_reduce
            + self.all_reduce_per_sequence * n
        )

    @property
    def prompt_shared(self) -> float:
        """What the prompts of one step share."""
        return self.prompt_launch + self.prompt_ring

    @property
    def prompt_alone(self) -> float:
        """The rest of `prefill`: what each prompt takes by itself.

        In the time to first token a request's own launches are part of `first_token`.
        """
        return self.prefill - self.prompt_shared

    def interference(self, prompts: float) -> float:
        """Return what *prompts* of others add to the mean step, that many a step (Poisson)."""
        shared = (1.0 - self.arithmetic.exp(-prompts)) * self.prompt_shared
        return (prompts * self.prompt_alone + shared) / self.stages

    def each(self, scale: float, more: float) -> Callable[[float], float]:
        """Return a function of the batch: *scale* times its `seconds`, and *more*.

        For many batches of one server: with its terms sorted by powers of the batch it takes a
        third of the time. Only experts and pipelines go the long way.
        """
        if self.experts or self.stages > 1:
            return lambda n: scale * self.seconds(n) + more
        fixed = scale * (self.overhead + self.all_reduce) + more
        linear = scale * (self.host_per_sequence + self.all_reduce_per_sequence)
        weights, cache = scale * self.weights, scale * self.memory_per_sequence
        compute, root = scale * self.compute_per_sequence, self.arithmetic.sqrt
        zeroth, first = weights * weights, 2 * weights * cache
        second = cache * cache + compute * compute
        return lambda n: fixed + linear * n + root(zeroth + n * (first + n * second))

    def steps_per_prompt(self, sequences: float) -> float:
        """Return over how many steps the mean prompt is spread beside *sequences* that decode."""
        arithmetic = self.arithmetic
        return arithmetic.larger(1.0, arithmetic.ceil(self.prompt_share(sequences)))

    def step_share(self, sequences: float) -> float:
        """Return the steps that one prompt keeps from the next one: below 1 where they share."""
        load = self.prompt_share(sequences)
        return self.arithmetic.where(load <= 1, load, self.arithmetic.ceil(load))

    def prompt_share(self, sequences: float) -> float:
        """Return the part of a step's room that the mean prompt takes; above 1 it takes several."""
        return self.prompt_tokens / self._budget(sequences)

    def _budget(self, sequences: float) -> float:
        """Prompt tokens a step can take: decoding sequences come first, a token each."""
        return self.arithmetic.larger(self.chunk_tokens - sequences, _SMALLEST_CHUNK)

    def slowed(self, factor: float) -> Step:
        """Return the same server with every time *factor* times as long."""
        return Step(
            overhead=self.overhead * factor,
            host_per_sequence=self.host_per_sequence * factor,
            weights=self.weights * factor,
            experts=tuple((size * factor, untouched) for size, untouched in self.experts),
            memory_per_sequence=self.memory_per_sequence * factor,
            compute_per_sequence=self.compute_per_sequence * factor,
            all_reduce=self.all_reduce * factor,
            all_reduce_per_sequence=self.all_reduce_per_sequence * factor,
            prefill=self.prefill * factor,
            prompt_tokens=self.prompt_tokens,
            chunk_tokens=self.chunk_tokens,
            stages=self.stages,
            first_token=self.first_token * factor,
            host_of_context=self.host_of_context * factor,
            prompt_launch=self.prompt_launch * factor,
            prompt_ring=self.prompt_ring * factor,
            ttft_ratio=self.ttft_ratio,
            arithmetic=self.arithmetic,
            misfit=self.misfit,
        )


def step_of(sizing: Sizing, traffic: Traffic, constants: PerfConstants) -> Step:
    """Return the step times of a sized server under *traffic*.

    Raises:
        InputError: when the device's bandwidth, FLOP/s or (for several GPUs) link is unknown.
    """
    lengths = traffic.input, traffic.output
    return _step_of(Same(sizing), Same(constants), lengths, traffic.prefix_hit_ratio)


@lru_cache(maxsize=1024)
def _step_of(
    sizing: Same[Sizing],
    constants: Same[PerfConstants],
    lengths: tuple[Lengths, Lengths],
    prefix_hit_ratio: float,
) -> Step:
    work, rates = _rates_of(sizing, constants)
    return step_under(rates, _prompts(work, *lengths, prefix_hit_ratio))


@lru_cache(maxsize=1024)
def _rates_of(sizing: Same[Sizing], constants: Same[PerfConstants]) -> tuple[Work, Rates]:
    served, schedule = schedule_of(sizing.value)
    return schedule.work, rates_on(sizing.value.device, served, constants.value, schedule)


def schedule_of(sizing: Sizing) -> tuple[ServedAs, Schedule]:
    """Return how a sized server holds its weights, and how it cuts its work into steps."""
    flags = sizing.flags
    served = ServedAs(
        tensor_parallel=flags.tensor_parallel,
        kv_bytes_per_value=kv_value_bytes(flags),
        quantization=sizing.server.quantization,
    )
    return served, Schedule(
        work=work_of(sizing.model, served),
        chunk_tokens=flags.max_num_batched_tokens,
        stages=flags.pipeline_parallel,
        is_eager=flags.enforce_eager,
    )


def step_on(
    device: Device,
    served: ServedAs,
    traffic: Traffic,
    constants: PerfConstants,
    schedule: Schedule,
) -> Step:
    """Return the step times of *schedule* on *device*.

    Raises:
        InputError: when the device's bandwidth, FLOP/s or (for several GPUs) link is unknown.
    """
    rates = rates_on(device, served, constants, schedule)
    return step_under(rates, prompts_of(schedule.work, traffic))


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompts:
    """What request lengths make of a step: tokens of context and of prompts, pairs of them."""

    contexts: tuple[float, ...]
    """Mean context of a sequence, a kind of layer."""
    pairs: tuple[float, ...]
    """Query and key pairs of the mean prompt, a kind of layer."""
    held: float
    """Mean context of a sequence, whatever a layer reads of it."""
    tokens: float
    """Prompt tokens that must be computed, in the mean."""
    input_tokens: float
    """Prompt tokens in the mean, those found in the prefix cache included."""
    output_tokens: float


def prompts_of(work: Work, traffic: Traffic) -> Prompts:
    """Return what the lengths of *traffic* make of a step with *work*."""
    return _prompts(work, traffic.input, traffic.output, traffic.prefix_hit_ratio)


def _prompts(work: Work, inputs: Lengths, outputs: Lengths, found: float) -> Prompts:
    windows = [part.window_tokens for part in work.contexts]
    return Prompts(
        contexts=tuple([context_tokens(inputs, outputs, window) for window in windows]),
        pairs=tuple([prompt_pairs(inputs, found, window) for window in windows]),
        held=context_tokens(inputs, outputs, None),
        tokens=inputs.mean * (1 - found),
        input_tokens=inputs.mean,
        output_tokens=outputs.mean,
    )


def step_under(rates: Rates, prompts: Prompts, arithmetic: Arithmetic = SCALAR) -> Step:
    """Return the step times of a server of *rates* under requests that make *prompts*."""
    of_context = rates.host_per_context_token * prompts.held
    step = Step(
        overhead=rates.overhead,
        host_per_sequence=rates.host_per_sequence + of_context,
        weights=rates.weights,
        experts=tuple(zip(rates.experts, rates.untouched, strict=True)),
        memory_per_sequence=sum(map(mul, rates.cache_per_token, prompts.contexts), rates.state),
        compute_per_sequence=sum(
            map(mul, rates.compute_per_context_token, prompts.contexts), rates.compute_per_sequence
        ),
        all_reduce=rates.all_reduce,
        all_reduce_per_sequence=rates.all_reduce_per_sequence,
        prefill=sum(
            map(mul, rates.prompt_per_pair, prompts.pairs),
            rates.prompt_per_token * prompts.tokens + rates.prompt_launch + rates.prompt_ring,
        ),
        prompt_tokens=arithmetic.larger(prompts.tokens, 1.0),
        chunk_tokens=rates.chunk_tokens,
        stages=rates.stages,
        first_token=rates.first_token,
        host_of_context=of_context,
        prompt_launch=rates.prompt_launch,
        prompt_ring=rates.prompt_ring,
        ttft_ratio=rates.ttft_ratio,
        arithmetic=arithmetic,
    )
    if rates.anchors is None:
        return step
    return replace(step, misfit=_misfit(step, rates, prompts, rates.anchors))


def _misfit(step: Step, rates: Rates, prompts: Prompts, anchors: Anchors) -> Misfit:
    log, output = step.arithmetic.log, prompts.output_tokens
    place = Place(
        sequences=0.0,
        input_tokens=log(prompts.input_tokens),
        output_tokens=log(output),
        tensor_parallel=log(rates.tensor_parallel),
        weight_bytes=log(rates.narrowest_bytes),
    )

    decode = step.each(1.0, 0.0)

    def tpot(sequences: float) -> float:
        return decode(sequences) + step.interference((sequences - 1) / output)

    rising = [(tpot(batch), tpot(batch * LARGER)) for batch in BATCHES]
    return anchors.seen_from(place, step.arithmetic).corrected(rising, step.arithmetic)
