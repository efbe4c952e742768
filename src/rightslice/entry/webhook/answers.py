"""One review after another, with what is remembered between them: readings, verdicts, promises.

Pods of one template come many at a time. What a template says is read once; what became of it is
said again as long as nothing that decisions rest on has changed in the cluster.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from typing import Final

from rightslice.core.fit.answers import Answers
from rightslice.edge.cluster.state import ClusterState
from rightslice.kube.admission.decide import Outcome, World
from rightslice.kube.admission.reading import Read, Reading
from rightslice.kube.admission.review import (
    DECISION,
    Request,
    Reviewed,
    Verdict,
    judged,
    read_request,
    reply,
)
from rightslice.kube.admission.settings import Mode, Settings
from rightslice.kube.cluster.view import Cluster
from rightslice.kube.parse.decoded import mapping, text

MOST_TEMPLATES: Final = 1024
"""Kept at once: a few KB each."""
_TOKEN_VOLUME: Final = re.compile(r"(\"kube-api-access-)[a-z0-9]{5}(?=\")")
"""The volume of a pod's token: the API server's ServiceAccount plugin gives each a random name
(kubernetes plugin/pkg/admission/serviceaccount)."""


@dataclass
class Reviewer:
    """Reviews pods against the cluster as it is now, and holds back what it gives."""

    state: ClusterState
    settings: Settings
    read: Read
    answers: Answers
    problem: Callable[[], str | None] = lambda: None
    """Why the state cannot be relied on now, or None."""
    _readings: OrderedDict[str, Reading] = field(default_factory=OrderedDict)
    _verdicts: dict[str, Verdict] = field(default_factory=dict)
    """By template, as long as the cluster is `_seen`."""
    _seen: tuple[Cluster, str | None] | None = None

    def review(self, given: Mapping[str, object]) -> Reviewed:
        """Return the reply to an AdmissionReview.

        Raises:
            InputError: when it is none.
        """
        request = read_request(given)
        template = _template(request)
        earlier = self._earlier(request)
        cluster = self.state.cluster(without=earlier)
        if earlier is not None:
            verdict = judged(request, self._world(cluster, template, is_again=True))
        else:
            verdict = self._verdict(request, cluster, template)
        reviewed = reply(request, verdict)
        self._promise(reviewed, earlier)
        return reviewed

    def _verdict(self, request: Request, cluster: Cluster, template: str) -> Verdict:
        problem = self.problem()
        if self._seen is None or self._seen[0] is not cluster or self._seen[1] != problem:
            self._verdicts.clear()
            self._seen = cluster, problem
        known = self._verdicts.get(template)
        if known is None or not request.is_pod:
            known = judged(request, self._world(cluster, template))
            if request.is_pod and len(self._verdicts) < MOST_TEMPLATES:
                self._verdicts[template] = known
        return known

    def _world(self, cluster: Cluster, template: str, *, is_again: bool = False) -> World:
        return World(
            cluster=cluster,
            hardware=self.state.hardware,
            settings=self.settings,
            read=partial(self._read, template),
            recommend=self.answers.recommend,
            problem=self.problem(),
            is_again=is_again,
        )

    def _read(self, template: str, pod: Mapping[str, object], namespace: str) -> Reading:
        known = self._readings.get(template)
        if known is not None:
            self._readings.move_to_end(template)
            return known
        found = self._readings[template] = self.read(pod, namespace)
        if len(self._readings) > MOST_TEMPLATES:
            self._readings.popitem(last=False)
        return found

    def _earlier(self, request: Request) -> str | None:
        """Return the decision that this pod carries, when it was made here a moment ago."""
        decision = text(_annotations(request).get(DECISION))
        return decision if decision is not None and self.state.has_promised(decision) else None

    def _promise(self, reviewed: Reviewed, earlier: str | None) -> None:
        decision, request = reviewed.decision, reviewed.request
        proposed = decision.proposed
        given = decision.outcome in (Outcome.RESIZED, Outcome.LARGEST) and reviewed.has_patch
        if not given or proposed is None or decision.mode is not Mode.ENFORCE:
            return
        if not request.is_dry_run:
            if earlier is not None:
                self.state.release(earlier)
            amounts = {proposed.resource: Fraction(proposed.count)}
            self.state.promise(request.uid, request.namespace, amounts)


def _template(request: Request) -> str:
    """Return all of a pod that a verdict rests on: its name and its owner it does not."""
    metadata = request.pod.get("metadata")
    if isinstance(metadata, dict):
        metadata = metadata.get("labels"), metadata.get("annotations")
    said = json.dumps((request.namespace, metadata, request.pod.get("spec")))
    return _TOKEN_VOLUME.sub(r"\1", said)


def _annotations(request: Request) -> Mapping[str, object]:
    return mapping(mapping(request.pod.get("metadata")).get("annotations"))
