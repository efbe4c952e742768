"""One review after another, with what is remembered between them: answers, promises, counts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from rightslice.core.catalog.question import Question
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.fit.result import Offer, Recommendation
from rightslice.edge.cluster.state import ClusterState
from rightslice.kube.admission.decide import (
    Outcome,
    World,
    device_key,
    recommend_with,
)
from rightslice.kube.admission.review import DECISION, Reviewed, review
from rightslice.kube.admission.settings import Mode, Settings
from rightslice.kube.parse.decoded import at, mapping, text
from rightslice.kube.parse.question import Lookups

MOST_ANSWERS: Final = 2048
"""Answers kept; each holds a recommendation of some 20 KB."""
_Key = tuple[Question, tuple[tuple[str, int, int], ...]]


@dataclass
class Answers:
    """Recommendations already worked out: the least recently used goes first."""

    constants: FittedConstants
    hits: int = 0
    misses: int = 0
    _kept: OrderedDict[_Key, Recommendation] = field(default_factory=OrderedDict)

    def recommend(self, question: Question, offers: Sequence[Offer]) -> Recommendation:
        """Return `core.fit.fit`'s answer; the same question over equal devices is asked once."""
        devices = tuple(device_key(one) for one in offers)
        key = question, devices
        kept = self._kept.get(key)
        if kept is not None:
            self.hits += 1
            self._kept.move_to_end(key)
            return kept
        self.misses += 1
        answer = recommend_with(self.constants)(question, offers)
        self._kept[key] = answer
        if len(self._kept) > MOST_ANSWERS:
            self._kept.popitem(last=False)
        return answer


@dataclass
class Reviewer:
    """Reviews pods against the cluster as it is now, and holds back what it gives."""

    state: ClusterState
    settings: Settings
    lookups: Lookups
    answers: Answers
    problem: Callable[[], str | None] = lambda: None
    """Why the state cannot be relied on now, or None."""

    def review(self, request: Mapping[str, object]) -> Reviewed:
        """Return the reply to an AdmissionReview.

        Raises:
            InputError: when it is none.
        """
        earlier = self._earlier(request)
        world = World(
            cluster=self.state.cluster(without=earlier),
            hardware=self.state.hardware,
            settings=self.settings,
            lookups=self.lookups,
            recommend=self.answers.recommend,
            problem=self.problem(),
            is_again=earlier is not None,
        )
        reviewed = review(request, world)
        self._promise(reviewed, earlier)
        return reviewed

    def _earlier(self, request: Mapping[str, object]) -> str | None:
        """Return the decision that this pod carries, when it was made here a moment ago."""
        notes = mapping(at(request, "request", "object", "metadata", "annotations"))
        decision = text(notes.get(DECISION))
        return decision if decision is not None and self.state.has_promised(decision) else None

    def _promise(self, reviewed: Reviewed, earlier: str | None) -> None:
        decision = reviewed.decision
        proposed = decision.proposed
        given = decision.outcome in (Outcome.RESIZED, Outcome.LARGEST) and reviewed.patch
        if not given or proposed is None or decision.mode is not Mode.ENFORCE:
            return
        if not reviewed.is_dry_run:
            if earlier is not None:
                self.state.release(earlier)
            amounts = {proposed.resource: Fraction(proposed.count)}
            self.state.promise(reviewed.uid, reviewed.namespace, amounts)
