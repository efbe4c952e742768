"""The work of a step follows from the architecture."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rightslice.core.perf.work import ServedAs, work_of
from rightslice.core.sizing.result import Sizing

Server = Callable[..., Sizing]


def test_llama_8b_reads_its_weights_and_cache(server: Server) -> None:
    """All but the input embedding is read once; 128 KiB of cache a token of context."""
    work = work_of(server().model, ServedAs())
    (context,) = work.contexts
    assert work.weight_bytes == pytest.approx(15.0e9, rel=0.01)
    assert context.bytes_per_token == 128 * 1024
    assert context.flops_per_token == 4 * 32 * 32 * 128


def test_tensor_parallel_divides_weights_and_heads(server: Server) -> None:
    """Two GPUs read half each and reduce twice a layer; KV heads stop dividing at one."""
    whole, half, most = (work_of(server().model, ServedAs(tensor_parallel=tp)) for tp in (1, 2, 16))
    assert half.weight_bytes == pytest.approx(whole.weight_bytes / 2, rel=0.001)
    assert half.all_reduces == 64
    assert most.contexts[0].bytes_per_token == whole.contexts[0].bytes_per_token / 8


def test_experts_are_counted_apart(server: Server) -> None:
    """A mixture of experts keeps its routed experts out of what every step reads."""
    work = work_of(server("openai/gpt-oss-20b").model, ServedAs())
    (experts,) = work.experts
    assert experts.share_per_token == 4 / 32
    assert experts.size_bytes > 4 * work.weight_bytes


def test_runtime_fp8_halves_linear_weights(server: Server) -> None:
    """Run-time quantization stores linear weights in a byte; the head stays as it is."""
    wide, narrow = (
        work_of(server().model, ServedAs(quantization=name)).weight_bytes for name in (None, "fp8")
    )
    assert 0.5 < narrow / wide < 0.6
