"""A pod's part of its node's CPU and memory; its GPU resource is `core.catalog.resource`'s."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from rightslice.core.catalog.fleet import POD_PART_OF_NODE, NodeGroup, Workload
from rightslice.records import Json
from rightslice.units import GIB, MIB

_UNITS: Final = ((GIB, "Gi"), (MIB, "Mi"))


def node_requests(cards: Fraction | None, group: NodeGroup) -> dict[str, Json]:
    """Return the CPU and memory requests of a replica that pays for *cards*; {} when unknown.

    Its share of the node, rounded down, so that every slice of a node can run at once: whole CPUs
    and GiB, or thousandths and MiB where the share is less than one.
    """
    if cards is None:
        return {}
    part = min(cards / group.gpus_per_node, Fraction(1)) * POD_PART_OF_NODE
    requests: dict[str, Json] = {}
    if group.vcpus is not None:
        requests["cpu"] = cpu_quantity(part * group.vcpus)
    if group.memory_bytes is not None:
        requests["memory"] = memory_quantity(part * group.memory_bytes)
    return requests


def pod_requests(workload: Workload, cards: Fraction | None, group: NodeGroup) -> dict[str, Json]:
    """Return what *workload* says a replica asks for, and `node_requests` for what it does not."""
    requests = node_requests(cards, group)
    cpu, memory = workload.pod_cpu_cores, workload.pod_memory_bytes
    if cpu is not None:
        requests["cpu"] = str(int(cpu)) if cpu == int(cpu) else f"{round(cpu * 1000)}m"
    if memory is not None:
        exact = (f"{memory // size}{unit}" for size, unit in _UNITS if not memory % size)
        requests["memory"] = next(exact, str(memory))
    return requests


def cpu_quantity(cpus: Fraction) -> str:
    """Return *cpus* as a Kubernetes quantity, rounded down.

    >>> cpu_quantity(Fraction(19, 2)), cpu_quantity(Fraction(1, 2))
    ('9', '500m')
    """
    return str(int(cpus)) if cpus >= 1 else f"{max(1, int(cpus * 1000))}m"


def memory_quantity(size_bytes: Fraction) -> str:
    """Return *size_bytes* as a Kubernetes quantity, rounded down to GiB, or MiB when less than one.

    >>> memory_quantity(Fraction(9 * GIB, 2))
    '4Gi'
    """
    if size_bytes >= GIB:
        return f"{int(size_bytes / GIB)}Gi"
    return f"{max(1, int(size_bytes / MIB))}Mi"
