"""The memory model's global coefficients, read from the package's own data."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any

from rightslice.core.catalog.estimate import Band
from rightslice.core.catalog.source import Source
from rightslice.core.sizing.coefficients import (
    Activation,
    Graphs,
    MemoryCoefficients,
    NonTorch,
    WarmUp,
)
from rightslice.units import GIB


@cache
def memory_coefficients() -> MemoryCoefficients:
    """Return the coefficients of ``data/memory.toml``, read once a process."""
    text = resources.files("rightslice").joinpath("data/memory.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text)
    activation, graphs = data["activation"], data["graphs"]
    return MemoryCoefficients(
        context=_band(data["context"]["gib"]),
        non_torch=tuple(_non_torch(entry) for entry in data["non_torch"]),
        weights_low_ratio=data["weights"]["low_ratio"],
        weights_high_ratio=data["weights"]["high_ratio"],
        activation=Activation(
            fixed_bytes=_gib(activation.pop("fixed_gib")),
            sampler_workspace_bytes=_gib(activation.pop("sampler_workspace_gib")),
            spread_bytes=_gib(activation.pop("spread_gib")),
            **activation,
        ),
        graphs=Graphs(
            fixed_bytes=_gib(graphs.pop("fixed_gib")),
            estimate_bytes=_gib(graphs.pop("estimate_gib")),
            spread_bytes=_gib(graphs.pop("spread_gib")),
            **graphs,
        ),
        warm_up=WarmUp(**data["warm_up"]),
        source=Source(**data["source"]),
    )


def _gib(number: float) -> int:
    return round(number * GIB)


def _band(numbers: list[float]) -> Band:
    low, expected, high = (_gib(number) for number in numbers)
    return Band(low, expected, high)


def _non_torch(entry: dict[str, Any]) -> NonTorch:
    first, origin = entry.pop("first"), entry.pop("origin")
    return NonTorch(
        first=first, origin=origin, **{name: _band(numbers) for name, numbers in entry.items()}
    )
