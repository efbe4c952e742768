"""Prompts that clients send together: how many of others a request's first token waits for.

With a fixed number of clients, requests come when others end, so they come by the step and not by
the second. A request that comes during one step is computed from the next one on, over n steps.
It waits for the prompts of the step that it comes in and for those that come until its own is done:

    N = (1 + n) c v,   TTFT = step/2 + n step + prefill (1 + N) + overflow

where v prompts a step come and c > 1 as long steps catch more of those on their way. N is Poisson.
For percentiles, few prompts count as often as short steps let a request pass on to a long one, and
one that is found under way is half done.

How many come together depends on the lengths. Clients that start at once and always get equally
many tokens stay a wave: B prompts in a train of B/m steps, m prompts each, as far as a step's
budget (``max-num-batched-tokens``) goes. They come in one full step and are computed in the next;
what does not fit waits for a third. Lengths that vary with deviation s blur the wave by s sqrt(k)
steps in k rounds, so that v = (B - 1) / (2 sqrt(pi k) s), until nothing is left of it and v is
(B - 1) / O. Where the steps of one round cannot hold the prompts of all, a queue of prompts stays.

Checked against simulation by benchmarks/queueing.py. Known gap: between a wave and no wave the
largest waits are up to a quarter longer than said here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from rightslice.core.perf.arithmetic import Arithmetic
from rightslice.core.perf.operation import NORMAL, QUANTILES
from rightslice.core.perf.roofline import Step
from rightslice.core.perf.shapes import Requests

ROUNDS: Final = 12.0
"""Requests that a client sent before the one asked about: the middle of a run of twenty to
twenty-five. After more rounds lengths that vary have blurred a wave further."""
_ROUND_TRIP: Final = 0.01
"""Seconds from an answer's end to the same client's next request: network and client, assumed."""
_CAUGHT: Final = 0.6
"""By how much more a step catches that is far longer than a round trip: read off simulations."""
_SPILLED: Final = 0.15
"""Share of a train's prompts that wait for one step more: read off simulations."""
_HEAD: Final = 1.5
"""Steps at a train's head that come in a step without prompts: read off simulations."""
_UNEVEN: Final = 0.5
"""How much longer than in a train the longest waits get when a wave is blurred by a step."""
_FEW: Final = 3.0
"""Mean up to which Poisson quantiles are counted out."""
_TERMS: Final = 9


@dataclass(frozen=True, kw_only=True, slots=True)
class Crowd:
    """What requests of others add to the time to first token."""

    gathered: float
    """Prompts of others computed before a request's own first token rather than while it decodes,
    since clients send together; mean."""
    wait: float
    """Seconds, in the mean, the rest of the step included in which a request comes."""
    quantiles: tuple[float, ...]
    """The same at each percentile kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Train:
    """B prompts that follow one another in full steps."""

    prompts: float
    """Of others that a request waits for."""
    gathered: float
    """The same, never so that one more client leaves fewer for later."""
    steps: float
    """Before the own ones."""
    most_prompts: float
    most_steps: float
    """The same of the last in twenty."""
    queued: float
    """Prompts of others that all wait for further because a round does not hold them."""


def crowd_of(step: Step, requests: Requests, running: float) -> Crowd:
    """Return what *running* clients add to each other's time to first token."""
    arithmetic = step.arithmetic
    larger, smaller = arithmetic.larger, arithmetic.smaller
    seconds, prefill = step.seconds(running), step.prompt_alone
    share, own = step.prompt_share(running), step.steps_per_prompt(running)
    train = _train(step, requests, running)
    blur = arithmetic.sqrt(requests.output_variation * ROUNDS) * requests.output_tokens
    together = (running - 1) / larger(blur * (2 * math.sqrt(math.pi)), 1e-9)
    together = larger(together, (running - 1) / requests.output_tokens)
    caught = 1 + _CAUGHT * prefill / (prefill + 4 * _ROUND_TRIP)
    expected = (1 + own) * caught * together
    fluid = (1 + larger(share, 1.0)) * (1 + _CAUGHT)
    evenly = (running - 1) / requests.output_tokens
    most = train.gathered + (fluid - 1) * evenly
    gathered = larger(smaller(fluid * together, most) - fluid * evenly, 0.0)
    prompts = smaller(expected, train.prompts)
    further = smaller(larger((1 + prompts / 2) * share - own, 0.0), train.steps)
    rest, inside = larger(seconds - prefill, 0.0), smaller(seconds, prefill)
    wait = seconds / 2 + prompts * prefill + further * seconds
    held_up = _held_up(step, requests, running, train.queued, wait)
    longest = train.most_prompts * prefill + train.most_steps * seconds
    longest = longest * (1 + _UNEVEN * smaller(blur, 1.0))
    on_way = larger(_ROUND_TRIP / seconds - 0.5, 0.0) * smaller(prefill / (2 * _ROUND_TRIP), 1.0)
    on_way = on_way * larger(1 - own * together, 0.0)
    under_way = prefill * larger(1 - 1 / share, 0.0) / 2
    likely = larger(expected, (1 + own * (1 + on_way)) * together)
    counted = _counted(likely, arithmetic)
    quantiles = []
    for q, z in zip(QUANTILES, NORMAL, strict=True):
        count, part = _quantile(likely, counted, (q, z), arithmetic)
        count = smaller(count, running - 1)
        overflow = larger((1 + count / 2) * share - own, 0.0)
        waited = (
            count * prefill
            - smaller(count, 1.0) * under_way
            + overflow * seconds
            + part * inside
            + q * rest
        )
        quantiles.append(smaller(waited, longest + q * seconds) + held_up)
    return Crowd(
        gathered=gathered,
        wait=wait + held_up,
        quantiles=tuple(quantiles),
    )


def _held_up(step: Step, requests: Requests, running: float, queued: float, wait: float) -> float:
    """Return how long *queued* prompts hold up all others, who *wait* without them.

    No more than makes a request last for as long as the prompts of all clients take: then steps
    compute nothing else, and shorter outputs do not end sooner.
    """
    larger = step.arithmetic.larger
    seconds, tokens = step.seconds(running), larger(requests.output_tokens, 1.0)
    a_prompt = step.prompt_alone + seconds * step.prompt_tokens / step.chunk_tokens
    own = step.prompt_alone + step.steps_per_prompt(running) * seconds
    decode = (tokens - 1) * (seconds + step.interference((running - 1) / tokens))
    spare = larger(running * a_prompt - wait - own - decode, 0.0)
    return step.arithmetic.smaller(queued * a_prompt, spare)


def _train(step: Step, requests: Requests, running: float) -> _Train:
    larger, smaller, where = step.arithmetic.larger, step.arithmetic.smaller, step.arithmetic.where
    own = step.steps_per_prompt(running)
    room = 1 / step.prompt_share(running)
    a_step = smaller(room, running)
    length = running / room
    before = (1 + _SPILLED) * larger(1 - _HEAD / length, 0.0)
    round_holds = (requests.output_tokens - 1) * step.chunk_tokens / step.prompt_tokens
    most = larger(smaller(smaller(length - 1, length / 2), 2.0), 0.0)
    alone = (running - 1) * (1 - 1 / running)
    mean = (own + before) * a_step - 1
    fluid = (larger(step.prompt_share(running), 1.0) + before) * a_step - 1
    fluid = smaller(fluid - larger(1 - 1 / a_step, 0.0), alone)
    return _Train(
        gathered=where(length <= 1, alone, larger(fluid, 0.0)),
        prompts=where(length <= 1, alone, mean),
        steps=before,
        most_prompts=larger((own + most) * a_step - 1, running * 0.0),
        most_steps=most,
        queued=larger(running - round_holds - (own + before) * a_step, 0.0),
    )


def _counted(mean: float, arithmetic: Arithmetic) -> tuple[tuple[float, float, float], ...]:
    """Return of each small Poisson count how likely fewer are, at most so many, and just it."""
    term = arithmetic.exp(-arithmetic.smaller(mean, _FEW))
    below, found = mean * 0.0, []
    for k in range(_TERMS):
        found.append((below, below + term, arithmetic.larger(term, 1e-300)))
        below = below + term
        term = term * mean / (k + 1)
    return tuple(found)


def _quantile(
    mean: float,
    counted: tuple[tuple[float, float, float], ...],
    level: tuple[float, float],
    arithmetic: Arithmetic,
) -> tuple[float, float]:
    """Return the Poisson count at a *level*, and how far into it: from 0 to 1.

    Counted out where the mean is small, by Cornish and Fisher (1938) where it is large.
    """
    q, z = level
    count, part, before = mean * 0.0, mean * 0.0, 1.0
    for below, whole, term in counted:
        passed = (whole < q) * 1.0
        count = count + passed
        part = part + (before - passed) * ((q - below) / term)
        before = passed
    smooth = arithmetic.larger(mean + z * arithmetic.sqrt(mean) + (z * z - 1) / 6 - 0.5, 0.0)
    is_few = mean <= _FEW
    return arithmetic.where(is_few, count, smooth), arithmetic.where(is_few, part, 0.5)
