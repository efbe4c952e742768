"""The smallest and cheapest offer that holds a load within its targets, over every offer.

Exhaustive: each offer is judged with flags sized to the load (`flags`), at the confidence asked
for. Cheapest first; offers without a price come after those with one, by the part of a card they
take. Ties go to the offer with more room to its targets. When none holds, the one that holds most
of the load is returned, with what it falls short by. A question already answered is looked up.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from rightslice.core.catalog.question import Question
from rightslice.core.fit.answers import Answers
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.fit.result import Candidate, Offer, Recommendation
from rightslice.core.fit.survey import Survey
from rightslice.core.perf.identity import Same


def fit(
    question: Question, offers: Sequence[Offer], *, constants: FittedConstants
) -> Recommendation:
    """Return the cheapest of *offers* that holds the load, and why every other one was not taken.

    Raises:
        InputError: when there is no offer at all.
    """
    return _answers(Same(constants)).recommend(question, offers)


@lru_cache(maxsize=4)
def _answers(constants: Same[FittedConstants]) -> Answers:
    return Answers(constants.value)


def judge_all(
    question: Question, offers: Sequence[Offer], constants: FittedConstants
) -> tuple[Candidate, ...]:
    """Return every offer judged, cheapest first; equal devices are judged once."""
    return Survey(question, offers, constants).candidates(question.confidence)
