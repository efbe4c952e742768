"""Recommendations already worked out: equal questions over equal offers are answered once.

Offers are the same when they are the same objects, or when what they show is equal. What is kept
is bounded by the candidates in all answers together; the answer that was not asked for the longest
goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
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
        self._same: dict[_Key, _Key] = {}
        """From a question with the identities of its offers, which its answer holds on to."""
        self._candidates = 0
        self.hits = 0
        self.misses = 0

    def recommend(self, question: Question, offers: Sequence[Offer]) -> Recommendation:
        """Return the answer to *question* over *offers*.

        Raises:
            InputError: when there is no offer at all.
        """
        same = question, tuple(map(id, offers))
        key = self._same.get(same) or (question, tuple(map(_shown, offers)))
        kept = self._kept.get(key)
        if kept is not None:
            self.hits += 1
            self._kept.move_to_end(key)
            return kept[0]
        self.misses += 1
        answer = recommend(question, offers, self._constants)
        self._kept[key], self._same[same] = (answer, same), key
        self._candidates += len(offers)
        while self._candidates > self._most and len(self._kept) > 1:
            self._forget()
        return answer

    def _forget(self) -> None:
        _, (answer, same) = self._kept.popitem(last=False)
        self._candidates -= len(answer.candidates)
        del self._same[same]


def _shown(offer: Offer) -> Hashable:
    """Return all that an answer depends on, or shows of an offer."""
    device = offer.device
    return (
        device.label,
        device.memory_bytes,
        device.memory_origin,
        device.bandwidth_bytes_per_second,
        device.sms,
        offer.tensor_parallel,
        offer.pool,
        offer.cards,
        offer.usd_per_hour,
        offer.price,
        None if offer.instance is None else offer.instance.name,
    )
