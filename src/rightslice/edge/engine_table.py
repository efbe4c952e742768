"""vLLM releases (`data/engines.toml`): which range of releases a version falls into."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

import msgspec

from rightslice.core.catalog.engine import BatchDefaults, EngineRelease
from rightslice.core.catalog.source import Source
from rightslice.edge.data_files import bytes_of_gib, read_toml
from rightslice.errors import InputError

_VERSION = re.compile(r"v?(?P<text>(?P<major>\d{1,4})\.(?P<minor>\d{1,4})([.+a-z][0-9a-z.+-]*)?)")


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    max_num_seqs: int
    max_num_batched_tokens: int


class _Release(msgspec.Struct, forbid_unknown_fields=True):
    first: str
    generation: str
    gpu_memory_utilization: float
    a100_counts_as_small: bool
    small: _Batch
    large: _Batch
    chunked_prefill: bool
    graphs_in_budget: bool
    graph_max_size: int
    graph_sizes: int
    graph_modes: int
    token_log: str
    hybrid_groups: str
    null_block: bool
    sampler_bytes_per_logit: float
    era: str
    source: str
    date: str
    large_gpu_gib: float | None = None
    huge_gpu_gib: float | None = None
    huge: _Batch | None = None


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    newest: str
    release: list[_Release]


@lru_cache(maxsize=1)
def engines() -> tuple[EngineRelease, ...]:
    """Return one release for every range of the table, oldest first, under its first version."""
    return tuple(_engine(row) for row in _table().release)


def newest_version() -> str:
    """Return the newest release that the catalogue knows."""
    return _table().newest


def find_engine(version: str | None) -> EngineRelease:
    """Return what the vLLM release *version* does; None or ``latest`` is the newest known.

    Raises:
        InputError: when it is no version, or older or newer than the catalogue knows.
    """
    asked = newest_version() if version is None or version.strip() == "latest" else version.strip()
    match = _VERSION.fullmatch(asked.lower())
    if match is None:
        raise InputError(f"{asked!r} is not a vLLM version; write it like {newest_version()}")
    number = int(match["major"]), int(match["minor"])
    oldest = engines()[0].first
    if number < _number(oldest):
        raise InputError(f"vLLM {match['text']} is too old: {oldest} is the oldest release known")
    if number > _number(newest_version()):
        raise InputError(
            f"vLLM {match['text']} is newer than {newest_version()}, the newest release known;"
            " name that one to plan with its defaults"
        )
    release = max(
        (known for known in engines() if _number(known.first) <= number),
        key=lambda known: _number(known.first),
    )
    return replace(release, version=match["text"])


def _number(version: str) -> tuple[int, int]:
    major, minor, *_ = version.split(".")
    return int(major), int(minor)


@lru_cache(maxsize=1)
def _table() -> _Table:
    return msgspec.convert(read_toml("engines.toml"), _Table)


def _engine(row: _Release) -> EngineRelease:
    return EngineRelease(
        version=row.first,
        first=row.first,
        generation=row.generation,
        gpu_memory_utilization=row.gpu_memory_utilization,
        large_gpu_bytes=bytes_of_gib(row.large_gpu_gib),
        a100_counts_as_small=row.a100_counts_as_small,
        small=_batch(row.small),
        large=_batch(row.large),
        huge_gpu_bytes=bytes_of_gib(row.huge_gpu_gib),
        huge=None if row.huge is None else _batch(row.huge),
        chunked_prefill=row.chunked_prefill,
        graphs_in_budget=row.graphs_in_budget,
        graph_max_size=row.graph_max_size,
        graph_sizes=row.graph_sizes,
        graph_modes=row.graph_modes,
        token_log=row.token_log,
        hybrid_groups=row.hybrid_groups,
        null_block=row.null_block,
        sampler_bytes_per_logit=row.sampler_bytes_per_logit,
        era=row.era,
        source=Source(text=row.source, date=row.date),
    )


def _batch(row: _Batch) -> BatchDefaults:
    return BatchDefaults(
        max_num_seqs=row.max_num_seqs, max_num_batched_tokens=row.max_num_batched_tokens
    )
