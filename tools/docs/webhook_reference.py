"""Tables of what the webhook writes, counts and is set by, from the code and the chart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import yaml

from rightslice.entry.webhook.events import REASONS
from rightslice.entry.webhook.metrics import Metrics
from rightslice.kube.admission.decide import Outcome
from rightslice.kube.admission.review import WRITTEN
from tools.docs.operator_reference import docstrings
from tools.docs.transcript import ROOT

CHART = ROOT / "charts" / "rightslice"


def annotations_written() -> None:
    """Print one row for each annotation that the webhook writes on a pod."""
    print("| annotation | what it says |\n|---|---|")
    for name, meaning in WRITTEN.items():
        print(f"| `{name}` | {meaning} |")


def webhook_outcomes() -> None:
    """Print one row for each outcome, with the type of its event."""
    print("| outcome | meaning | event |\n|---|---|---|")
    for outcome, meaning in docstrings(Outcome).items():
        print(f"| `{outcome.value}` | {meaning} | {REASONS.get(outcome, 'none')} |")


def webhook_metrics() -> None:
    """Print one row for each metric that the webhook exposes."""
    print("| metric | type | labels | meaning |\n|---|---|---|---|")
    for name, kind, labels, meaning in metric_rows():
        print(f"| `{name}` | {kind} | {', '.join(f'`{one}`' for one in labels)} | {meaning} |")


def metric_rows() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Yield name as Prometheus shows it, type, labels and meaning of every metric."""
    yield from rows_of(Metrics())


def rows_of(metrics: object) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Yield the same of any object that holds metrics."""
    for metric in vars(metrics).values():
        for family in metric.collect() if hasattr(metric, "describe") else ():
            end = "_total" if family.type == "counter" else ""
            labels = tuple(metric._labelnames)  # noqa: SLF001 - the library shows them nowhere else
            yield f"{family.name}{end}", family.type, labels, family.documentation


def chart_values() -> None:
    """Print one row for each value of the chart, with its default."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    defaults = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    print("| value | default | meaning |\n|---|---|---|")
    for name, described in value_rows(schema):
        shown = json.dumps(_default(defaults, name))
        print(f"| `{name}` | `{shown}` | {described} |")


def value_rows(schema: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name and the description of every value, those inside others with dots."""
    for name, part in schema["properties"].items():
        if before + name == "global":
            continue
        if "properties" in part:
            yield from value_rows(part, f"{before}{name}.")
        else:
            yield before + name, part["description"]


def _default(defaults: Any, name: str) -> Any:  # noqa: ANN401 - YAML's own
    for key in name.split("."):
        defaults = defaults[key]
    return defaults
