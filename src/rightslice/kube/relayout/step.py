"""How far a change of a layout has come; the same words in status, events and metrics."""

from __future__ import annotations

from enum import Enum
from typing import Final


class LayoutStep(Enum):
    """The last thing that was done; those of the first three lines change nothing."""

    ADVISED = "Advised"
    """What would be done, were it enforced."""
    REFUSED = "Refused"
    """Nothing helps; the message says why, and what would."""
    PLANNED = "Planned"
    """It will be done when it is its turn."""
    CORDONED = "Cordoned"
    """No new pod comes to the node."""
    CONFIGURED = "Configured"
    """The wanted layout is written where the node's agent reads it; pods are moved away."""
    DRAINED = "Drained"
    """No pod with a GPU is left on the node."""
    LABELLED = "Labelled"
    """The node's agent was told to cut the cards."""
    ROLLING_BACK = "RollingBack"
    """It was told to cut them as they were."""
    DONE = "Done"
    """The node hands out the wanted slices, and takes pods again."""
    ABANDONED = "Abandoned"
    """Given up before any card was touched; the node takes pods again."""
    ROLLED_BACK = "RolledBack"
    """The node hands out what it did before, and takes pods again."""
    FAILED = "Failed"
    """Neither the wanted layout nor the former one came about; somebody has to look."""


ENDED: Final = (
    LayoutStep.DONE, LayoutStep.ABANDONED, LayoutStep.ROLLED_BACK, LayoutStep.FAILED,
)  # fmt: skip
"""Steps after which nothing of a change is left to do."""
