"""Many configurations of one model under one release: numbers in arrays, the rest by kind.

Three ways in: `of_servers` takes servers with the devices that each is to run on, `gathered` takes
start-ups as they come, `varied` one start-up and the columns in which the others differ. There,
flags are taken as resolved: a default that follows from another flag is not worked out again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.engine import BatchDefaults, EngineRelease
from rightslice.core.catalog.model import Model
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive
from rightslice.core.sizing.coefficients import MemoryCoefficients
from rightslice.core.sizing.defaults import memory_class
from rightslice.core.sizing.graphs import board_kind
from rightslice.core.sizing.startup import Startup, startup_of
from rightslice.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from rightslice.core.sizing.amounts import Reals, Wholes

_Value = TypeVar("_Value")

_COUNTS: Final = ("max_model_len", "max_num_seqs", "max_num_batched_tokens")
_BYTES: Final = ("memory_bytes", "kv_cache_memory_bytes", "neighbours_bytes")
_NUMBERS: Final = (*_COUNTS, *_BYTES, "gpu_memory_utilization")
_OF_KIND: Final = (
    "device", "quantization", "dtype", "kv_cache_dtype", "block_size", "tensor_parallel",
    "pipeline_parallel", "expert_parallel", "enforce_eager", "chunked_prefill", "prefix_caching",
)  # fmt: skip
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
    return _columns([(startup, startup.device) for startup in startups])


def of_servers(
    model: Model,
    pairs: Iterable[tuple[Device, ServerConfig]],
    *,
    engine: EngineRelease,
    coefficients: MemoryCoefficients,
) -> Columns:
    """Return each server on its device as columns, in their order.

    A server that is one object in several pairs is resolved once for each class of memory that the
    release knows (`defaults.memory_class`); the device decides nothing else about its flags.
    """
    known: dict[tuple[int, BatchDefaults], Startup] = {}
    classes: dict[int, BatchDefaults] = {}
    held = list(pairs)
    rows = []
    for device, server in held:
        if id(device) not in classes:
            classes[id(device)], _ = memory_class(device, engine)
        key = (id(server), classes[id(device)])
        if key not in known:
            known[key] = startup_of(model, device, server, engine=engine, coefficients=coefficients)
        rows.append((known[key], device))
    return _columns(rows)


def _columns(rows: list[tuple[Startup, Device]]) -> Columns:
    """Return start-ups, each on the device beside it; equal objects are looked at once."""
    startups, of_row = _once([startup for startup, _ in rows])
    devices, on = _once([device for _, device in rows])
    flags_kinds, flags_kind = _coded([_startup_kind(startup) for startup in startups])
    _, device_kind = _coded([_device_kind(device) for device in devices])
    codes = device_kind[on] * len(flags_kinds) + flags_kind[of_row]
    _, first, kind = np.unique(codes, return_index=True, return_inverse=True)
    flags = [startup.flags for startup in startups]
    return Columns(
        kinds=tuple(replace(rows[at][0], device=rows[at][1]) for at in first.tolist()),
        kind=kind,
        memory_bytes=_wholes([device.memory_bytes for device in devices])[on],
        neighbours_bytes=_wholes([startup.neighbours_bytes for startup in startups])[of_row],
        gpu_memory_utilization=np.array([one.gpu_memory_utilization for one in flags])[of_row],
        kv_cache_memory_bytes=_wholes([one.kv_cache_memory_bytes or 0 for one in flags])[of_row],
        max_model_len=_wholes([one.max_model_len for one in flags])[of_row],
        max_num_seqs=_wholes([one.max_num_seqs for one in flags])[of_row],
        max_num_batched_tokens=_wholes([one.max_num_batched_tokens for one in flags])[of_row],
    )


def _once(values: list[_Value]) -> tuple[list[_Value], Wholes]:
    """Return each object once, and the place of each value among them."""
    places: dict[int, int] = {}
    found: list[_Value] = []
    each = []
    for value in values:
        place = places.setdefault(id(value), len(found))
        if place == len(found):
            found.append(value)
        each.append(place)
    return found, _wholes(each)


def _coded(keys: list[tuple[object, ...]]) -> tuple[dict[tuple[object, ...], int], Wholes]:
    """Return a number for each different key, and the number of each key."""
    codes: dict[tuple[object, ...], int] = {}
    each = [codes.setdefault(key, len(codes)) for key in keys]
    return codes, _wholes(each)


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
    kinds: dict[tuple[object, ...], Startup] = {}
    places, kind = dict[tuple[object, ...], int](), []
    for values in zip(*(_plain(columns[name]) for name in names), strict=True):
        key = tuple(_device_kind(one) if isinstance(one, Device) else one for one in values)
        if key not in places:
            places[key] = len(kinds)
            kinds[key] = _changed(startup, dict(zip(names, values, strict=True)))
        kind.append(places[key])
    return tuple(kinds.values()), _wholes(kind)


def _plain(column: Sequence[Any] | Wholes | Reals) -> Sequence[Any]:
    """Return numbers of numpy as Python's own."""
    values: Sequence[Any] = column.tolist() if isinstance(column, np.ndarray) else column
    return values


def _changed(startup: Startup, values: dict[str, Any]) -> Startup:
    server, flags = startup.server, startup.flags
    device = values.pop("device", startup.device)
    quantization = values.pop("quantization", server.quantization)
    return replace(
        startup,
        device=device,
        server=replace(server, quantization=quantization),
        flags=replace(flags, **values),
    )


def _device_kind(device: Device) -> tuple[object, ...]:
    """What of a device, beside its memory, decides a term or a refusal."""
    return isinstance(device.share, Exclusive), *board_kind(device)


def _startup_kind(startup: Startup) -> tuple[object, ...]:
    """What of a start-up, beside its numbers and its device, decides a term or a refusal."""
    flags = startup.flags
    return (
        flags.kv_cache_memory_bytes is None, flags.dtype, flags.kv_cache_dtype, flags.block_size,
        flags.tensor_parallel, flags.pipeline_parallel, flags.expert_parallel, flags.enforce_eager,
        flags.chunked_prefill, flags.prefix_caching, startup.quantization, startup.lora_ranks,
    )  # fmt: skip


def _wholes(values: Sequence[Any] | Wholes | Reals) -> Wholes:
    return np.asarray(values, np.int64)
