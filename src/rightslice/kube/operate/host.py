"""The CPU and memory that a server's pod asks its node for.

What the owner says; else an allowance that follows from the model, the same on every node, so that
it makes no new revision when nodes come and go:

- CPU: one for the API server and the engine, and one for each rank, whose worker is a process of
  its own (docs.vllm.ai, design/arch_overview): 2 for one card, as vLLM's own Kubernetes guide has
  it (docs.vllm.ai v0.8.2, deployment/k8s).
- memory: for each rank 2 GiB for its process, and the file of the checkpoint that it reads, which
  is at most 5 GB (transformers' ``max_shard_size``): 7 GiB for a 7B model, for which that guide
  asks 6 GB. Our own allowance, not measured.

Known gap: they are requests, without limits; a quota on CPU or memory is not looked at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from rightslice.core.catalog.model import Model
from rightslice.kube.cluster.quantity import parse_quantity
from rightslice.kube.crd.pod import PodSettings
from rightslice.units import GIB, MIB

PROCESS_BYTES: Final = 2 * GIB
LARGEST_FILE_BYTES: Final = 5 * 10**9
STEP_BYTES: Final = 512 * MIB
"""Rounded up to it, so that models of about one size ask the same."""
_BYTES_PER_PARAMETER: Final = 2
"""As checkpoints are stored; a quantized one is smaller."""


@dataclass(frozen=True, kw_only=True)
class Host:
    """What the pods of one ModelDeployment ask for beside their GPU, by their ranks."""

    cpu: str | None
    """What the owner says, as a quantity; None: one more than ranks."""
    memory: str | None
    """The same; None: by `rank_bytes`."""
    rank_bytes: int

    def requests(self, ranks: int) -> dict[str, str]:
        """Return the requests of a pod with so many ranks, as quantities."""
        memory = f"{-(-ranks * self.rank_bytes // MIB)}Mi"
        return {"cpu": self.cpu or str(1 + ranks), "memory": self.memory or memory}

    def milli(self, ranks: int) -> dict[str, int]:
        """Return the same in thousandths, rounded up.

        Raises:
            InputError: when one of them is no quantity.
        """
        return {
            name: math.ceil(parse_quantity(amount) * Fraction(1000))
            for name, amount in self.requests(ranks).items()
        }


def host_of(model: Model, settings: PodSettings) -> Host:
    """Return what the pods that serve *model* ask for.

    Raises:
        InputError: when what *settings* say is no quantity.
    """
    for given in (settings.cpu, settings.memory):
        if given is not None:
            parse_quantity(given)
    file = min(model.parameters * _BYTES_PER_PARAMETER, LARGEST_FILE_BYTES)
    steps = -(-(PROCESS_BYTES + round(file)) // STEP_BYTES)
    return Host(cpu=settings.cpu, memory=settings.memory, rank_bytes=steps * STEP_BYTES)
