"""Closed loop: a fixed number of clients on a continuously batching server.

B = min(clients, capacity) sequences run. While one request makes O tokens, each of the others
starts one prompt, so

    TPOT = step(B) + (B - 1) prefill / O

A prompt joins the steps that decode. It waits for half a step, for the prompts ahead of it, and
for its own mixed steps:

    TTFT = c0 + step/2 + W + prefill + chunks * step(B)

W solves a closed network of two stations, one that computes prompts one by one (deterministic
service s) and one where requests decode for Z = (O - 1) TPOT, by Schweitzer's approximate mean
value analysis: W = (B-1) s (W + s/2) / (Z + W + s), a quadratic. Clients are staggered: B equal
requests sent at once wait for about B/2 prompts instead. Requests beyond the capacity queue for
as long as (clients - B) completions take; that is never counted as holding the load.

Percentiles: the wait's tail is exponential, P(W > t) = rho exp(-rho t / W), at most all other
prompts; prompt lengths move a request's own prefill. TPOT varies with the number of foreign
prompts met (as a Poisson count, in proportion to how irregular lengths are) and with the context
of the batch; equal lengths give no spread. Known gap: short outputs vary more than is said here.
"""

from __future__ import annotations

import math

from rightslice.core.catalog.traffic import Traffic
from rightslice.core.perf.arithmetic import Arithmetic
from rightslice.core.perf.operation import QUANTILES, Operation, Spread
from rightslice.core.perf.roofline import Step
from rightslice.core.perf.shapes import Requests, requests_of


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
    interference = (running - 1) * step.prefill / output / step.stages
    tpot = step_seconds + interference
    decode = arithmetic.larger(output - 1, 0.0) * tpot
    service = step.prefill + step.step_share(running) * step_seconds
    wait = _prompt_wait(running, service, decode, arithmetic)
    own = step.prefill + step.steps_per_prompt(running) * step_seconds
    served = step.first_token + step_seconds / 2 + wait + own
    requests_per_second = running / (served + decode)
    queued = (clients - running) / requests_per_second
    busy = running * service / (decode + wait + service)
    tails = _wait_tails(wait, busy, (running - 1) * service, arithmetic)
    return Operation(
        running=running * 1.0,
        waiting=(clients - running) * 1.0,
        tpot=Spread.normal(tpot, _tpot_sd(step, requests, running), arithmetic),
        ttft=_first_token(step, requests, served + queued, tails),
        requests_per_second=requests_per_second,
        utilization=clients / capacity,
        prefill_per_token=interference,
    )


def _prompt_wait(sequences: float, service: float, decode: float, arithmetic: Arithmetic) -> float:
    """Solve the two-station network: mean wait behind prompts of others."""
    others = sequences - 1
    linear = decode + service - others * service
    constant = others * service * service / 2
    root = arithmetic.sqrt(linear * linear + 4 * constant)
    larger_root = (abs(linear) + root) / 2
    # the form without cancellation
    return arithmetic.where(linear > 0, constant / larger_root, larger_root)


def _wait_tails(
    wait: float, busy: float, longest: float, arithmetic: Arithmetic
) -> tuple[float, ...]:
    """Return by how much the wait exceeds its mean at each percentile kept."""
    larger, smaller, log = arithmetic.larger, arithmetic.smaller, arithmetic.log
    share = smaller(busy, 1.0)
    scale = wait / share
    return tuple(
        [smaller(scale * log(larger(share / (1 - q), 1.0)), longest) - wait for q in QUANTILES]
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
