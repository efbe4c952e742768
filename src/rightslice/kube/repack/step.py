"""How far the move of a pod has come; the same words in status, events and metrics."""

from __future__ import annotations

from enum import Enum


class MoveStep(Enum):
    """The last thing that was done."""

    STARTED = "Started"
    """A replacement was made for the other card; the pod serves on."""
    HANDED_OVER = "HandedOver"
    """The replacement serves, and stands in the pod's place in its Deployment; the pod ends."""
    DONE = "Done"
    """The pod is gone, and its slice is free."""
    ABANDONED = "Abandoned"
    """The replacement was taken back before the pod was touched."""
