"""One offer under one question: what it may hold, and how its refusal is worded."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.question import Question
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive, MigSlice, Share
from rightslice.core.catalog.traffic import ClosedLoop, Load, OpenLoop, Slo, Traffic
from rightslice.core.fit.result import Constraint, Holds, Offer, Refused
from rightslice.core.fit.trial import Trial, furthest, load_size, load_text, share_of
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import fitted_constants

CATALOG = Catalog()
LENGTH = Lengths.fixed(128)
SMALL = MigSlice(profile=ProfileName("2g.10gb"))


def _traffic(load: Load) -> Traffic:
    return Traffic(load=load, input=LENGTH, output=LENGTH)


def _trial(load: Load, slo: Slo, share: Share = SMALL, replicas: int = 1) -> Trial:
    question = Question(
        model=CATALOG.model("facebook/opt-1.3b"), engine=CATALOG.engine(None),
        server=ServerConfig(), traffic=_traffic(load), slo=slo, max_replicas=replicas,
    )  # fmt: skip
    offer = Offer(
        device=device_of(CATALOG.gpu("A100-SXM-40GB"), share), tensor_parallel=1, pool="p",
        instance=None, price=None, cards=None, usd_per_hour=None,
    )  # fmt: skip
    server = ServerConfig(gpu_memory_utilization=0.85)
    return Trial(question=question, offer=offer, server=server, constants=fitted_constants())


def _refused(trial: Trial) -> Refused:
    outcome = trial.judge().outcome
    assert isinstance(outcome, Refused)
    return outcome


@given(st.integers(1, 10**6), st.integers(1, 1000))
def test_clients_are_spread_evenly(clients: int, replicas: int) -> None:
    """No server gets more than its part, rounded up."""
    load = share_of(_traffic(ClosedLoop(concurrency=clients)), replicas).load
    assert load == ClosedLoop(concurrency=math.ceil(clients / replicas))


def test_a_rate_is_divided() -> None:
    """Each server gets its part of the requests."""
    load = share_of(_traffic(OpenLoop(requests_per_second=6)), 4).load
    assert load == OpenLoop(requests_per_second=1.5)


@pytest.mark.parametrize(
    ("load", "number", "text"),
    [
        (ClosedLoop(concurrency=1), 1, "1 client"),
        (ClosedLoop(concurrency=6400), 6400, "6,400 clients"),
        (OpenLoop(requests_per_second=2.5), 2.5, "2.5/s"),
    ],
)
def test_loads_in_words(load: Load, number: float, text: str) -> None:
    """Clients are counted, rates have their unit."""
    assert load_size(_traffic(load)) == number
    assert load_text(number, _traffic(load)) == text


def test_a_cache_too_small_says_how_many_it_holds() -> None:
    """Sequences wanted and there, and the clients that would do."""
    refused = _refused(_trial(ClosedLoop(concurrency=2000), Slo(tpot_seconds=1)))
    assert (refused.constraint, refused.unit) == (Constraint.CONCURRENCY, "sequences")
    assert refused.remedy == f"at most {refused.available:.0f} clients a replica"


def test_an_unstable_rate_is_refused_with_a_safe_one() -> None:
    """Utilization beyond 85 % is no promise."""
    refused = _refused(_trial(OpenLoop(requests_per_second=500), Slo(tpot_seconds=1)))
    assert (refused.constraint, refused.unit) == (Constraint.STABILITY, "utilization")
    assert refused.needed > refused.available == 0.85
    assert refused.remedy.startswith("at most ")


@pytest.mark.parametrize(
    ("slo", "constraint", "said"),
    [
        (Slo(tpot_seconds=1e-4), Constraint.TPOT, "mean TPOT"),
        (Slo(tpot_seconds=1e-4, tpot_percentile=0.99), Constraint.TPOT, "p99 TPOT"),
        (Slo(ttft_seconds=1e-4), Constraint.TTFT, "p95 TTFT"),
    ],
)
def test_a_missed_target_is_named(slo: Slo, constraint: Constraint, said: str) -> None:
    """Which latency, at which percentile, and how large it may be."""
    refused = _refused(_trial(ClosedLoop(concurrency=2), slo, Exclusive()))
    assert (refused.constraint, refused.unit) == (constraint, "seconds")
    assert refused.reason.startswith(said)
    assert "misses 0.1 ms" in refused.reason or "misses 100 µs" in refused.reason


def test_too_few_replicas_say_how_many() -> None:
    """The fewest that would do, and what those allowed hold."""
    slo = Slo(tpot_seconds=0.05)
    refused = _refused(_trial(OpenLoop(requests_per_second=200), slo, replicas=2))
    assert refused.constraint is Constraint.REPLICAS
    assert refused.available == 2
    assert refused.held_load is not None
    enough = _trial(OpenLoop(requests_per_second=200), slo, replicas=int(refused.needed))
    outcome = enough.judge().outcome
    assert isinstance(outcome, Holds)
    assert outcome.replicas == refused.needed


def test_no_number_of_replicas_helps_a_slow_card() -> None:
    """Where one client is too slow, the target is the refusal."""
    trial = _trial(ClosedLoop(concurrency=64), Slo(tpot_seconds=1e-4), Exclusive(), replicas=9)
    assert _refused(trial).constraint is Constraint.TPOT


def test_headroom_is_the_room_to_the_nearest_target() -> None:
    """Twice the target, twice the room that is not used."""
    rooms = []
    for target in (0.05, 0.1):
        outcome = _trial(ClosedLoop(concurrency=2), Slo(tpot_seconds=target)).judge().outcome
        assert isinstance(outcome, Holds)
        rooms.append(1 - outcome.headroom_ratio)
    assert rooms[0] == pytest.approx(2 * rooms[1])


def test_the_refusal_that_came_nearest_is_reported() -> None:
    """A missed target is nearer than a full cache, and of equals the leaner flags stand."""
    slow = _trial(ClosedLoop(concurrency=2), Slo(tpot_seconds=1e-4)).judge()
    full = _trial(ClosedLoop(concurrency=2000), Slo(tpot_seconds=1e-4)).judge()
    assert furthest([full, slow]) is furthest([slow, full]) is slow
    assert furthest([slow, replace(slow)]) is not slow


def test_a_server_that_does_not_fit_says_how_much_is_missing() -> None:
    """Bytes of the device, and bytes that it would need."""
    trial = _trial(ClosedLoop(concurrency=1), Slo(tpot_seconds=1))
    big = replace(
        trial, question=replace(trial.question, model=CATALOG.model("ibm-granite/granite-7b-base"))
    )
    refused = _refused(big)
    assert (refused.constraint, refused.unit) == (Constraint.MEMORY, "bytes")
    assert refused.needed > refused.available == big.offer.device.memory_bytes
    assert refused.remedy.endswith("more memory a GPU")
