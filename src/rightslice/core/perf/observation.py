"""A measured operating point, and what the model says of it in the way it was measured.

Benchmarks define TPOT in different ways; every definition is linear in the time of a pure decode
step and in the time of a prompt, so an observation keeps the two factors. With B sequences, I
prompt and O output tokens:

- between tokens under closed-loop load: step + (B - 1) prefill / O;
- a decode step alone, of a static batch: step;
- median gap between tokens in steady state: step + m prefill, m the median number of prompts in a
  step when (B - 1) / O start a step in the mean (Poisson);
- a whole static batch over its output tokens: B prompts together, then O - 1 steps;
- running places over throughput: what one request occupies, over O.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, NamedTuple

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.model import Model
from rightslice.core.catalog.traffic import Traffic
from rightslice.core.perf.anchors import Place
from rightslice.core.perf.bands import Doubt, doubt_on
from rightslice.core.perf.batching import busy_loop
from rightslice.core.perf.operation import Operation
from rightslice.core.perf.rates import Schedule
from rightslice.core.perf.result import PerfConstants
from rightslice.core.perf.roofline import Step, step_on
from rightslice.core.perf.shapes import requests_of
from rightslice.core.perf.work import ServedAs, work_of


class TpotKind(Enum):
    """What a benchmark calls time per output token."""

    CLOSED_LOOP = "closed loop, after the first token"
    DECODE_STEP = "decode step of a static batch"
    MEDIAN_GAP = "median gap in steady state"
    STATIC_BATCH = "static batch over output tokens"
    OCCUPANCY = "running places over throughput"


_STATIC: Final = (TpotKind.DECODE_STEP, TpotKind.STATIC_BATCH)
_START_BURST: Final = 0.1
"""Load generators start all clients at once and commonly send ten requests a client (InferenceX:
num-prompts = 10 * concurrency), so a tenth of the requests wait for half of the others' prompts."""
_VARIATION: Final = 0.004
"""Variance over squared mean of lengths between 80 and 100 % of the largest (InferenceX:
random-range-ratio 0.8): what is published as one length varies so much at least."""
_POISSON_MEDIAN: Final = math.log(2)
"""A Poisson count's median leaves zero at a mean of ln 2 and stays about that far below it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Observation:
    """One measured point of one server."""

    row: int
    source: str
    engine: str
    """Engine and version, for people."""
    era: str
    """Key of the constants that belong to it."""
    model: Model
    device: Device
    served: ServedAs
    sequences: float
    """Running at once, of one replica."""
    traffic: Traffic
    chunk_tokens: int
    is_eager: bool
    tpot_kind: TpotKind
    is_static_ttft: bool
    """TTFT is the prefill of the whole batch, not of one request among others."""
    is_vague: bool
    """Prompt lengths are an estimate."""
    tpot_seconds: float | None
    ttft_seconds: float | None
    replicas: int = 1
    """Copies of the model behind one address (attention data parallel)."""
    is_set_aside: bool = False
    """Far from every model tried on it: never fitted, but counted in every error and spread."""

    @property
    def pair(self) -> tuple[str, str]:
        """Model and board: what is left out together when the fit is judged."""
        return str(self.model.base or self.model.name), self.device.gpu_name


def step_for(point: Observation, constants: PerfConstants) -> Step:
    """Return the step times of the server that was measured."""
    schedule = Schedule(
        work=work_of(point.model, point.served),
        chunk_tokens=point.chunk_tokens,
        is_eager=point.is_eager,
    )
    return step_on(point.device, point.served, point.traffic, constants, schedule)


class Made(NamedTuple):
    """What a measured TPOT is made of."""

    steps: float
    prompts: float
    passes: float
    """Steps with prompts in them: what prompts of one step share, counted once."""


def tpot_factors(point: Observation, step: Step) -> Made:
    """Return how many steps and how many prompts the measured TPOT is made of."""
    n, output = point.sequences, point.traffic.output.mean
    others = max(n - 1, 0.0) / output
    match point.tpot_kind:
        case TpotKind.CLOSED_LOOP:
            return Made(1.0, others, 1 - math.exp(-others))
        case TpotKind.DECODE_STEP:
            return Made(1.0, 0.0, 0.0)
        case TpotKind.MEDIAN_GAP:
            met = max(others - _POISSON_MEDIAN, 0.0)
            return Made(1.0, met, 1.0 if met else 0.0)
        case TpotKind.STATIC_BATCH:
            passes = batch_steps(point, step)
            return Made((output - 1 + passes) / output, n / output, passes / output)
        case TpotKind.OCCUPANCY:
            steps = (output - 1 + step.steps_per_prompt(n)) / output
            return Made(steps, n / output, n / output)


def prompt_seconds(made: Made, step: Step) -> float:
    """Return the seconds of a measured TPOT that go to prompts."""
    return made.prompts * step.prompt_alone + made.passes * step.prompt_shared


def batch_steps(point: Observation, step: Step) -> int:
    """Return the steps in which all prompts of a static batch are computed."""
    tokens = point.sequences * point.traffic.input.mean
    return max(1, math.ceil(tokens / point.chunk_tokens)) if step.chunk_tokens else 1


def tpot_as_measured(point: Observation, constants: PerfConstants) -> float:
    """Return the predicted TPOT, defined as the benchmark defines it."""
    step = step_for(point, constants)
    made, now = tpot_factors(point, step), step.settled(point.sequences)
    return made.steps * now.seconds(point.sequences) + prompt_seconds(made, now)


def place_of(point: Observation) -> Place:
    """Return where *point* lies among measured ones."""
    narrowest = work_of(point.model, point.served).narrowest_bytes
    return Place(
        sequences=math.log(max(point.sequences, 1.0)),
        input_tokens=math.log(point.traffic.input.mean),
        output_tokens=math.log(point.traffic.output.mean),
        tensor_parallel=math.log(point.served.tensor_parallel),
        weight_bytes=math.log(narrowest),
    )


def host_share_of(point: Observation, constants: PerfConstants) -> float:
    """Return what part of the predicted TPOT the host's work a sequence takes."""
    step = step_for(point, constants)
    steps = tpot_factors(point, step).steps
    return steps * step.host_per_sequence * point.sequences / tpot_as_measured(point, constants)


def doubt_as_measured(point: Observation, constants: PerfConstants) -> Doubt:
    """Return how far predictions of the point are likely to be off."""
    step = step_for(point, constants)
    made, doubt = tpot_factors(point, step), doubt_on(point.device, constants)
    prompts = prompt_seconds(made, step.settled(point.sequences))
    return doubt.at(step, point.sequences, prompts, made.steps)


def ttft_as_measured(point: Observation, constants: PerfConstants) -> float:
    """Return the predicted mean time to first token, of one request or of a static batch."""
    step = step_for(point, constants).settled(point.sequences)
    alone = step.prompt_alone
    if point.is_static_ttft:
        together = batch_steps(point, step) * step.seconds(point.sequences)
        return (step.first_token + together + point.sequences * alone) * step.ttft_ratio
    steady = _under_clients(point, step).ttft.mean
    burst = _START_BURST * max(point.sequences - 1, 0.0) / 2
    return steady + burst * alone * step.ttft_ratio


def tokens_per_second_as_measured(point: Observation, constants: PerfConstants) -> float:
    """Return the predicted output tokens a second of the replica."""
    if point.tpot_kind in (TpotKind.STATIC_BATCH, TpotKind.OCCUPANCY):
        return point.sequences / tpot_as_measured(point, constants)
    if point.tpot_kind in _STATIC:
        rest = (point.traffic.output.mean - 1) * tpot_as_measured(point, constants)
        whole = ttft_as_measured(point, constants) + rest
        return point.sequences * point.traffic.output.mean / whole
    state = _under_clients(point, step_for(point, constants))
    return state.requests_per_second * point.traffic.output.mean


def _under_clients(point: Observation, step: Step) -> Operation:
    requests = requests_of(point.traffic)
    varied = max(requests.output_variation, _VARIATION)
    clients = max(round(point.sequences), 1)
    return busy_loop(step, replace(requests, output_variation=varied), clients, clients)
