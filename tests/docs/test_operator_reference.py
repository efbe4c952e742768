"""The operator's reference and runbook name all that it tells and counts."""

from __future__ import annotations

import re

import pytest

from rightslice.entry.operator.api import NORMAL
from rightslice.entry.operator.metrics import Metrics
from rightslice.kube.operate.decide import Outcome
from tools.docs.operator_reference import event_rows
from tools.docs.transcript import ROOT
from tools.docs.webhook_reference import rows_of

PAGE = (ROOT / "docs/reference/resources.md").read_text("utf-8")
RUNBOOK = (ROOT / "docs/guides/operator-runbook.md").read_text("utf-8")
METRICS = [row[0] for row in rows_of(Metrics())]
REASONS = [row[0] for row in event_rows()]


@pytest.mark.parametrize("name", [*REASONS, *METRICS])
def test_every_name_is_documented(name: str) -> None:
    """Each reason of an event, and each metric, has a row."""
    assert f"| `{name}` |" in PAGE


def test_every_outcome_is_an_event() -> None:
    """None of them lacks a meaning, and nothing is called normal that is never told."""
    assert {one.value for one in Outcome} <= set(REASONS)
    assert set(NORMAL) <= set(REASONS)


@pytest.mark.parametrize(
    "fault",
    ["Killed", "API server away", "Definitions missing", "Two operators", "A node is gone",
     "No room", "Nothing holds", "Invalid", "A move that does not end", "Not ours", "Upgrade"],
)  # fmt: skip
def test_every_fault_has_its_place_in_the_runbook(fault: str) -> None:
    """Each heading says what is seen, what happens by itself, and what to do."""
    _, found, rest = RUNBOOK.partition(f"## {fault}")
    section = rest.split("\n## ", 1)[0]
    assert found
    assert all(part in section for part in ("**You see**", "**What happens by itself**", "**Do**"))


def test_every_metric_of_the_runbook_exists() -> None:
    """Alerts are about series that there are."""
    named = set(re.findall(r"rightslice_\w+", RUNBOOK))
    assert named
    assert {one.removesuffix("_bucket") for one in named} <= set(METRICS)


def test_every_right_of_the_chart_is_explained() -> None:
    """Each resource of the operator's roles stands in the table of its rights."""
    chart = (ROOT / "charts/rightslice/templates/operator.yaml").read_text("utf-8")
    section = PAGE.partition("## Rights of the operator")[2].partition("\n## ")[0]
    lists = re.findall(r"resources: \[([^]]+)\]", chart)
    named = {name for one in lists for name in one.split(", ")} - {"configmaps"}
    assert len(named) > 15
    assert {one for one in named if not re.search(rf"[| ]{one}\b", section)} == set()
