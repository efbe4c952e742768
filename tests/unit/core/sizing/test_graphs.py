"""Tests of CUDA graph memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.estimate import Band
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive
from rightslice.core.sizing.memory import size
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.memory_coefficients import memory_coefficients
from rightslice.units import GIB

CATALOG = Catalog()


def graphs(
    server: ServerConfig, *, gpu: str = "H100-SXM-80GB", version: str = "0.19.0",
    model: str = "meta-llama/Llama-3.1-8B-Instruct",
) -> Band:  # fmt: skip
    """Return the graph term of a start."""
    sizing = size(
        CATALOG.model(model), device_of(CATALOG.gpu(gpu), Exclusive()), server,
        engine=CATALOG.engine(version), coefficients=memory_coefficients(),
    )  # fmt: skip
    return next(term.size_bytes for term in sizing.terms if term.name == "cuda graphs")


def test_llama_on_h100_follows_the_logs_of_0_19() -> None:
    """One, two and four GPUs took 0.91, 0.76 and 0.67 GiB (llm-d-planner's 0.19.0 logs)."""
    for gpus, logged in ((1, 0.91), (2, 0.76), (4, 0.67)):
        taken = graphs(ServerConfig(max_model_len=8192, tensor_parallel=gpus))
        assert abs(taken.expected / GIB - logged) < 0.05


def test_eager_servers_capture_nothing() -> None:
    """Without graphs the term is exactly nothing."""
    assert graphs(ServerConfig(enforce_eager=True)) == Band.exact(0)


def test_split_attention_is_hoppers() -> None:
    """FlashAttention 3 keeps partial results on Hopper; an Ada board needs less, less surely."""
    server = ServerConfig(max_model_len=8192, max_num_seqs=256)
    hopper, ada = graphs(server), graphs(server, gpu="L40S")
    assert hopper.expected - ada.expected == 32 * 512 * 32 * 128 * 4
    assert ada.high / ada.expected > hopper.high / hopper.expected


def test_own_estimates_widen_the_band_upwards() -> None:
    """Releases that count their own estimate may count more than graphs take over several GPUs."""
    server = ServerConfig(max_model_len=8192, tensor_parallel=2)
    old, new = graphs(server), graphs(server, version="0.33.0")
    assert new.high - new.expected > old.high - old.expected


@given(few=st.integers(1, 512), more=st.integers(0, 512))
def test_more_sequences_never_need_less(few: int, more: int) -> None:
    """Larger batches capture more and larger graphs."""
    small = graphs(ServerConfig(max_model_len=2048, max_num_seqs=few))
    large = graphs(ServerConfig(max_model_len=2048, max_num_seqs=few + more))
    assert small.expected <= large.expected
