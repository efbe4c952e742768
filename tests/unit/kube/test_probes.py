"""Tests of the times that a pod is given."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from rightslice.core.catalog.estimate import Estimate
from rightslice.kube.assignments import Assignment
from rightslice.kube.probes import drain_seconds, probes, startup_seconds, termination_seconds


def test_the_start_allows_for_the_download(assign: Callable[..., Assignment]) -> None:
    """16.06 GB at 100 MB/s take 161 s, on top of the 600 s for loading."""
    assignment = assign({}, {})
    assert startup_seconds(assignment) == 770
    probe = probes(assignment)["startupProbe"]
    assert isinstance(probe, dict)
    assert probe["failureThreshold"] == 77


def test_a_stopping_pod_waits_for_its_longest_response(assign: Callable[..., Assignment]) -> None:
    """2.76 s in the mean, 4.9 s at the high end of p99: 5 s, and 5 s for the proxies."""
    assignment = assign({}, {})
    assert drain_seconds(assignment) == 10
    assert termination_seconds(assignment) == 40


def test_the_wait_has_an_end(assign: Callable[..., Assignment]) -> None:
    """A response that would never end is not waited for."""
    assignment = assign({}, {})
    candidate = assignment.placed.candidate
    forever = Estimate(math.inf)
    latency = replace(assignment.prediction.end_to_end, p99=forever)
    prediction = replace(assignment.prediction, end_to_end=latency)
    judged = replace(candidate.judgement.judged, prediction=prediction)
    placed = replace(assignment.placed, candidate=replace(candidate, judgement=judged))
    assert drain_seconds(replace(assignment, placed=placed)) == 300
