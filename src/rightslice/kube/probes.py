"""How long a server takes to start and to finish, and the probes that allow for it.

The start: from a cold start of 966 s that was measured step by step (kaito-project/kaito#2325),
the part after the image is there took 455 s at the most; 600 s are allowed, and the download of
the weights comes on top at 100 MB/s, a slow registry link. The end: vLLM aborts running requests
on SIGTERM, so a stopping pod first waits, already out of its Service, for the longest response.
"""

from __future__ import annotations

import math
from typing import Final

from rightslice.kube.assignments import Assignment
from rightslice.kube.manifest import Manifest

START_SECONDS: Final = 600
DOWNLOAD_BYTES_PER_SECOND: Final = 100_000_000
PERIOD_SECONDS: Final = 10
ENDPOINT_SECONDS: Final = 5
"""Until every proxy has taken a stopping pod out of rotation; our allowance."""
LONGEST_WAIT_SECONDS: Final = 300
STOP_SECONDS: Final = 30
"""Kubernetes' default grace period, left to vLLM after the wait."""


def startup_seconds(assignment: Assignment) -> int:
    """Return how long a pod may take until it answers: load, compile, capture, and download."""
    sizing = assignment.sizing
    ranks = sizing.flags.tensor_parallel * sizing.flags.pipeline_parallel
    weights = sizing.model.checkpoint_bytes or sizing.term("weights").size_bytes.high * ranks
    seconds = START_SECONDS + weights / DOWNLOAD_BYTES_PER_SECOND
    return math.ceil(seconds / PERIOD_SECONDS) * PERIOD_SECONDS


def probes(assignment: Assignment) -> Manifest:
    """Return startup, readiness and liveness probes on ``/health``."""
    return {
        "startupProbe": {
            **_health(),
            "periodSeconds": PERIOD_SECONDS,
            "timeoutSeconds": 5,
            "failureThreshold": startup_seconds(assignment) // PERIOD_SECONDS,
        },
        "readinessProbe": {
            **_health(), "periodSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 3,
        },
        # A busy server answers late: only a minute of silence counts as dead.
        "livenessProbe": {
            **_health(), "periodSeconds": 10, "timeoutSeconds": 10, "failureThreshold": 6,
        },
    }  # fmt: skip


def _health() -> Manifest:
    return {"httpGet": {"path": "/health", "port": "http"}}


def drain_seconds(assignment: Assignment) -> int:
    """Return how long a stopping pod waits: its longest response, at most five minutes."""
    longest = assignment.prediction.end_to_end.p99.high
    if not math.isfinite(longest):
        return LONGEST_WAIT_SECONDS
    return min(LONGEST_WAIT_SECONDS, ENDPOINT_SECONDS + math.ceil(longest))


def termination_seconds(assignment: Assignment) -> int:
    """Return the grace period: the wait, then the time to stop."""
    return drain_seconds(assignment) + STOP_SECONDS
