"""Arrays answer as one trial after another does, to the last word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.question import Isolation, Question
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.traffic import ClosedLoop, OpenLoop, Slo, Traffic
from rightslice.core.fit.judge import judge
from rightslice.core.fit.market import unpriced_offers
from rightslice.core.fit.offers import sharing_offers
from rightslice.core.fit.recommend import recommend
from rightslice.core.fit.result import Candidate, Constraint, Holds, Judged, Offer, Refused
from rightslice.core.fit.survey import Survey, key_of, price_order
from rightslice.core.perf.queueing import STABLE_UTILIZATION, largest_stable_rate
from rightslice.core.perf.roofline import step_of
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import fitted_constants
from rightslice.units import format_ratio

CATALOG, CONSTANTS = Catalog(), fitted_constants()
MODELS = [CATALOG.model(str(model.name)) for model in CATALOG.models()]
EVERY = tuple(offer for gpu in CATALOG.gpus() if gpu.memory_bytes for offer in unpriced_offers(gpu))
OFFERS = (*EVERY, *sharing_offers(EVERY))

lengths = st.builds(Lengths.fixed, st.integers(1, 3000)) | st.builds(
    Lengths.lognormal, st.integers(50, 700), st.floats(0, 1)
)
loads = st.builds(ClosedLoop, concurrency=st.integers(1, 400)) | st.builds(
    OpenLoop, requests_per_second=st.floats(0.05, 30)
)
slos = st.builds(
    Slo,
    tpot_seconds=st.floats(0.005, 0.2) | st.none(),
    ttft_seconds=st.floats(0.1, 5),
    tpot_percentile=st.sampled_from([None, 0.5, 0.95]),
    ttft_percentile=st.sampled_from([None, 0.95]),
)
servers = st.builds(
    ServerConfig,
    max_model_len=st.sampled_from([None, 1024, 8192]),
    max_num_seqs=st.sampled_from([None, 8, 300]),
    enforce_eager=st.booleans(),
    quantization=st.sampled_from([None, "fp8"]),
)


def _ask(few: int, more: int, **fields: Any) -> Question:  # noqa: ANN401 - fields of any type
    return Question(
        engine=CATALOG.engine(None), min_replicas=few, max_replicas=few + more, **fields
    )


questions = st.builds(
    _ask,
    few=st.integers(1, 2),
    more=st.sampled_from([0, 0, 1, 5, 40]),
    model=st.sampled_from(MODELS),
    server=servers,
    traffic=st.builds(
        Traffic, load=loads, input=lengths, output=lengths, prefix_hit_ratio=st.floats(0, 0.9)
    ),
    slo=slos,
    isolation=st.sampled_from(Isolation),
    confidence=st.sampled_from([0.5, 0.8, 0.9, 0.99]),
    flags_open=st.booleans(),
    kv_cache_dtypes=st.sampled_from([(), ("fp8",)]),
)
fleets = st.lists(st.sampled_from(OFFERS), min_size=4, max_size=10, unique_by=key_of)
few = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _described(judged: Judged) -> tuple[object, ...]:
    sizing, prediction = judged.sizing, judged.prediction
    return judged.outcome, None if sizing is None else sizing.server, repr(prediction)


@few
@given(questions, fleets)
def test_a_fleet_is_judged_as_its_offers_one_by_one(question: Question, fleet: list[Offer]) -> None:
    """Outcome, reason, flags and prediction of every offer are those of brute force."""
    found = Survey(question, fleet, CONSTANTS, few=0).candidates(question.confidence)
    assert len(found) == len(fleet)
    for candidate in found:
        alone = judge(question, candidate.offer, CONSTANTS)
        assert candidate.replicas == alone.replicas
        assert _described(candidate.judgement.judged) == _described(alone.judgement.judged)
    assert list(found) == sorted(found, key=price_order)


@few
@given(questions, fleets)
def test_the_answer_is_that_of_brute_force(question: Question, fleet: list[Offer]) -> None:
    """What is chosen, what holds most when nothing is, and what 50 % would take."""
    arrays = recommend(question, fleet, CONSTANTS, few=0)
    single = recommend(question, fleet, CONSTANTS, few=10**6)
    assert arrays.at_point_estimate == single.at_point_estimate
    assert arrays.notes == single.notes
    for one, other in (
        (arrays.chosen, single.chosen),
        (arrays.best_effort, single.best_effort),
    ):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert one.offer is other.offer
            assert _described(one.judgement.judged) == _described(other.judgement.judged)


def _used(question: Question, candidate: Candidate) -> float:
    """Return a replica's part of the rate over the largest stable rate of its server."""
    sizing, prediction, load = candidate.sizing, candidate.prediction, question.traffic.load
    assert isinstance(load, OpenLoop)
    assert sizing is not None
    assert prediction is not None
    constants = CONSTANTS.on(question, candidate.offer.device)
    step = step_of(sizing, question.traffic, constants)
    limit = largest_stable_rate(step, question.traffic, prediction.capacity.sequences)
    return load.requests_per_second / candidate.replicas / limit


@few
@given(questions, fleets, st.floats(0.05, 300))
def test_no_rate_is_promised_beyond_85_percent_of_the_stable_one(
    question: Question, fleet: list[Offer], rate: float
) -> None:
    """Whatever is asked: what holds stays below, and what goes beyond says how far it does."""
    load = OpenLoop(requests_per_second=rate)
    asked = replace(question, traffic=replace(question.traffic, load=load))
    for candidate in Survey(asked, fleet, CONSTANTS, few=0).candidates(asked.confidence):
        outcome = candidate.outcome
        if isinstance(outcome, Holds):
            assert _used(asked, candidate) <= STABLE_UTILIZATION * (1 + 1e-9)
        if isinstance(outcome, Refused) and outcome.constraint is Constraint.STABILITY:
            assert outcome.needed > outcome.available == STABLE_UTILIZATION
            assert f"{format_ratio(outcome.needed)} of the largest stable rate" in outcome.reason
