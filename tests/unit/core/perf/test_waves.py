"""Equal lengths keep clients together, varied ones spread them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.traffic import ClosedLoop, Traffic
from rightslice.core.perf.batching import busy_loop, closed_loop
from rightslice.core.perf.roofline import Step
from rightslice.core.perf.shapes import Requests, requests_of
from rightslice.core.perf.waves import crowd_of


def server(prompt: int = 1024, chunk: int = 2048) -> Step:
    """Return a server with a step of 7.5 ms and 60 us a sequence, prompts of 30 us a token."""
    return Step(
        overhead=2e-3,
        host_per_sequence=0.0,
        weights=5.5e-3,
        experts=(),
        memory_per_sequence=60e-6,
        compute_per_sequence=0.0,
        all_reduce=0.0,
        all_reduce_per_sequence=0.0,
        prefill=30e-6 * prompt,
        prompt_tokens=float(prompt),
        chunk_tokens=chunk,
        stages=1,
        first_token=0.0,
    )


def asked(output: int = 128, variation: float = 0.0) -> Requests:
    """Return requests of so many output tokens in the mean."""
    traffic = Traffic(
        load=ClosedLoop(concurrency=1), input=Lengths.fixed(1024), output=Lengths.fixed(output)
    )
    return replace(requests_of(traffic), output_variation=variation)


def test_one_client_waits_for_half_a_step() -> None:
    """Without others a prompt waits for the rest of a step and for no prompt."""
    crowd = crowd_of(server(), asked(), 1)
    assert crowd.wait == pytest.approx(server().seconds(1) / 2)
    assert crowd.gathered == 0


def test_a_train_takes_two_full_steps() -> None:
    """Of 48 equal clients most come in one full step and are computed in the next."""
    state = busy_loop(server(), asked(), 48, 64)
    full = server().seconds(48) + server().prefill * (2048 - 48) / 1024
    assert state.ttft.mean == pytest.approx(2 * full, rel=0.1)
    assert state.ttft.p95 == pytest.approx(3 * full, rel=0.1)


def test_varied_lengths_leave_no_wave() -> None:
    """With widely varied lengths others' prompts come at the mean rate."""
    crowd = crowd_of(server(), asked(variation=1.0), 16)
    wait = crowd.wait - server().seconds(16) / 2
    assert crowd.gathered == 0
    assert wait / server().prefill == pytest.approx(2 * 15 / 128, rel=0.35)


@given(st.floats(0, 0.05), st.floats(0, 0.5), st.integers(2, 200))
def test_the_more_lengths_vary_the_shorter_the_wait(one: float, more: float, clients: int) -> None:
    """Blurring a wave never lengthens the mean time to first token."""
    waits = [crowd_of(server(), asked(variation=v), clients).wait for v in (one, one + more)]
    assert waits[1] <= waits[0] * (1 + 1e-9)


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 600), st.integers(100, 4000), st.sampled_from([512, 2048, 8192]))
def test_more_equal_clients_are_never_faster(output: int, prompt: int, chunk: int) -> None:
    """In a wave too, TPOT does not fall as clients are added."""
    step = server(prompt, chunk)
    tpots = [busy_loop(step, asked(output), n, 300).tpot.mean for n in range(1, 257)]
    assert all(after >= before * (1 - 1e-9) for before, after in pairwise(tpots))


def test_a_round_that_steps_cannot_hold_leaves_a_queue() -> None:
    """Where a round has more prompts than its steps take, first tokens wait for the rest."""
    traffic = Traffic(
        load=ClosedLoop(concurrency=1), input=Lengths.fixed(2048), output=Lengths.fixed(16)
    )
    waits = [closed_loop(server(2048), traffic, n, 300).ttft.mean for n in (64, 128, 256)]
    assert waits[1] > 1.5 * waits[0]
    assert waits[2] > 1.5 * waits[1]
