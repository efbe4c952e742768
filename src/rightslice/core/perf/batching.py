"""Closed loop: a fixed number of clients on a continuously batching server.

B = min(clients, capacity) sequences run. While one request makes O tokens, each of the others
starts one prompt, so

    TPOT = step(B) + (B - 1) prefill / O

A prompt joins the steps that decode. It waits for half a step, for prompts of others (`waves`),
and for its own mixed steps:

    TTFT = c0 + step/2 + wait + prefill + chunks * step(B)

Equal lengths keep clients in step: prompts then come together and wait for one another. They are
then missing from the steps that decode, with which TPOT is not credited: one number given as a
length stands for lengths near it, and a deviation of one per cent ends most of the gain. Requests
beyond the capacity queue for as long as (clients - B) completions take; that is never counted as
holding the load.

Percentiles of TTFT: a Poisson count of prompts, at most a whole train of them; prompt lengths move
a request's own prefill. TPOT varies with the number of foreign prompts met (as a Poisson count, in
proportion to how irregular lengths are) and with the context of the batch; equal lengths give no
spread. Known gap: short outputs vary more than is said here.
"""

from __future__ import annotations

import math

from rightslice.core.catalog.traffic import Traffic
from rightslice.core.perf.operation import QUANTILES, Operation, Spread
from rightslice.core.perf.roofline import Step
from rightslice.core.perf.shapes import Requests, requests_of
from rightslice.core.perf.waves import crowd_of


def closed_loop(step: Step, traffic: Traffic, clients: int, capacity: int) -> Operation:
    """Return the steady state of *clients* on a server that runs *capacity* sequences at once."""
    if min(clients, capacity) < 1:
        return Operation.unserved(waiting=clients, utilization=math.inf)
    return busy_loop(step, requests_of(traffic), clients, capacity)


def busy_loop(step: Step, requests: Requests, clients: float, capacity: float) -> Operation:
    """Return the steady state of *clients*, at least one, of servers that run at least one."""
    arithmetic = step.arithmetic
    running = arithmetic.smaller(clients, capacity)
    step = step.settled(running)
    output = requests.output_tokens
    step_seconds = step.seconds(running)
    crowd = crowd_of(step, requests, running)
    interference = step.interference((running - 1) / output)
    tpot = step_seconds + interference
    decode = arithmetic.larger(output - 1, 0.0) * tpot
    own = step.prompt_alone + step.steps_per_prompt(running) * step_seconds
    served = step.first_token + own + crowd.wait
    requests_per_second = running / (served + decode)
    queued = (clients - running) / requests_per_second
    tails = tuple([waited - crowd.wait for waited in crowd.quantiles])
    return Operation(
        running=running * 1.0,
        waiting=(clients - running) * 1.0,
        tpot=Spread.normal(tpot, _tpot_sd(step, requests, running), arithmetic),
        ttft=_first_token(step, requests, served + queued, tails),
        requests_per_second=requests_per_second,
        utilization=clients / capacity,
        prefill_per_token=interference,
    )


def _first_token(step: Step, requests: Requests, mean: float, tails: tuple[float, ...]) -> Spread:
    larger, hypot = step.arithmetic.larger, step.arithmetic.hypot
    values = []
    for q, excess, tail in zip(QUANTILES, requests.input_excess, tails, strict=True):
        own = step.prefill * excess
        both = own + tail if q <= 0.5 else hypot(larger(own, 0.0), larger(tail, 0.0))
        values.append(larger(mean + both, 0.0))
    return Spread.ascending(mean, tuple(values), step.arithmetic).times(step.ttft_ratio)


def _tpot_sd(step: Step, requests: Requests, running: float) -> float:
    """Return the standard deviation of TPOT: none for equal lengths."""
    smaller, sqrt = step.arithmetic.smaller, step.arithmetic.sqrt
    inputs = requests.input_variation
    either = smaller(inputs + requests.output_variation, 1.0)
    prompts = step.prefill / step.stages * sqrt((running - 1) * (either + inputs))
    context = step.memory_per_sequence * sqrt(running * either)
    return step.arithmetic.hypot(prompts / requests.output_tokens, context)
