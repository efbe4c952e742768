"""Many configurations of one model under one release: numbers in arrays, the rest by kind.

Two ways in: `gathered` takes start-ups as they come, `varied` one start-up and the columns in which
the others differ. Flags are taken as resolved: a default that follows from another flag is not
worked out again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.share import Exclusive
from rightslice.core.sizing.result import EffectiveFlags
from rightslice.core.sizing.startup import Startup
from rightslice.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from rightslice.core.sizing.amounts import Reals, Wholes

_COUNTS: Final = ("max_model_len", "max_num_seqs", "max_num_batched_tokens")
_BYTES: Final = ("memory_bytes", "kv_cache_memory_bytes", "neighbours_bytes")
_NUMBERS: Final = (*_COUNTS, *_BYTES, "gpu_memory_utilization")
_OF_KIND: Final = (
    "device", "quantization", "dtype", "kv_cache_dtype", "block_size", "tensor_parallel",
    "pipeline_parallel", "expert_parallel", "enforce_eager", "chunked_prefill", "prefix_caching",
)  # fmt: skip
_OF_STARTUP: Final = ("device", "quantization")
_LARGEST_COUNT: Final = 2**28
"""Tokens times vocabulary, width and bytes stay below 2**63."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """Settings of many start-ups of one model, one array entry each."""

    kinds: tuple[Startup, ...]
    """One start-up of each kind; its numbers do not count."""
    kind: Wholes
    """Place in `kinds`."""
    memory_bytes: Wholes
    neighbours_bytes: Wholes
    gpu_memory_utilization: Reals
    kv_cache_memory_bytes: Wholes
    """0 where the pool is not given, which its kind says."""
    max_model_len: Wholes
    max_num_seqs: Wholes
    max_num_batched_tokens: Wholes

    def __post_init__(self) -> None:
        for name in _COUNTS:
            values: Wholes = getattr(self, name)
            if values.size and values.max() > _LARGEST_COUNT:
                flag = name.replace("_", "-")
                raise InputError(f"{flag} {values.max()} must be at most {_LARGEST_COUNT}")

    def __len__(self) -> int:
        return len(self.kind)

    def by_kind(self) -> Iterator[tuple[Startup, Wholes]]:
        """Yield each kind with the places of its configurations."""
        for place, startup in enumerate(self.kinds):
            yield startup, np.flatnonzero(self.kind == place)


def gathered(startups: Iterable[Startup]) -> Columns:
    """Return *startups*, which share model, release and coefficients, as columns."""
    rows, kinds = list(startups), _Kinds()
    kind = [kinds.place(startup) for startup in rows]
    flags = [startup.flags for startup in rows]
    return Columns(
        kinds=kinds.found,
        kind=_wholes(kind),
        memory_bytes=_wholes([startup.device.memory_bytes for startup in rows]),
        neighbours_bytes=_wholes([startup.neighbours_bytes for startup in rows]),
        gpu_memory_utilization=np.array([one.gpu_memory_utilization for one in flags], float),
        kv_cache_memory_bytes=_wholes([one.kv_cache_memory_bytes or 0 for one in flags]),
        max_model_len=_wholes([one.max_model_len for one in flags]),
        max_num_seqs=_wholes([one.max_num_seqs for one in flags]),
        max_num_batched_tokens=_wholes([one.max_num_batched_tokens for one in flags]),
    )


def varied(startup: Startup, columns: Mapping[str, Sequence[Any] | Wholes | Reals]) -> Columns:
    """Return *startup* with *columns* in place of its own values; all have one length.

    Columns are called as in `EffectiveFlags`, or ``memory_bytes``, ``neighbours_bytes``,
    ``device`` (whose memory counts unless it is given, too) or ``quantization``.

    Raises:
        UnknownNameError: when there is no such column; near matches are named.
        InputError: when lengths differ, or a count is too large for exact arithmetic.
    """
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1:
        raise InputError(f"columns of one length are wanted, not of {sorted(lengths)}")
    for name in columns:
        if name not in (*_NUMBERS, *_OF_KIND):
            raise UnknownNameError("column", name, (*_NUMBERS, *_OF_KIND))
    (count,) = lengths
    flags, device = startup.flags, startup.device
    numbers: dict[str, Sequence[Any] | Wholes | Reals] = {
        name: [getattr(flags, name, None) or 0] * count for name in _NUMBERS
    }
    numbers["memory_bytes"] = [one.memory_bytes for one in columns.get("device", [device] * count)]
    numbers["neighbours_bytes"] = [startup.neighbours_bytes] * count
    numbers |= {name: column for name, column in columns.items() if name in _NUMBERS}
    kinds, kind = _kinds_of(startup, columns, count)
    return Columns(
        kinds=kinds,
        kind=kind,
        gpu_memory_utilization=np.asarray(numbers.pop("gpu_memory_utilization"), float),
        **{name: _wholes(column) for name, column in numbers.items()},
    )


def _kinds_of(
    startup: Startup, columns: Mapping[str, Sequence[Any] | Wholes | Reals], count: int
) -> tuple[tuple[Startup, ...], Wholes]:
    names = [name for name in _OF_KIND if name in columns]
    if "kv_cache_memory_bytes" in columns:
        given = replace(startup.flags, kv_cache_memory_bytes=1)
        startup = replace(startup, flags=given)
    if not names:
        return (startup,), np.zeros(count, np.int64)
    kinds, kind, known = _Kinds(), [], dict[tuple[object, ...], int]()
    for values in zip(*(_plain(columns[name]) for name in names), strict=True):
        key = tuple(_device_kind(one) if isinstance(one, Device) else one for one in values)
        if key not in known:
            known[key] = kinds.place(_changed(startup, dict(zip(names, values, strict=True))))
        kind.append(known[key])
    return kinds.found, _wholes(kind)


def _plain(column: Sequence[Any] | Wholes | Reals) -> Sequence[Any]:
    """Return numbers of numpy as Python's own."""
    values: Sequence[Any] = column.tolist() if isinstance(column, np.ndarray) else column
    return values


def _changed(startup: Startup, values: dict[str, Any]) -> Startup:
    own = {name: values.pop(name) for name in _OF_STARTUP if name in values}
    return replace(startup, flags=replace(startup.flags, **values), **own)


class _Kinds:
    """Start-ups that differ in more than numbers, each once."""

    def __init__(self) -> None:
        self._places: dict[tuple[object, ...], int] = {}
        self._found: list[Startup] = []

    def place(self, startup: Startup) -> int:
        """Return the place of the kind of *startup*."""
        key = (
            *_device_kind(startup.device), *_flags_kind(startup.flags),
            startup.quantization, startup.lora_ranks,
        )  # fmt: skip
        place = self._places.setdefault(key, len(self._found))
        if place == len(self._found):
            self._found.append(startup)
        return place

    @property
    def found(self) -> tuple[Startup, ...]:
        """Every kind, in the order of `place`."""
        return tuple(self._found)


def _device_kind(device: Device) -> tuple[object, ...]:
    """What of a device, beside its memory, decides a term or a refusal."""
    return isinstance(device.share, Exclusive), device.gpu.compute_capability


def _flags_kind(flags: EffectiveFlags) -> tuple[object, ...]:
    return (
        flags.kv_cache_memory_bytes is None, flags.dtype, flags.kv_cache_dtype, flags.block_size,
        flags.tensor_parallel, flags.pipeline_parallel, flags.expert_parallel,
        flags.enforce_eager, flags.chunked_prefill, flags.prefix_caching,
    )  # fmt: skip


def _wholes(values: Sequence[Any] | Wholes | Reals) -> Wholes:
    return np.asarray(values, np.int64)
