"""Where each part of a written plan lies in its folder."""

from __future__ import annotations

from typing import Final

from rightslice.kube.assignments import Assignment

README: Final = "README.md"
NODE_LABELS: Final = "nodes/labels.yaml"
MIG_PARTED: Final = "nodes/mig-parted.yaml"
DAS_CLAIMS: Final = "nodes/das-placements.yaml"
TAINT_RULES: Final = "nodes/device-taint-rules.yaml"


def device_plugin_file(name: str) -> str:
    """Return the file of a device plugin configuration."""
    return f"nodes/device-plugin/{name}.yaml"


def smi_file(node: str) -> str:
    """Return the file of a node's nvidia-smi commands."""
    return f"nodes/nvidia-smi/{node}.sh"


def workload_folder(team: str) -> str:
    """Return the folder of a team's workloads."""
    return f"workloads/{team}"


def workload_file(assignment: Assignment) -> str:
    """Return the file of a workload's objects."""
    return f"{workload_folder(assignment.workload.team)}/{assignment.name}.yaml"
