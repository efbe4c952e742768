"""One review after another, with what is remembered between them: answers and promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from rightslice.core.fit.answers import Answers
from rightslice.edge.cluster.state import ClusterState
from rightslice.kube.admission.decide import Outcome, World
from rightslice.kube.admission.review import DECISION, Reviewed, review
from rightslice.kube.admission.settings import Mode, Settings
from rightslice.kube.parse.decoded import at, mapping, text
from rightslice.kube.parse.question import Lookups


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
