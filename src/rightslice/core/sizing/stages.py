"""Every pipeline stage of one start-up, as its log prints them.

A log prints weights and activation of the largest stage and the pool of the first; blocks are the
fewest of all. `core.sizing.memory.size` shows the stage that binds instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.catalog.estimate import Band
from rightslice.core.catalog.model import Model
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.sizing.coefficients import MemoryCoefficients
from rightslice.core.sizing.kv_cache import tokens_logged
from rightslice.core.sizing.memory import StageMemory, size_startup, stage_memories
from rightslice.core.sizing.result import Sizing
from rightslice.core.sizing.startup import Startup, startup_of


@dataclass(frozen=True, kw_only=True)
class StagedSizing:
    """A sizing with all its stages."""

    startup: Startup
    sizing: Sizing
    stages: tuple[StageMemory, ...]

    @property
    def first(self) -> StageMemory:
        """The stage whose pool the log prints."""
        return self.stages[0]

    @property
    def last(self) -> StageMemory:
        """The stage that samples."""
        return self.stages[-1]

    def largest(self, term: Callable[[StageMemory], Band]) -> Band:
        """Return the largest of a term over the stages."""
        return max((term(stage) for stage in self.stages), key=lambda value: value.expected)

    def tokens_of_pool(self, first_pool_bytes: int) -> int:
        """Return the tokens that the printed pool of the first stage makes: pure KV arithmetic.

        Other stages' pools differ from it by what their terms differ.
        """
        expected = self.first.budget.pool.expected
        blocks = min(
            stage.layout.blocks(first_pool_bytes + stage.budget.pool.expected - expected)
            for stage in self.stages
        )
        length, engine = self.startup.flags.max_model_len, self.startup.engine
        return tokens_logged(self.first.layout, blocks, length, engine)


def staged_sizing(
    model: Model,
    device: Device,
    server: ServerConfig,
    *,
    engine: EngineRelease,
    coefficients: MemoryCoefficients,
) -> StagedSizing:
    """Return the sizing of *model* on *device* with each of its pipeline stages."""
    startup = startup_of(model, device, server, engine=engine, coefficients=coefficients)
    return StagedSizing(
        startup=startup,
        sizing=size_startup(startup),
        stages=stage_memories(startup),
    )
