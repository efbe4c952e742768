"""Reasons: what was cheaper and why it was not taken, and what would help where nothing was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rightslice.core.catalog.fleet import MigStrategy
from rightslice.core.fit.fit import fit
from rightslice.core.fit.offers import group_offers
from rightslice.core.fit.result import Recommendation
from rightslice.core.packing.demand import Refused
from rightslice.core.plan.reasons import not_placed, passed
from rightslice.core.plan.result import Plan
from rightslice.edge.constants import fitted_constants

Build = Callable[..., Any]


def _answer(question: Any, *groups: Any) -> Recommendation:  # noqa: ANN401 - built by the fixtures
    offers = [offer for group in groups for offer in group_offers(group)]
    return fit(question, offers, constants=fitted_constants())


def test_every_cheaper_offer_is_named(group: Build, workload: Build) -> None:
    """Refused ones with their remedy, those that hold with what they would not save."""
    answer = _answer(workload("w", clients=100).question, group("g"))
    taken = answer.candidates[-1]
    named = {item.offer: item.reason for item in passed(answer, taken)}
    assert set(named) <= {candidate.offer.name for candidate in answer.candidates[:-1]}
    assert "; would turn: " in named["H100-SXM-80GB 1g.10gb on g"] or (
        "the cards in use cost no less" in named["H100-SXM-80GB 1g.10gb on g"]
    )


def test_an_offer_without_a_price_is_not_called_cheaper(group: Build, workload: Build) -> None:
    """Dollars are compared with dollars only."""
    priced, free = group("g", dollars="1000"), group("own", dollars=None)
    answer = _answer(workload("w").question, priced, free)
    taken = next(c for c in answer.candidates if c.offer.pool == "g" and c.holds is not None)
    assert all("own" not in item.offer for item in passed(answer, taken))
    last = answer.candidates[-1]
    assert any(item.offer.endswith("on g") for item in passed(answer, last))


def test_no_room_is_told_with_what_ran_out(group: Build, workload: Build, planned: Build) -> None:
    """The packer's own reason and change; a general one when it has none."""
    answer: Plan = planned(
        [group("g", gpus_per_node=1, mig=MigStrategy.NONE)], [workload("a"), workload("b")]
    )
    item = answer.not_placed[0]
    assert "room for 0" in item.outcome.reason  # type: ignore[union-attr]  # not placed
    told = not_placed(item.recommendation, None)
    assert "no room for it beside what goes first" in told.reason
    room = Refused(demand="b", reasons=("x is full",), smallest_change="one more x")
    assert not_placed(item.recommendation, room).remedy == "one more x"


def test_a_misfit_everywhere_is_told_by_the_first_refusal(group: Build, workload: Build) -> None:
    """Where no offer could even be tried, the first refusal stands for all."""
    question = replace(workload("w").question, tensor_parallel=3)
    answer = _answer(question, group("g"))
    assert answer.best_effort is None
    told = not_placed(answer, None)
    assert "tensor-parallel-size 3 is given" in told.reason
    assert told.remedy == "leave tensor-parallel-size open"
