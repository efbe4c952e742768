"""Prediction keeps the order of things: more load, longer requests, slower devices cost time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.traffic import Slo, Traffic
from rightslice.core.perf.predict import capacity, curve, largest_load, predict
from rightslice.core.perf.result import PerfConstants
from rightslice.core.sizing.result import Sizing, TooBig
from rightslice.errors import InputError

Server = Callable[..., Sizing]
Load = Callable[..., Traffic]
shared_fixtures = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def test_terms_sum_to_the_mean_tpot(server: Server, load: Load, constants: PerfConstants) -> None:
    """The parts of a step add up to the time per output token, in both loops."""
    for traffic in (load(32), load(5.0)):
        answer = predict(server(), traffic, constants=constants)
        total = sum(term.seconds for term in answer.terms)
        assert total == pytest.approx(answer.tpot.mean.expected)


@shared_fixtures
@given(clients=st.integers(1, 200), more=st.integers(1, 200))
def test_more_clients_never_lower_latency(
    server: Server, load: Load, constants: PerfConstants, clients: int, more: int
) -> None:
    """Neither TPOT nor TTFT falls when clients are added."""
    few = predict(server(), load(clients), constants=constants)
    many = predict(server(), load(clients + more), constants=constants)
    assert many.tpot.mean.expected >= few.tpot.mean.expected
    assert many.ttft.p95.expected >= few.ttft.p95.expected * (1 - 1e-9)


@shared_fixtures
@given(rate=st.floats(-12, 1.3).map(lambda power: 10**power), factor=st.floats(1.0, 1.5))
def test_a_higher_rate_never_lowers_latency(
    server: Server, load: Load, constants: PerfConstants, rate: float, factor: float
) -> None:
    """Mean TPOT and p95 TTFT rise with the rate, up to the loss of stability."""
    low = predict(server(), load(rate), constants=constants)
    high = predict(server(), load(rate * factor), constants=constants)
    assert high.tpot.mean.expected >= low.tpot.mean.expected * (1 - 1e-6)
    assert high.ttft.p95.expected >= low.ttft.p95.expected * (1 - 1e-6)


@shared_fixtures
@given(
    clients=st.integers(1, 100),
    inputs=st.integers(1, 2000),
    outputs=st.integers(2, 1000),
    more=st.integers(1, 1000),
)
def test_longer_prompts_never_lower_latency(
    server: Server,
    load: Load,
    constants: PerfConstants,
    *,
    clients: int,
    inputs: int,
    outputs: int,
    more: int,
) -> None:
    """TPOT and end-to-end time rise with the input; the end to end time with the output."""
    short = predict(server(), load(clients, inputs, outputs), constants=constants)
    longer = predict(server(), load(clients, inputs + more, outputs), constants=constants)
    slower = predict(server(), load(clients, inputs, outputs + more), constants=constants)
    assert longer.tpot.mean.expected >= short.tpot.mean.expected
    assert longer.end_to_end.mean.expected >= short.end_to_end.mean.expected
    assert slower.end_to_end.mean.expected >= short.end_to_end.mean.expected


@shared_fixtures
@given(factor=st.floats(1.0, 4.0), clients=st.integers(1, 200))
def test_more_bandwidth_is_never_slower(
    server: Server, load: Load, constants: PerfConstants, factor: float, clients: int
) -> None:
    """More bandwidth, all else equal, never costs time per token or per request.

    Time to first token alone may rise: clients that are served faster return sooner.
    """
    sizing = server()
    bandwidth = sizing.device.bandwidth_bytes_per_second
    assert bandwidth is not None
    wider = replace(
        sizing, device=replace(sizing.device, bandwidth_bytes_per_second=bandwidth * factor)
    )
    before = predict(sizing, load(clients), constants=constants)
    after = predict(wider, load(clients), constants=constants)
    assert after.tpot.mean.expected <= before.tpot.mean.expected
    assert after.end_to_end.mean.expected <= before.end_to_end.mean.expected * (1 + 1e-9)


def test_percentiles_ascend(server: Server, constants: PerfConstants, load: Load) -> None:
    """Each percentile is at least the one before it, for varied lengths and both loops."""
    for traffic in (load(40), load(8.0)):
        varied = replace(
            traffic, input=Lengths.lognormal(400, 1.0), output=Lengths.uniform(20, 300)
        )
        answer = predict(server(), varied, constants=constants)
        for latency in (answer.tpot, answer.ttft, answer.end_to_end):
            known = [latency.p50, latency.p90, latency.p95, latency.p99]
            assert [e.expected for e in known] == sorted(e.expected for e in known)


def test_queueing_is_not_holding(server: Server, load: Load, constants: PerfConstants) -> None:
    """Clients beyond the capacity wait, and no latency target makes them held."""
    sizing = server(max_num_seqs=16)
    answer = predict(sizing, load(64), constants=constants)
    held = largest_load(
        sizing, load(64), Slo(tpot_seconds=60.0), constants=constants, confidence=0.5
    )
    assert (answer.running, answer.waiting, held) == (16, 48, 16)


def test_the_largest_concurrency_is_the_last_that_keeps_the_slo(
    server: Server, load: Load, constants: PerfConstants
) -> None:
    """One client more than the largest load breaks the target at that confidence."""
    slo = Slo(tpot_seconds=0.02)
    most = largest_load(server(), load(1), slo, constants=constants, confidence=0.9)
    at, beyond = (
        predict(server(), load(int(most) + extra), constants=constants).tpot.mean.upper(0.9)
        for extra in (0, 1)
    )
    assert at <= 0.02 < beyond


def test_the_largest_rate_keeps_the_slo(
    server: Server, load: Load, constants: PerfConstants
) -> None:
    """At the point estimate the largest rate meets both targets and is stable."""
    slo = Slo(tpot_seconds=0.02, ttft_seconds=0.3)
    rate = largest_load(server(), load(1.0), slo, constants=constants, confidence=0.5)
    answer = predict(server(), load(rate), constants=constants)
    assert answer.utilization <= 0.85
    assert answer.tpot.mean.expected <= 0.02
    assert answer.ttft.p95.expected <= 0.3


@pytest.mark.parametrize("amount", [8, 4.0])
def test_confidence_costs_load(
    server: Server, load: Load, constants: PerfConstants, amount: float
) -> None:
    """A load promised more surely is no larger."""
    slo = Slo(tpot_seconds=0.03, ttft_seconds=1.0)
    held = [
        largest_load(server(), load(amount), slo, constants=constants, confidence=confidence)
        for confidence in (0.5, 0.75, 0.9, 0.99)
    ]
    assert held == sorted(held, reverse=True)
    assert held[-1] > 0


def test_an_impossible_target_is_held_at_no_load(
    server: Server, load: Load, constants: PerfConstants
) -> None:
    """No load keeps a TPOT below the time to stream the weights."""
    slo = Slo(tpot_seconds=0.001)
    for amount in (4, 4.0):
        assert largest_load(server(), load(amount), slo, constants=constants, confidence=0.5) == 0


def test_a_server_that_does_not_start_serves_nothing(
    server: Server, load: Load, constants: PerfConstants
) -> None:
    """When the weights do not fit, latencies are infinite and nothing is held."""
    sizing = server(profile="1g.10gb")
    assert isinstance(sizing.verdict, TooBig)
    answer = predict(sizing, load(4), constants=constants)
    assert math.isinf(answer.tpot.mean.expected)
    assert answer.capacity.limit == "memory"


def test_an_unstable_rate_never_settles(
    server: Server, load: Load, constants: PerfConstants
) -> None:
    """Beyond the stable rate the utilization exceeds one and waits are infinite."""
    answer = predict(server(), load(500.0), constants=constants)
    assert answer.utilization > 1
    assert math.isinf(answer.ttft.mean.expected)


def test_an_unknown_bandwidth_is_named(
    server: Server, load: Load, constants: PerfConstants
) -> None:
    """Without a bandwidth there is no prediction, and the message says which figure is missing."""
    sizing = server()
    blind = replace(sizing, device=replace(sizing.device, bandwidth_bytes_per_second=None))
    with pytest.raises(InputError, match="memory bandwidth of H100-SXM-80GB is not known"):
        predict(blind, load(4), constants=constants)


def test_requests_longer_than_the_context_are_refused(server: Server, load: Load) -> None:
    """Input plus output beyond max-model-len leaves no capacity."""
    places = capacity(server(max_model_len=1024), load(4, 1000, 100))
    assert (places.sequences, places.limit) == (0, "max-model-len")


def test_the_curve_ends_beyond_the_capacity(
    server: Server, load: Load, constants: PerfConstants
) -> None:
    """The curve holds every doubling, the load asked for, the capacity, and one point beyond."""
    line = curve(server(max_num_seqs=24), load(5), constants=constants)
    assert [point.concurrency for point in line.points] == [1, 2, 4, 5, 8, 16, 24, 48]
    assert [point.held for point in line.points] == [True] * 7 + [False]


def test_doubt_widens_with_distance(server: Server, load: Load, constants: PerfConstants) -> None:
    """Bands grow from a fitted whole card to its slice, and to a board that was never fitted."""
    whole, part, other = (
        predict(sizing, load(4), constants=constants).tpot.mean.log_sd
        for sizing in (server(), server(profile="3g.40gb"), server(gpu="A100-SXM-80GB"))
    )
    assert whole < part
    assert whole < other


def test_doubt_grows_with_the_hosts_share(
    server: Server, load: Load, constants: PerfConstants
) -> None:
    """Where the host's work a sequence takes more of a step, the band is wider, in both loops."""
    busy_host = replace(constants, host_seconds_per_sequence=50e-6)
    for light, heavy in ((load(2), load(200)), (load(0.5), load(12.0))):
        narrow, wide = (
            predict(server(), traffic, constants=busy_host).tpot.mean.log_sd
            for traffic in (light, heavy)
        )
        assert narrow < wide


@pytest.mark.parametrize("amount", [8, 4.0])
def test_doubt_about_the_host_costs_load(
    server: Server, load: Load, constants: PerfConstants, amount: float
) -> None:
    """The surer load is smaller where the host is less known; the expected one is not."""
    slo = Slo(tpot_seconds=0.03)
    busy = replace(constants, host_seconds_per_sequence=50e-6)
    known, unknown = (replace(busy, log_sd_host=sd) for sd in (0.0, 0.5))
    for confidence, same in ((0.5, True), (0.9, False)):
        sure, unsure = (
            largest_load(server(), load(amount), slo, constants=k, confidence=confidence)
            for k in (known, unknown)
        )
        assert (sure == unsure) is same
        assert unsure <= sure
