"""One review after another, with what is remembered between them: answers, promises, counts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from rightslice.core.catalog.question import Question
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.fit.result import Offer, Recommendation
from rightslice.edge.cluster.state import ClusterState
from rightslice.kube.admission.decide import Outcome, World, recommend_with
from rightslice.kube.admission.review import Reviewed, review
from rightslice.kube.admission.settings import Mode, Settings
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
        devices = tuple(
            (one.device.label, one.device.memory_bytes, one.tensor_parallel) for one in offers
        )
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

    def review(self, request: Mapping[str, object]) -> Reviewed:
        """Return the reply to an AdmissionReview.

        Raises:
            InputError: when it is none.
        """
        world = World(
            cluster=self.state.cluster(),
            hardware=self.state.hardware,
            settings=self.settings,
            lookups=self.lookups,
            recommend=self.answers.recommend,
        )
        reviewed = review(request, world)
        self._promise(reviewed)
        return reviewed

    def _promise(self, reviewed: Reviewed) -> None:
        decision = reviewed.decision
        proposed = decision.proposed
        given = decision.outcome in (Outcome.RESIZED, Outcome.LARGEST) and reviewed.patch
        if not given or proposed is None or decision.mode is not Mode.ENFORCE:
            return
        if not reviewed.is_dry_run:
            self.state.promise(reviewed.uid, {proposed.resource: Fraction(proposed.count)})
