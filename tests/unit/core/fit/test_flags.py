"""Flags are tried from vLLM's own defaults to the leanest; what is given stays."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.question import Question
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.traffic import ClosedLoop, OpenLoop, Slo, Traffic
from rightslice.core.fit.flags import Flags, context_wanted, sequences_wanted, variants
from rightslice.core.fit.market import unpriced_offers
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import fitted_constants

CATALOG = Catalog()


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


def _sets(gpu: str, **changes: Any) -> list[ServerConfig]:  # noqa: ANN401 - fields of any type
    question = Question(
        model=CATALOG.model("facebook/opt-1.3b"), engine=CATALOG.engine(None),
        traffic=_traffic(), slo=Slo(tpot_seconds=0.03), **{"server": ServerConfig(), **changes},
    )  # fmt: skip
    offer = unpriced_offers(CATALOG.gpu(gpu))[-1]
    return list(Flags(question, fitted_constants().memory.context).sets_for(offer))


def test_a_cache_in_eight_bit_comes_last_and_only_when_allowed() -> None:
    """It is marked as chosen, and every set of 16 bit is tried before it."""
    plain, both = _sets("H100-SXM-80GB"), _sets("H100-SXM-80GB", kv_cache_dtypes=("fp8",))
    assert both[: len(plain)] == plain
    assert len(both) == 2 * len(plain)
    assert all("kv_cache_dtype" in flags.chosen for flags in both[len(plain) :])
    assert all(flags.kv_cache_dtype is None for flags in plain)


def test_a_cache_in_eight_bit_is_not_tried_where_it_cannot_be() -> None:
    """Turing cannot read it, a given format stays, and closed flags stay closed."""
    assert len(_sets("T4-16GB", kv_cache_dtypes=("fp8",))) == len(_sets("T4-16GB"))
    given_format = ServerConfig(kv_cache_dtype="auto")
    found = _sets("H100-SXM-80GB", kv_cache_dtypes=("fp8",), server=given_format)
    assert {flags.kv_cache_dtype for flags in found} == {"auto"}
    assert len(_sets("H100-SXM-80GB", kv_cache_dtypes=("fp8",), flags_open=False)) == 1


def test_equal_sets_are_one_object() -> None:
    """Arrays resolve flags once an object."""
    question = Question(
        model=CATALOG.model("facebook/opt-1.3b"), engine=CATALOG.engine(None),
        server=ServerConfig(), traffic=_traffic(), slo=Slo(tpot_seconds=0.03),
    )  # fmt: skip
    flags = Flags(question, fitted_constants().memory.context)
    whole = [unpriced_offers(CATALOG.gpu(name), cards=1)[-1] for name in ("A100-SXM-40GB", "H100")]
    assert flags.sets_for(whole[0]) is flags.sets_for(whole[1])
