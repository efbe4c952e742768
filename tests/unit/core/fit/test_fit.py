"""The cheapest offer that holds is taken, and every refusal says what would turn it."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.instance import PriceKind
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.question import Isolation, Question
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import TimeSlice
from rightslice.core.catalog.traffic import ClosedLoop, OpenLoop, Slo, Traffic
from rightslice.core.fit.fit import fit, judge_all
from rightslice.core.fit.judge import judge
from rightslice.core.fit.market import instance_offers, unpriced_offers
from rightslice.core.fit.offers import CardKind, offers
from rightslice.core.fit.result import Constraint, Holds, Offer, Recommendation, Refused
from rightslice.core.fit.survey import price_order
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import fitted_constants
from rightslice.errors import InputError
from rightslice.units import parse_duration

CATALOG, CONSTANTS = Catalog(), fitted_constants()
SMALL, LARGE = CATALOG.model("facebook/opt-1.3b"), CATALOG.model("meta-llama/Llama-3.1-70B")


def _offers(name: str) -> tuple[Offer, ...]:
    instance = CATALOG.instance(name)
    price = CATALOG.price(name, region=None, kind=PriceKind.ON_DEMAND)
    return instance_offers(instance, price, CATALOG.gpu(str(instance.gpu)))


def _shared(name: str, replicas: int) -> Offer:
    kind = CardKind(
        pool="shared", gpu=CATALOG.gpu(name), cards_per_node=1, memory_bytes=None,
        instance=None, price=None, card_usd_per_hour=Fraction(1),
    )  # fmt: skip
    return next(offers(kind, [TimeSlice(replicas=replicas)]))


OFFERS = (*_offers("p4d.24xlarge"), *_offers("p5.48xlarge"), *_offers("g5.48xlarge"))


def _ask(**changes: Any) -> Question:  # noqa: ANN401 - fields of any type
    length = Lengths.fixed(128)
    fields: dict[str, Any] = {
        "model": SMALL, "engine": CATALOG.engine(None), "server": ServerConfig(),
        "traffic": Traffic(load=ClosedLoop(concurrency=8), input=length, output=length),
        "slo": Slo(tpot_seconds=0.03),
    }  # fmt: skip
    return Question(**{**fields, **changes})


def _clients(question: Question, count: int) -> Question:
    return replace(question, traffic=replace(question.traffic, load=ClosedLoop(concurrency=count)))


def _fit(question: Question, among: tuple[Offer, ...] = OFFERS) -> Recommendation:
    return fit(question, among, constants=CONSTANTS)


def _cost(question: Question) -> Fraction | float:
    chosen = _fit(question).chosen
    if chosen is None:
        return float("inf")
    assert chosen.holds is not None
    assert chosen.holds.usd_per_hour is not None
    return chosen.holds.usd_per_hour


lengths = st.builds(Lengths.fixed, st.integers(1, 1500)) | st.builds(
    Lengths.lognormal, st.integers(50, 700), st.floats(0, 1)
)
loads = st.builds(ClosedLoop, concurrency=st.integers(1, 200)) | st.builds(
    OpenLoop, requests_per_second=st.floats(0.05, 20)
)
questions = st.builds(
    _ask,
    traffic=st.builds(
        Traffic, load=loads, input=lengths, output=lengths, prefix_hit_ratio=st.floats(0, 0.9)
    ),
    slo=st.builds(Slo, tpot_seconds=st.floats(0.005, 0.2), ttft_seconds=st.floats(0.1, 5)),
    max_replicas=st.sampled_from([1, 3, 20]),
    confidence=st.sampled_from([0.5, 0.8, 0.9, 0.99]),
    model=st.sampled_from([SMALL, CATALOG.model("ibm-granite/granite-7b-base")]),
)
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@few
@given(questions)
def test_the_choice_is_that_of_brute_force(question: Question) -> None:
    """The cheapest of all offers that hold when each is judged alone."""
    judged = [judge(question, offer, CONSTANTS) for offer in OFFERS]
    holding = [
        (candidate.holds.usd_per_hour, candidate.offer.name)
        for candidate in judged
        if candidate.holds is not None and candidate.holds.usd_per_hour is not None
    ]
    answer = _fit(question)
    assert _cost(question) == min((cost for cost, _ in holding), default=float("inf"))
    assert answer.chosen is None or answer.chosen.offer.name in {name for _, name in holding}
    assert sorted(c.offer.name for c in answer.candidates) == sorted(o.name for o in OFFERS)


@few
@given(questions, st.floats(1, 3))
def test_more_load_never_costs_less(question: Question, factor: float) -> None:
    """The optimum is monotone in the load."""
    load = question.traffic.load
    more = (
        ClosedLoop(concurrency=int(load.concurrency * factor))
        if isinstance(load, ClosedLoop)
        else OpenLoop(requests_per_second=load.requests_per_second * factor)
    )
    assert _cost(replace(question, traffic=replace(question.traffic, load=more))) >= _cost(question)


@few
@given(questions, st.floats(1, 5), st.floats(1, 5))
def test_a_looser_target_never_costs_more(question: Question, tpot: float, ttft: float) -> None:
    """The optimum is monotone in the targets."""
    slo = question.slo
    assert slo.tpot_seconds is not None
    assert slo.ttft_seconds is not None
    loose = replace(slo, tpot_seconds=slo.tpot_seconds * tpot, ttft_seconds=slo.ttft_seconds * ttft)
    assert _cost(replace(question, slo=loose)) <= _cost(question)


@few
@given(questions, st.floats(0.5, 0.999), st.floats(0.5, 0.999))
def test_more_confidence_never_costs_less(question: Question, one: float, other: float) -> None:
    """The optimum is monotone in the confidence."""
    low, high = sorted((one, other))
    assert _cost(replace(question, confidence=low)) <= _cost(replace(question, confidence=high))


@few
@given(questions)
def test_fewer_replicas_would_not_hold(question: Question) -> None:
    """Replicas are the fewest that hold, within what is allowed."""
    for candidate in judge_all(question, OFFERS, CONSTANTS):
        holds = candidate.holds
        if holds is None or holds.replicas == 1:
            continue
        assert holds.replicas <= question.max_replicas
        fewer = replace(question, max_replicas=holds.replicas - 1)
        assert judge(fewer, candidate.offer, CONSTANTS).holds is None


@few
@given(questions)
def test_every_refusal_has_reason_and_remedy(question: Question) -> None:
    """Both are there, and what is needed is more than what is available."""
    for candidate in judge_all(question, OFFERS, CONSTANTS):
        outcome = candidate.outcome
        if isinstance(outcome, Refused):
            assert outcome.reason
            assert outcome.remedy
            assert outcome.needed > outcome.available


def _turned(question: Question, refused: Refused) -> Question | None:
    """Return the question with the refusal's own remedy applied, where it is a number."""
    if match := re.match(r"a (TPOT|TTFT) target of (.+?), or", refused.remedy):
        name = f"{match[1].lower()}_seconds"
        return replace(question, slo=replace(question.slo, **{name: parse_duration(match[2])}))
    if match := re.fullmatch(r"max replicas (\d+)", refused.remedy):
        return replace(question, max_replicas=int(match[1]))
    if match := re.match(r"at most (\d+) clients a replica", refused.remedy):
        return replace(_clients(question, int(match[1])), max_replicas=1)
    return None


@few
@given(questions)
def test_a_remedy_that_is_a_number_turns_its_refusal(question: Question) -> None:
    """With the same flags the target, replicas or clients named are enough for that constraint."""
    for candidate in judge_all(question, OFFERS, CONSTANTS):
        if not isinstance(candidate.outcome, Refused):
            continue
        flags = question.server if candidate.sizing is None else candidate.sizing.server
        turned = _turned(replace(question, server=flags), candidate.outcome)
        if turned is not None:
            after = judge(turned, candidate.offer, CONSTANTS).outcome
            assert isinstance(after, Holds) or after.constraint is not candidate.outcome.constraint


@few
@given(questions)
def test_the_same_question_has_the_same_answer(question: Question) -> None:
    """Whatever the order in which offers are listed."""
    one, other = _fit(question), _fit(question, OFFERS[::-1])
    assert [c.offer.name for c in one.candidates] == [c.offer.name for c in other.candidates]
    assert one.answer == other.answer
    assert one.at_point_estimate == other.at_point_estimate


@few
@given(questions)
def test_best_effort_only_when_none_holds(question: Question) -> None:
    """Then it holds as much of the load as any, and says how much."""
    answer = _fit(question)
    assert (answer.chosen is None) == (answer.best_effort is not None)
    if answer.best_effort is not None:
        outcome = answer.best_effort.outcome
        assert isinstance(outcome, Refused)
        assert outcome.held_load is not None
        assert answer.answer == "none holds"


def test_candidates_come_cheapest_first() -> None:
    """The list is in price order, and the choice is its first that holds."""
    answer = _fit(_ask())
    assert list(answer.candidates) == sorted(answer.candidates, key=price_order)
    assert answer.chosen is next(c for c in answer.candidates if c.holds is not None)
    assert len(answer.others) == len(OFFERS) - 1
    assert all(c.holds is None for c in answer.cheaper_refused)


def test_hardware_isolation_refuses_time_slices() -> None:
    """They are offered to those who ask for none."""
    offer = _shared("A100-SXM-40GB", 2)
    refused = judge(_ask(), offer, CONSTANTS).outcome
    assert isinstance(refused, Refused)
    assert (refused.constraint, refused.remedy) == (Constraint.ISOLATION, "isolation: none")
    even = _ask(isolation=Isolation.NONE, confidence=0.5)
    assert judge(even, offer, CONSTANTS).holds is not None


def test_nothing_is_promised_about_modes_that_nobody_measured() -> None:
    """Above the point estimate they are refused; what 50 % would take is named all the same."""
    offers = (_shared("A100-SXM-40GB", 2), *_offers("p5.48xlarge"))
    answer = _fit(_ask(isolation=Isolation.NONE), offers)
    first = answer.candidates[0].outcome
    assert isinstance(first, Refused)
    assert (first.constraint, first.available) == (Constraint.UNMEASURED, 0.5)
    assert answer.chosen is not None
    assert answer.at_point_estimate == offers[0].name


def test_a_given_tensor_parallelism_is_kept() -> None:
    """Other sizes are refused by their number."""
    answer = _fit(_ask(tensor_parallel=2, server=ServerConfig(tensor_parallel=2)))
    assert answer.chosen is not None
    assert answer.chosen.offer.tensor_parallel == 2
    for candidate in answer.candidates:
        outcome = candidate.outcome
        if candidate.offer.tensor_parallel != 2:
            assert isinstance(outcome, Refused)
            assert "tensor-parallel-size 2 is given" in outcome.reason


@pytest.mark.parametrize(
    ("offer", "said"),
    [
        (replace(OFFERS[0], tensor_parallel=2), "no P2P between MIG instances"),
        (replace(next(o for o in OFFERS if o.tensor_parallel == 2), tensor_parallel=3), "32 atte"),
    ],
)
def test_impossible_groups_are_refused(offer: Offer, said: str) -> None:
    """Slices do not talk to each other, and heads must divide."""
    outcome = judge(_ask(), offer, CONSTANTS).outcome
    assert isinstance(outcome, Refused)
    assert outcome.constraint is Constraint.TOPOLOGY
    assert said in outcome.reason


def test_an_unknown_price_comes_last_with_a_note() -> None:
    """Priced offers first; what has no price is asked for, never guessed."""
    unpriced = unpriced_offers(CATALOG.gpu("H100-SXM-80GB"))
    answer = _fit(_ask(), (*unpriced, *_offers("p4d.24xlarge")))
    known = [candidate.offer.usd_per_hour is not None for candidate in answer.candidates]
    assert known == sorted(known, reverse=True)
    assert any("no price is known for H100-SXM-80GB" in note for note in answer.notes)
    only = _fit(_ask(), unpriced)
    assert only.chosen is not None
    assert only.chosen.offer.cards == min(
        c.offer.cards for c in only.candidates if c.holds and c.offer.cards
    )


def test_a_model_that_fits_nowhere_says_what_is_missing() -> None:
    """The best effort is named, with bytes needed and there."""
    answer = _fit(_ask(model=LARGE, tensor_parallel=1), _offers("g5.48xlarge"))
    assert answer.chosen is None
    assert answer.best_effort is not None
    outcome = answer.best_effort.outcome
    assert isinstance(outcome, Refused)
    assert (outcome.constraint, outcome.unit, outcome.held_load) == (Constraint.MEMORY, "bytes", 0)


def test_requests_longer_than_the_context_are_named() -> None:
    """The refusal is about the context, and its figure turns it."""
    question = _ask(server=ServerConfig(max_model_len=200))
    refused = judge(question, OFFERS[-1], CONSTANTS).outcome
    assert isinstance(refused, Refused)
    assert (refused.needed, refused.available, refused.unit) == (256, 200, "tokens")
    assert refused.remedy.startswith("max-model-len 256")
    longer = replace(question, server=ServerConfig(max_model_len=256))
    assert judge(longer, OFFERS[-1], CONSTANTS).holds is not None


def test_an_unknown_figure_is_a_refusal_that_asks_for_it() -> None:
    """A board whose bandwidth nobody states is refused, not guessed."""
    offer = OFFERS[-1]
    blank = replace(offer, device=replace(offer.device, bandwidth_bytes_per_second=None))
    outcome = judge(_ask(), blank, CONSTANTS).outcome
    assert isinstance(outcome, Refused)
    assert (outcome.constraint, outcome.remedy) == (Constraint.UNKNOWN, "give the figure")


def test_the_price_of_certainty_is_named() -> None:
    """What a confidence of 50 % would take stands beside the answer."""
    sure, even = _fit(_ask(confidence=0.99)), _fit(_ask(confidence=0.5))
    assert even.chosen is not None
    assert sure.at_point_estimate == even.at_point_estimate == even.chosen.offer.name


def test_no_offer_is_a_mistake() -> None:
    """There is nothing to choose from."""
    with pytest.raises(InputError, match="no offer to choose from"):
        _fit(_ask(), ())
