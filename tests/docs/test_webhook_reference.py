"""The webhook's reference page names all that it writes, counts and is set by."""

from __future__ import annotations

import json

import pytest

from rightslice.kube.admission.decide import Outcome
from rightslice.kube.admission.review import WRITTEN
from tools.docs.transcript import ROOT
from tools.docs.webhook_reference import CHART, metric_rows, value_rows

PAGE = (ROOT / "docs/reference/webhook.md").read_text("utf-8")
RUNBOOK = (ROOT / "docs/guides/webhook-runbook.md").read_text("utf-8")
SCHEMA = json.loads((CHART / "values.schema.json").read_text("utf-8"))
NAMES = [
    *WRITTEN,
    *(one.value for one in Outcome),
    *(row[0] for row in metric_rows()),
    *(row[0] for row in value_rows(SCHEMA)),
]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_documented(name: str) -> None:
    """Annotations, outcomes, metrics and chart values each have a row."""
    assert f"| `{name}` |" in PAGE


@pytest.mark.parametrize(
    "fault",
    ["Killed", "Hanging", "Certificate expired", "5xx", "No free slice", "Quota", "Not understood",
     "Mirror not ready"],
)  # fmt: skip
def test_every_fault_has_its_place_in_the_runbook(fault: str) -> None:
    """Each heading says what is seen, what happens to pods, and what to do."""
    _, found, rest = RUNBOOK.partition(f"## {fault}")
    section = rest.split("\n## ", 1)[0]
    assert found
    assert all(part in section for part in ("**You see**", "**What happens to pods**", "**Do**"))


def test_every_metric_is_watched_or_explained() -> None:
    """The metrics of the runbook's alerts are ones that exist."""
    known = {row[0] for row in metric_rows()}
    named = {word.split("[")[0].strip("`(),") for word in RUNBOOK.split() if "rightslice_" in word}
    assert {one.split("(")[-1] for one in named} <= known
