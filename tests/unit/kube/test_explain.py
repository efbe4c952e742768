"""Tests of a decision's numbers as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.traffic import OpenLoop, Traffic
from rightslice.kube.assignments import Assignment
from rightslice.kube.explain import cost_text, latency_text, load_text, reason_text


def test_latencies_carry_their_band_and_target(assign: Callable[..., Assignment]) -> None:
    """A prediction is never a bare number."""
    latency = assign({}, {}).prediction.tpot
    text = "mean 20 ms (17 ms to 23.6 ms)"
    assert latency_text(latency, None, None) == text
    assert latency_text(latency, None, 0.03) == f"{text}, target 30 ms"


def test_a_rate_is_a_load_too() -> None:
    """Open loops are told by their rate."""
    traffic = Traffic(
        load=OpenLoop(requests_per_second=5.0), input=Lengths.fixed(8), output=Lengths.fixed(9)
    )
    assert load_text(traffic) == "5/s requests, 8 tokens in, 9 out"


def test_the_reason_names_the_nearest_cheaper_offer(assign: Callable[..., Assignment]) -> None:
    """The dearest of the refused ones is the one that people ask about."""
    placed = assign({}, {"passed": ["too small", "too slow"]}).placed
    assert reason_text(placed) == (
        "2 cheaper passed over; the nearest, A100-SXM-40GB cheaper: too slow"
    )
    assert reason_text(replace(placed, passed=())).startswith("the cheapest offer")


def test_an_unknown_price_is_said(assign: Callable[..., Assignment]) -> None:
    """Cost is told by hour, month and token, or not at all."""
    placed = assign({}, {}).placed
    assert cost_text(placed).startswith("$1.37/h, $1,000.10 a month, $0.42 per million")
    assert cost_text(replace(placed, cost=None)) == "price not known"
    assert placed.cost is not None
    idle = replace(placed.cost, usd_per_million_tokens=None)
    assert cost_text(replace(placed, cost=idle)) == "$1.37/h, $1,000.10 a month"
