"""What every section shares: the plan, the curves, and the colour of each workload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from rightslice.core.perf.result import Curve
from rightslice.core.plan.result import Plan

HUES: Final = 9
"""Colours in `report.css`; workloads beyond them begin again, and the labels tell them apart."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """A plan, and how it is to be shown."""

    plan: Plan
    curves: Mapping[str, Curve]
    """Latency and throughput by workload name."""
    generated: str
    """When the plan was made, as it shall be printed."""

    @cached_property
    def _order(self) -> Mapping[str, int]:
        return {item.name: index for index, item in enumerate(self.plan.workloads)}

    def hue(self, workload: str) -> str:
        """Return the CSS class of a workload's colour; that of idle for any other name."""
        index = self._order.get(workload)
        return "idle" if index is None else f"w{index % HUES}"

    def anchor(self, workload: str) -> str:
        """Return the id of a workload's row."""
        return f"workload-{self._order[workload]}"
