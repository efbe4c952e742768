"""The step-time model's fitted constants, read from the package's own data (`data/perf.toml`)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, cast

from rightslice.core.perf.result import PerfConstants
from rightslice.edge.data_files import read_toml


@cache
def load_constants() -> Mapping[str, PerfConstants]:
    """Return the constants by engine era (`EngineRelease.era`), read once a process."""
    eras = cast("list[dict[str, Any]]", read_toml("perf.toml")["era"])
    return MappingProxyType({entry["era"]: _constants(entry) for entry in eras})


def _constants(entry: dict[str, Any]) -> PerfConstants:
    return PerfConstants(**{**entry, "fitted_gpus": tuple(entry["fitted_gpus"])})
