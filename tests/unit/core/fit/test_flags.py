"""Flags are tried from vLLM's own defaults to the leanest; what is given stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.traffic import ClosedLoop, OpenLoop, Traffic
from rightslice.core.fit.flags import context_wanted, sequences_wanted, variants


def _traffic(clients: int = 8, tokens: int = 128) -> Traffic:
    length = Lengths.fixed(tokens)
    return Traffic(load=ClosedLoop(concurrency=clients), input=length, output=length)


def test_the_defaults_go_first_and_get_leaner() -> None:
    """Each set changes one flag more."""
    found = list(variants(ServerConfig(), _traffic(), 32768))
    assert found[0] == ServerConfig()
    assert [(f.max_num_seqs, f.max_model_len, f.max_num_batched_tokens) for f in found] == [
        (None, None, None), (16, None, None), (16, 2048, None), (16, 2048, 1024),
    ]  # fmt: skip


def test_what_is_given_stays() -> None:
    """No variant touches a given flag."""
    given_flags = ServerConfig(max_num_seqs=7, max_model_len=999, max_num_batched_tokens=512)
    assert list(variants(given_flags, _traffic(), 32768)) == [given_flags]


def test_a_short_model_keeps_its_context() -> None:
    """A context is cut only where the requests leave room."""
    found = list(variants(ServerConfig(), _traffic(), 2048))
    assert all(flags.max_model_len is None for flags in found)


@given(st.integers(1, 10**6))
def test_sequences_leave_a_quarter_to_spare(clients: int) -> None:
    """At least the load and a quarter, in steps of eight, and not eight too many."""
    wanted = sequences_wanted(_traffic(clients))
    assert wanted % 8 == 0
    assert wanted >= 8
    assert clients * 1.25 <= wanted < max(clients * 1.25 + 8, 9)


def test_an_open_loop_gets_a_fixed_number() -> None:
    """How many run at once is not known before the prediction."""
    traffic = _traffic()
    assert sequences_wanted(Traffic(
        load=OpenLoop(requests_per_second=1), input=traffic.input, output=traffic.output
    )) == 128  # fmt: skip


@given(st.integers(1, 10**6))
def test_the_context_holds_the_longest_request(tokens: int) -> None:
    """A power of two that input and output fit, no smaller than 2,048."""
    context = context_wanted(_traffic(tokens=tokens))
    assert context >= 2 * tokens
    assert context & (context - 1) == 0
    assert context == 2048 or context < 4 * tokens
