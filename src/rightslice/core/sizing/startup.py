"""One start-up of a server: what every memory term is computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.catalog.model import Model
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.sizing.amounts import Whole, smaller
from rightslice.core.sizing.coefficients import MemoryCoefficients
from rightslice.core.sizing.defaults import effective_flags
from rightslice.core.sizing.result import EffectiveFlags


@dataclass(frozen=True, slots=True)
class Step(Generic[Whole]):
    """The numbers that profile run and CUDA graphs follow: of one start-up, or of many alike."""

    seqs: Whole
    """``max-num-seqs``."""
    tokens: Whole
    """``max-num-batched-tokens``."""
    length: Whole
    """``max-model-len``."""

    @property
    def rows(self) -> Whole:
        """Sequences that the profile run samples for."""
        return smaller(self.seqs, self.tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Startup:
    """A model on a device, under one release, with every flag resolved."""

    model: Model
    device: Device
    engine: EngineRelease
    coefficients: MemoryCoefficients
    flags: EffectiveFlags
    server: ServerConfig
    """Flags as given."""
    neighbours_bytes: int = 0
    """What other processes hold on the device."""

    @property
    def quantization(self) -> str | None:
        """Run-time quantization asked for."""
        return self.server.quantization

    @property
    def lora_ranks(self) -> int:
        """Ranks of all LoRA slots together; 0: LoRA is off."""
        return self.server.max_loras * self.server.max_lora_rank

    @property
    def requested_bytes(self) -> int:
        """What vLLM takes for itself: total memory times utilization, rounded up."""
        exact = self.device.memory_bytes * self.flags.gpu_memory_utilization
        return -int(-exact // 1)

    @property
    def dtype_bytes(self) -> int:
        """Bytes of one unquantized value."""
        return 4 if self.flags.dtype == "float32" else 2

    @property
    def step(self) -> Step[int]:
        """The numbers of one step."""
        flags = self.flags
        return Step(flags.max_num_seqs, flags.max_num_batched_tokens, flags.max_model_len)

    @property
    def sampling_rows(self) -> int:
        """Sequences that the profile run samples for."""
        return self.step.rows


def startup_of(
    model: Model,
    device: Device,
    server: ServerConfig,
    *,
    engine: EngineRelease,
    coefficients: MemoryCoefficients,
) -> Startup:
    """Return *server* started on *device* alone: what is not given takes the release's default."""
    return Startup(
        model=model,
        device=device,
        engine=engine,
        coefficients=coefficients,
        flags=effective_flags(model, device, server, engine),
        server=server,
    )
