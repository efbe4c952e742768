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

from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.traffic import Traffic
from rightslice.core.perf.operation import QUANTILES, Operation, Spread
from rightslice.core.perf.roofline import Step


def closed_loop(step: Step, traffic: Traffic, clients: int, capacity: int) -> Operation:
    """Return the steady state of *clients* on a server that runs *capacity* sequences at once."""
    running = min(clients, capacity)
    if running < 1:
        return Operation.unserved(waiting=clients, utilization=math.inf)
    output = traffic.output.mean
    step_seconds = step.seconds(running)
    interference = (running - 1) * step.prefill / output / step.stages
    tpot = step_seconds + interference
    decode = max(output - 1, 0.0) * tpot
    service = step.prefill + step.step_share(running) * step_seconds
    wait = _prompt_wait(running, service, decode)
    own = step.prefill + step.steps_per_prompt(running) * step_seconds
    served = step.first_token + step_seconds / 2 + wait + own
    requests_per_second = running / (served + decode)
    queued = (clients - running) / requests_per_second
    busy = running * service / (decode + wait + service)
    return Operation(
        running=float(running),
        waiting=float(clients - running),
        tpot=Spread.normal(tpot, _tpot_sd(step, traffic, running)),
        ttft=_first_token(
            step, traffic, served + queued, wait_tails(wait, busy, (running - 1) * service)
        ),
        requests_per_second=requests_per_second,
        utilization=clients / capacity,
        prefill_per_token=interference,
    )


def _prompt_wait(sequences: int, service: float, decode: float) -> float:
    """Solve the two-station network: mean wait behind prompts of others."""
    others = sequences - 1
    if not others:
        return 0.0
    linear = decode + service - others * service
    constant = others * service * service / 2
    root = math.sqrt(linear * linear + 4 * constant)
    # the form without cancellation
    return 2 * constant / (linear + root) if linear > 0 else (root - linear) / 2


def wait_tails(wait: float, busy: float, longest: float) -> tuple[float, ...]:
    """Return by how much the wait exceeds its mean at each percentile kept."""
    if wait <= 0 or busy <= 0:
        return tuple(0.0 for _ in QUANTILES)
    share = min(busy, 1.0)
    tails = (wait / share * math.log(max(share / (1 - q), 1.0)) for q in QUANTILES)
    return tuple(min(tail, longest) - wait for tail in tails)


def _first_token(step: Step, traffic: Traffic, mean: float, tails: tuple[float, ...]) -> Spread:
    inputs = traffic.input
    values = []
    for q, tail in zip(QUANTILES, tails, strict=True):
        own = step.prefill * (inputs.percentile(q) / inputs.mean - 1)
        both = own + tail if q <= 0.5 else math.hypot(max(own, 0.0), max(tail, 0.0))
        values.append(max(mean + both, 0.0))
    return Spread.ascending(mean, tuple(values)).times(step.ttft_ratio)


def squared_variation(lengths: Lengths) -> float:
    """Return variance over squared mean."""
    return lengths.variance / (lengths.mean * lengths.mean)


def _tpot_sd(step: Step, traffic: Traffic, running: int) -> float:
    if traffic.input.is_fixed and traffic.output.is_fixed:
        return 0.0
    inputs, outputs = squared_variation(traffic.input), squared_variation(traffic.output)
    irregular = min(inputs + outputs, 1.0) + inputs
    prompts = step.prefill / step.stages * math.sqrt((running - 1) * irregular)
    context = step.memory_per_sequence * math.sqrt(running * min(inputs + outputs, 1.0))
    return math.hypot(prompts / traffic.output.mean, context)
