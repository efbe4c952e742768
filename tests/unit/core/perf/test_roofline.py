"""What a step costs beside its work: contexts on the host, and prompts that share a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.catalog.traffic import Traffic
from rightslice.core.perf.result import PerfConstants
from rightslice.core.perf.roofline import Step, step_of
from rightslice.core.sizing.result import Sizing

Server = Callable[..., Sizing]
Load = Callable[..., Traffic]


@pytest.fixture
def step(server: Server, load: Load, constants: PerfConstants) -> Step:
    """Return a server of two GPUs whose prompts share 20 us a layer and 10 us for the ring."""
    costly = replace(
        constants,
        host_seconds_per_context_token=25e-9,
        prompt_seconds_per_layer=20e-6,
        prompt_seconds_per_rank=10e-6,
    )
    return step_of(server(tensor_parallel=2), load(1, 1000, 200), costly)


def test_context_costs_the_host(step: Step) -> None:
    """25 ns for each of 1,100 tokens, for every running sequence."""
    assert step.host_of_context == pytest.approx(1100 * 25e-9)
    assert step.host_per_sequence == pytest.approx(2e-6 + 1100 * 25e-9)


def test_few_prompts_pay_alone_and_many_share(step: Step) -> None:
    """Launches and rings of 32 layers count once a step, however many prompts it takes."""
    assert step.prompt_launch + step.prompt_ring == pytest.approx(32 * 30e-6)
    assert step.interference(1e-6) == pytest.approx(1e-6 * step.prefill, rel=1e-5)
    alone = step.prefill - 32 * 30e-6
    assert step.interference(50.0) == pytest.approx(50 * alone + 32 * 30e-6)


@given(prompts=st.floats(0.0, 100.0), more=st.floats(0.0, 10.0))
def test_more_prompts_never_cost_less(prompts: float, more: float) -> None:
    """What prompts add to a step rises with their number."""
    bare = Step(
        overhead=0.0,
        host_per_sequence=0.0,
        weights=1e-3,
        experts=(),
        memory_per_sequence=0.0,
        compute_per_sequence=0.0,
        all_reduce=0.0,
        all_reduce_per_sequence=0.0,
        prefill=3e-3,
        prompt_tokens=100.0,
        chunk_tokens=2048.0,
        stages=1,
        first_token=0.0,
        prompt_launch=1e-3,
        prompt_ring=1e-3,
    )
    assert bare.interference(prompts + more) >= bare.interference(prompts) * (1 - 1e-12)
