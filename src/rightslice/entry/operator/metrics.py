"""What the operator counts, for Prometheus."""

from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


@dataclass
class Metrics:
    """The operator's own metrics, in a registry of their own."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.decisions = Gauge(
            "rightslice_model_deployments",
            "ModelDeployments by mode and by what came of the last decision.",
            ["mode", "outcome"],
            registry=self.registry,
        )
        self.actions = Counter(
            "rightslice_operator_actions",
            "Changes made to objects, by kind of change.",
            ["action"],
            registry=self.registry,
        )
        self.failures = Counter(
            "rightslice_operator_failures",
            "Calls that the API server refused or did not answer.",
            ["what"],
            registry=self.registry,
        )
        self.left_out = Gauge(
            "rightslice_operator_left_out",
            "ModelDeployments not decided about because of a mistake of ours; the log has it.",
            registry=self.registry,
        )
        self.seconds = Histogram(
            "rightslice_operator_pass_duration_seconds",
            "Time to decide about every ModelDeployment once.",
            registry=self.registry,
        )
        self.layouts = Counter(
            "rightslice_operator_layout_steps",
            "Steps of changes of a node's layout, by step.",
            ["step"],
            registry=self.registry,
        )
        self.moves = Counter(
            "rightslice_operator_moves",
            "Steps of moves of pods between cards, by step.",
            ["step"],
            registry=self.registry,
        )
        self.anew = Counter(
            "rightslice_operator_decisions",
            "Decisions made anew, because something that they rest on had changed.",
            registry=self.registry,
        )
        self.leads = Gauge(
            "rightslice_operator_leads", "1 while this process may act.", registry=self.registry
        )
