"""Recommendations already worked out: equal questions over equal offers are answered once.

Offers are the same when they are the same objects, or when what they show is equal. What is kept
is bounded by the candidates in all answers together; the answer that was not asked for the longest
goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from fractions import Fraction
from typing import Final

from rightslice.core.catalog.question import Question
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.fit.recommend import recommend
from rightslice.core.fit.result import Offer, Recommendation

MOST_CANDIDATES: Final = 20_000
"""Kept in all answers together: about 2 KB each, 20 KB once its words were read."""
_Key = tuple[Question, tuple[Hashable, ...]]


class Answers:
    """`fit` with a memory. Not for several threads at once."""

    def __init__(self, constants: FittedConstants, *, most: int = MOST_CANDIDATES) -> None:
        """Keep up to *most* candidates in all answers together."""
        self._constants = constants
        self._most = most
        self._kept: OrderedDict[_Key, tuple[Recommendation, _Key]] = OrderedDict()
        """By the question and the identities of its offers, which the answer holds on to."""
        self._equal: dict[_Key, _Key] = {}
        """From a question with what its offers show to the key above."""
        self._candidates = 0
        self.hits = 0
        self.misses = 0

    def recommend(self, question: Question, offers: Sequence[Offer]) -> Recommendation:
        """Return the answer to *question* over *offers*.

        Raises:
            InputError: when there is no offer at all.
        """
        same: _Key = question, tuple(map(id, offers))
        shown: _Key | None = None
        if same not in self._kept:
            shown = question, tuple(map(_shown, offers))
            same = self._equal.get(shown, same)
        kept = self._kept.get(same)
        if kept is not None:
            self.hits += 1
            self._kept.move_to_end(same)
            return kept[0]
        self.misses += 1
        answer = recommend(question, offers, self._constants)
        assert shown is not None
        self._kept[same], self._equal[shown] = (answer, shown), same
        self._candidates += len(offers)
        while self._candidates > self._most and len(self._kept) > 1:
            self._forget()
        return answer

    def _forget(self) -> None:
        _, (answer, shown) = self._kept.popitem(last=False)
        self._candidates -= len(answer.candidates)
        del self._equal[shown]


def _shown(offer: Offer) -> Hashable:
    """Return all that an answer depends on, or shows of an offer; boards count by identity."""
    device = offer.device
    return (
        id(device.gpu),
        device.share,
        device.memory_bytes,
        device.memory_origin,
        device.bandwidth_bytes_per_second,
        device.sms,
        offer.tensor_parallel,
        offer.pool,
        _ratio(offer.cards),
        _ratio(offer.usd_per_hour),
        offer.price,
        None if offer.instance is None else offer.instance.name,
    )


def _ratio(value: Fraction | None) -> tuple[int, int] | None:
    """Return a fraction as whole numbers, which are hashed faster."""
    return None if value is None else (value.numerator, value.denominator)
