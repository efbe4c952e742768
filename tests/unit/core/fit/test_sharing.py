"""Ways to share a card: worst cases, wide bands, and nothing promised that nobody measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.instance import PriceKind
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.question import Isolation, Question
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive, MigSlice, MpsShare, TimeSlice
from rightslice.core.catalog.traffic import ClosedLoop, OpenLoop, Slo, Traffic
from rightslice.core.fit.judge import judge
from rightslice.core.fit.market import instance_offers
from rightslice.core.fit.offers import SHARES, shared, sharing_offers
from rightslice.core.fit.result import Constraint, Holds, Offer, Refused
from rightslice.core.fit.sharing import SharingAdvice, SharingMode, SharingRow, advise_sharing
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import fitted_constants
from rightslice.errors import InputError
from rightslice.units import GIB

CATALOG, CONSTANTS = Catalog(), fitted_constants()


def _offers(name: str) -> tuple[Offer, ...]:
    instance = CATALOG.instance(name)
    price = CATALOG.price(name, region=None, kind=PriceKind.ON_DEMAND)
    alone = instance_offers(instance, price, CATALOG.gpu(str(instance.gpu)))
    return (*alone, *sharing_offers(alone))


A100, L4 = _offers("p4d.24xlarge"), _offers("g6.xlarge")
WHOLE = next(o for o in A100 if isinstance(o.device.share, Exclusive))


def _ask(**changes: Any) -> Question:  # noqa: ANN401 - fields of any type
    length = Lengths.fixed(128)
    fields: dict[str, Any] = {
        "model": CATALOG.model("facebook/opt-1.3b"), "engine": CATALOG.engine(None),
        "server": ServerConfig(), "slo": Slo(tpot_seconds=0.04),
        "traffic": Traffic(load=ClosedLoop(concurrency=4), input=length, output=length),
    }  # fmt: skip
    return Question(**{**fields, **changes})


def _advise(question: Question, offers: tuple[Offer, ...] = A100, **more: Any) -> SharingAdvice:  # noqa: ANN401 - keyword arguments
    return advise_sharing(question, offers, constants=CONSTANTS, **more)


def _row(answer: SharingAdvice, mode: SharingMode) -> SharingRow:
    return next(row for row in answer.rows if row.mode is mode)


loads = st.builds(ClosedLoop, concurrency=st.integers(1, 12)) | st.builds(
    OpenLoop, requests_per_second=st.floats(0.05, 1.5)
)
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
shares = st.builds(MpsShare, replicas=st.integers(2, 4)) | st.builds(
    TimeSlice, replicas=st.integers(2, 4)
)


def _latencies(question: Question, offer: Offer) -> list[tuple[float, float]]:
    """Return the medians and spreads of TPOT and TTFT on *offer*, with flags given."""
    prediction = judge(question, offer, CONSTANTS).prediction
    assert prediction is not None
    found = (prediction.tpot.mean, prediction.ttft.p95)
    return [(latency.expected, latency.log_sd) for latency in found]


@few
@given(loads, shares)
def test_a_share_is_never_faster_nor_surer_than_its_card(load: Any, share: Any) -> None:  # noqa: ANN401 - a load and a share
    """Its latencies are at least the card's, and their bands at least as wide."""
    server = ServerConfig(max_num_seqs=16, max_model_len=512, max_num_batched_tokens=1024)
    question = _ask(server=server, isolation=Isolation.NONE, confidence=0.5, flags_open=False)
    question = replace(question, traffic=replace(question.traffic, load=load))
    alone, part = (_latencies(question, offer) for offer in (WHOLE, shared(WHOLE, share)))
    for (seconds, spread), (slower, wider) in zip(alone, part, strict=True):
        assert slower >= seconds
        assert wider >= spread


@few
@given(loads)
def test_a_client_of_a_slice_is_never_faster_nor_surer_than_the_slice(load: Any) -> None:  # noqa: ANN401 - a load
    """Doubt about the slice and doubt about sharing both count."""
    server = ServerConfig(max_num_seqs=16, max_model_len=512, max_num_batched_tokens=1024)
    question = _ask(server=server, isolation=Isolation.NONE, confidence=0.5, flags_open=False)
    question = replace(question, traffic=replace(question.traffic, load=load))
    by_share = {offer.device.share: offer for offer in A100}
    profile = ProfileName("3g.20gb")
    both = (MigSlice(profile=profile), MpsShare(replicas=2, profile=profile))
    alone, part = (_latencies(question, by_share[share]) for share in both)
    for (seconds, spread), (slower, wider) in zip(alone, part, strict=True):
        assert slower >= seconds
        assert wider >= spread


@few
@given(loads, shares)
def test_more_shares_of_a_card_are_never_faster(load: Any, share: Any) -> None:  # noqa: ANN401 - a load and a share
    """One more neighbour takes its part."""
    server = ServerConfig(max_num_seqs=16, max_model_len=512, max_num_batched_tokens=1024)
    question = _ask(server=server, isolation=Isolation.NONE, confidence=0.5, flags_open=False)
    question = replace(question, traffic=replace(question.traffic, load=load))
    more = replace(share, replicas=share.replicas + 1)
    some, others = (_latencies(question, shared(WHOLE, each)) for each in (share, more))
    for (seconds, _), (slower, _) in zip(some, others, strict=True):
        assert slower >= seconds


@few
@given(st.builds(Slo, tpot_seconds=st.floats(0.003, 0.1)), st.sampled_from(list(Isolation)),
       st.sampled_from([0.51, 0.9, 0.99]))  # fmt: skip
def test_nothing_unmeasured_is_recommended_above_the_point_estimate(
    slo: Slo, isolation: Isolation, confidence: float
) -> None:
    """Whatever the isolation: a card or a slice is, or nothing."""
    answer = _advise(_ask(slo=slo, isolation=isolation, confidence=confidence))
    taken = answer.recommended
    assert taken is None or taken.is_measured
    assert len(answer.rows) == len(SharingMode)


def test_every_mode_is_compared() -> None:
    """With its share, its price and what it guarantees."""
    answer = _advise(_ask())
    taken = answer.recommended
    assert taken is not None
    assert taken.mode is SharingMode.MIG
    turns = _row(answer, SharingMode.TURNS)
    assert isinstance(turns.outcome, Refused)
    assert turns.outcome.constraint is Constraint.ISOLATION
    assert (turns.confidence, turns.replicas, turns.is_measured) == (0.5, 1, False)
    assert turns.memory.endswith("agreed only")


def test_even_chances_and_no_isolation_allow_a_share() -> None:
    """The cheapest then wins, and it is unmeasured."""
    answer = _advise(_ask(isolation=Isolation.NONE, confidence=0.5), L4)
    assert answer.recommended is not None
    assert answer.recommended.mode in (SharingMode.MPS, SharingMode.TURNS)
    assert isinstance(answer.recommended.outcome, Holds)


def test_what_a_cheaper_share_would_save_is_said() -> None:
    """With how to find out whether its latencies hold."""
    answer = _advise(_ask(), L4)
    assert "is the cheapest that holds the load at 90% confidence. L4-24GB" in answer.reason
    assert "would save $" in answer.reason


def test_a_board_without_mig_says_so() -> None:
    """The row stays, without an offer."""
    row = _row(_advise(_ask(), L4), SharingMode.MIG)
    assert (row.offer, row.usd_per_hour, row.replicas) == (None, None, 0)
    assert isinstance(row.outcome, Refused)
    assert row.outcome.reason == "L4-24GB has no MIG"


def test_what_neighbours_hold_can_keep_a_server_from_starting() -> None:
    """In turns vLLM checks what is free; under MPS each client has a limit of its own."""
    question = _ask(isolation=Isolation.NONE, confidence=0.5)
    answer = _advise(question, L4, neighbours_bytes=20 * GIB)
    turns, clients = _row(answer, SharingMode.TURNS), _row(answer, SharingMode.MPS)
    assert isinstance(turns.outcome, Refused)
    assert turns.outcome.constraint is Constraint.MEMORY
    assert turns.start is not None
    assert turns.outcome.available == turns.start.neighbours_may_hold_bytes
    assert clients.holds
    assert clients.start is not None
    assert clients.start.kv_cache_memory_bytes > 0
    assert clients.start.neighbours_may_hold_bytes is None


def test_equal_neighbours_always_leave_room() -> None:
    """As many servers as a card has turns start beside each other."""
    row = _row(_advise(_ask(isolation=Isolation.NONE, confidence=0.5), L4), SharingMode.TURNS)
    assert row.candidate is not None
    assert row.start is not None
    share = row.candidate.offer.device.share
    assert isinstance(share, TimeSlice)
    assert row.start.neighbours_may_hold_bytes is not None
    neighbours = (share.replicas - 1) * row.start.asked_bytes
    assert neighbours <= row.start.neighbours_may_hold_bytes


def test_nothing_to_compare_is_a_mistake() -> None:
    """An empty list is refused."""
    with pytest.raises(InputError, match="no offer to compare"):
        _advise(_ask(), ())


def test_shares_cost_their_part_and_avoid_unsound_thread_limits() -> None:
    """A third of the threads of an H100 is left out; an L4 has all."""
    hopper = [o.device.share for o in _offers("p5.48xlarge")]
    assert MpsShare(replicas=3) not in hopper
    assert {MpsShare(replicas=2), MpsShare(replicas=4), TimeSlice(replicas=3)} <= set(hopper)
    ada = [o for o in L4 if isinstance(o.device.share, MpsShare)]
    whole = next(o for o in L4 if isinstance(o.device.share, Exclusive))
    assert [o.device.share.replicas for o in ada] == list(SHARES)  # type: ignore[union-attr] # MpsShare all
    assert whole.usd_per_hour is not None
    assert ada[0].usd_per_hour == whole.usd_per_hour / 2


def test_clients_share_slices_too() -> None:
    """MPS inside MIG halves what the slice costs."""
    profile = ProfileName("2g.10gb")
    by_share = {offer.device.share: offer for offer in A100}
    alone, pair = (
        by_share[share].usd_per_hour
        for share in (MigSlice(profile=profile), MpsShare(replicas=2, profile=profile))
    )
    assert alone is not None
    assert pair == alone / 2
