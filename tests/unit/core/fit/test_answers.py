"""A question is worked out once; what is forgotten is worked out again, to the same answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.question import Question
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.traffic import ClosedLoop, Slo, Traffic
from rightslice.core.fit.answers import Answers
from rightslice.core.fit.fit import fit
from rightslice.core.fit.market import unpriced_offers
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import fitted_constants
from rightslice.errors import InputError

CATALOG, CONSTANTS = Catalog(), fitted_constants()
OFFERS = unpriced_offers(CATALOG.gpu("A100-SXM-40GB"))


def _ask(clients: int) -> Question:
    length = Lengths.fixed(128)
    return Question(
        model=CATALOG.model("facebook/opt-1.3b"), engine=CATALOG.engine(None),
        server=ServerConfig(), slo=Slo(tpot_seconds=0.03),
        traffic=Traffic(load=ClosedLoop(concurrency=clients), input=length, output=length),
    )  # fmt: skip


def test_the_same_question_is_worked_out_once() -> None:
    """Also when the question and its offers are new objects that say the same."""
    answers = Answers(CONSTANTS)
    first = answers.recommend(_ask(8), OFFERS)
    assert answers.recommend(_ask(8), OFFERS) is first
    assert answers.recommend(_ask(8), [replace(offer) for offer in OFFERS]) is first
    assert (answers.hits, answers.misses) == (2, 1)


def test_another_load_price_or_device_is_another_question() -> None:
    """Nothing that an answer shows is taken from another one."""
    answers = Answers(CONSTANTS)
    first = answers.recommend(_ask(8), OFFERS)
    blank = replace(OFFERS[0].device, bandwidth_bytes_per_second=None)
    others = (
        (_ask(9), OFFERS),
        (_ask(8), (replace(OFFERS[0], pool="elsewhere"), *OFFERS[1:])),
        (_ask(8), (replace(OFFERS[0], device=blank), *OFFERS[1:])),
        (_ask(8), OFFERS[1:]),
    )
    assert all(answers.recommend(*other) is not first for other in others)
    assert answers.misses == 5


def test_the_oldest_answer_is_forgotten_first() -> None:
    """No more candidates are kept than allowed, whatever was asked last."""
    answers = Answers(CONSTANTS, most=2 * len(OFFERS))
    for clients in (1, 2, 1, 3):
        answers.recommend(_ask(clients), OFFERS)
    answers.recommend(_ask(1), OFFERS)
    assert (answers.hits, answers.misses) == (2, 3)
    answers.recommend(_ask(2), OFFERS)
    assert (answers.hits, answers.misses) == (2, 4)


def test_fit_remembers_by_its_constants() -> None:
    """Other constants have answers of their own."""
    one = fit(_ask(5), OFFERS, constants=CONSTANTS)
    assert fit(_ask(5), OFFERS, constants=CONSTANTS) is one
    assert fit(_ask(5), OFFERS, constants=replace(CONSTANTS)) is not one


def test_a_mistake_is_not_remembered() -> None:
    """It is raised each time."""
    answers = Answers(CONSTANTS)
    for _ in range(2):
        with pytest.raises(InputError, match="no offer to choose from"):
            answers.recommend(_ask(1), ())
