"""What is to be served and what counts as serving it, whoever asks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Final

from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.catalog.model import Model
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.traffic import Slo, Traffic
from rightslice.errors import InputError

_CHOSEN_CACHES: Final = ("fp8", "fp8_e4m3", "fp8_e5m2")


class Isolation(Enum):
    """What a workload asks of its neighbours."""

    HARDWARE = "hardware"
    """A whole card or a MIG slice: own memory, own bandwidth, own faults."""
    NONE = "none"
    """Time slices and MPS shares will do."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is to be served, and what counts as serving it."""

    __record__: ClassVar[tuple[str, ...]] = (
        "model", "engine_version", "server", "tensor_parallel", "traffic", "slo",
        "min_replicas", "max_replicas", "isolation", "confidence",
    )  # fmt: skip

    model: Model
    engine: EngineRelease
    server: ServerConfig
    """Flags as given; what is not given is chosen for each offer."""
    tensor_parallel: int | None = None
    """As given; None: chosen."""
    traffic: Traffic
    slo: Slo
    min_replicas: int = 1
    max_replicas: int = 1
    isolation: Isolation = Isolation.HARDWARE
    confidence: float = 0.90
    flags_open: bool = True
    """Whether flags that nobody gave may be sized to the load; False: vLLM's defaults hold."""
    kv_cache_dtypes: tuple[str, ...] = ()
    """Formats that the KV cache may be kept in, when none is given: it costs some accuracy."""

    def __post_init__(self) -> None:
        if not 1 <= self.min_replicas <= self.max_replicas:
            raise InputError(
                f"replicas: min {self.min_replicas} must be at least 1 and at most max"
                f" {self.max_replicas}"
            )
        for dtype in self.kv_cache_dtypes:
            if dtype not in _CHOSEN_CACHES:
                allowed = ", ".join(_CHOSEN_CACHES)
                raise InputError(f"kv-cache-dtype {dtype!r} cannot be chosen; {allowed} can")

    @property
    def engine_version(self) -> str:
        """The vLLM release that all numbers hold for."""
        return self.engine.version
