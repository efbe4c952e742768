"""What the webhook counts, for Prometheus. Names are documented from this table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

BUCKETS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


@dataclass
class Metrics:
    """The webhook's own metrics, in a registry of their own."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.reviews = Counter(
            "rightslice_admission_reviews",
            "Pods reviewed, by what came of them.",
            ["mode", "outcome"],
            registry=self.registry,
        )
        self.failures = Counter(
            "rightslice_admission_failures",
            "Requests that could not be answered as reviews: the pod passed unchanged.",
            ["reason"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "rightslice_admission_duration_seconds",
            "Time from the request's last byte to the reply.",
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.certificate_expiry = Gauge(
            "rightslice_certificate_expiry_timestamp_seconds",
            "When the serving certificate ends.",
            registry=self.registry,
        )
        self.ready = Gauge(
            "rightslice_cluster_mirror_ready",
            "1 when every watched kind has been listed.",
            registry=self.registry,
        )
        self.events_dropped = Counter(
            "rightslice_admission_events_dropped",
            "Events that were not written: the queue was full, or the API server refused.",
            registry=self.registry,
        )
