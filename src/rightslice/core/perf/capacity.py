"""How many sequences run at once: KV cache, ``max-num-seqs``, ``max-model-len``.

C sequences of fixed length fit when C times (input + output) does. With varying lengths the sum of
C of them must fit in 99 of 100 cases: C mean + 2.33 sd sqrt(C). Known gap: tokens shared through
the prefix cache are counted once a sequence, which errs on the safe side.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

from rightslice.core.catalog.estimate import normal_quantile
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.traffic import Traffic
from rightslice.core.perf.arithmetic import SCALAR, Arithmetic
from rightslice.core.perf.identity import Same
from rightslice.core.perf.result import Capacity
from rightslice.core.sizing.kv_cache import sequences_that_fit
from rightslice.core.sizing.result import Sizing, TooBig

SURE: Final = 0.99
"""Probability with which the lengths of all running sequences fit together."""


def capacity_of(sizing: Sizing, traffic: Traffic) -> Capacity:
    """Return how many sequences of *traffic* run at once, and what limits them."""
    return _capacity(Same(sizing), traffic.input, traffic.output)


@lru_cache(maxsize=1024)
def _capacity(server: Same[Sizing], inputs: Lengths, outputs: Lengths) -> Capacity:
    sizing = server.value
    if isinstance(sizing.verdict, TooBig):
        return Capacity(sequences=0, sequences_low=0, limit="memory")
    if longest(inputs, outputs) > sizing.flags.max_model_len:
        return Capacity(sequences=0, sequences_low=0, limit="max-model-len")
    mean = inputs.mean + outputs.mean
    spare = normal_quantile(SURE) * math.sqrt(inputs.variance + outputs.variance)
    fit, low = [_fitting(sizing, mean, spare, confidence) for confidence in (0.5, 0.95)]
    most = sizing.flags.max_num_seqs
    return Capacity(
        sequences=min(fit, most),
        sequences_low=min(low, most),
        limit="KV cache" if fit < most else "max-num-seqs",
    )


def capacity_at(capacity: Capacity, confidence: float) -> int:
    """Return the sequences that fit with probability *confidence*."""
    sure = surely(capacity.sequences, capacity.sequences_low, confidence, SCALAR)
    return int(sure)


def surely(expected: float, low: float, confidence: float, arithmetic: Arithmetic) -> float:
    """Return the sequences that fit with probability *confidence*; *low* fit with 95 %."""
    share = normal_quantile(confidence) / normal_quantile(0.95)
    return arithmetic.larger(expected - arithmetic.ceil((expected - low) * share), 0)


def longest(inputs: Lengths, outputs: Lengths) -> float:
    """Return the tokens of a request that one in a hundred exceeds; exact for fixed lengths."""
    above = math.hypot(
        max(inputs.percentile(SURE) - inputs.mean, 0.0),
        max(outputs.percentile(SURE) - outputs.mean, 0.0),
    )
    return inputs.mean + outputs.mean + above


def _fitting(sizing: Sizing, mean: float, spare: float, confidence: float) -> int:
    """Return the largest C whose tokens fit the pool, from above: the condition is monotone."""
    count = sequences_that_fit(sizing, math.ceil(mean), confidence=confidence)
    while spare and count > 0:
        each = math.ceil(mean + spare / math.sqrt(count))
        fewer = sequences_that_fit(sizing, each, confidence=confidence)
        if fewer >= count:
            break
        count = fewer
    return count
