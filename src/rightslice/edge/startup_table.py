"""Tables of real start-ups: what each row was started with, in the catalogue's words.

The columns are those of `benchmarks/data/MEMORY_LOGS.md`; a cell that the source does not state is
empty. A release that is missing is looked for in the remarks, else the newest one is taken.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from rightslice.core.catalog.device import Device, device_of
from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.catalog.model import Model
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive
from rightslice.core.sizing.result import Phase
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.huggingface.reading import read_config
from rightslice.errors import RightsliceError
from rightslice.units import GIB

_ERAS: Final = {"V0": "0.6.6", "V1": "0.8.5"}
_DTYPES: Final = frozenset({"auto", "bfloat16", "float16", "float32", "half", "float"})
_LORA: Final = "LoRA enabled"
_SERVES_WITHOUT: Final = "serves without LoRA"
_USUAL_RANK: Final = 48
"""Where LoRA is on and nothing states the rank: between 32 and 64, the usual ones."""
_RUNTIME_QUANTIZATION: Final = frozenset({"fp8"})
_PHASES: Final = (
    (r"warming up sampler", Phase.WARM_UP),
    (r"KV cache is needed|needs more KV|needs [\d.]+ GiB|estimated max|no KV cache room",
     Phase.CACHE),
    (r"No available memory for the cache", Phase.CACHE),
    (r"Free memory on device", Phase.LOAD),
    (r"max_model_len \d+ > derived", Phase.CONFIG),
)  # fmt: skip
"""What remarks quote of a failed start, and the phase whose error it is."""
_INCONSISTENT: Final = re.compile(r"CAUTION|inconsistent")
Row = Mapping[str, str]


def number(row: Row, column: str) -> float | None:
    """Return a cell's number; None when it is empty or not given."""
    text = row.get(column) or ""
    try:
        return float(text)
    except ValueError:
        return None


def whole(row: Row, column: str) -> int | None:
    """Return a cell's whole number."""
    value = number(row, column)
    return None if value is None else int(value)


def phase_named(row: Row) -> Phase | None:
    """Return the phase in which the row's server died, as its remarks and figures state it.

    A pool of nothing, or one that holds fewer tokens than one request, is stated in figures.
    """
    notes = row.get("notes") or ""
    for pattern, phase in _PHASES:
        if re.search(pattern, notes):
            return phase
    pool, tokens, length = (number(row, name) for name in ("kv_cache_gib", "kv_tokens",
                                                           "max_model_len"))  # fmt: skip
    if pool is not None and pool <= 0:
        return Phase.CACHE
    short = tokens is not None and length is not None and tokens < length
    return Phase.CACHE if short else None


def is_inconsistent(row: Row) -> bool:
    """Whether the table itself says that the row's figures contradict each other."""
    return _INCONSISTENT.search(row.get("notes") or "") is not None


def with_carried_remarks(rows: Iterable[Row]) -> list[Row]:
    """Return *rows*; where remarks say "as above", those of the row before follow them."""
    found: list[Row] = []
    for row in rows:
        notes = row.get("notes") or ""
        if notes.startswith("as above") and found:
            found.append({**row, "notes": f"{notes}; {found[-1].get('notes') or ''}"})
        else:
            found.append(row)
    return found


def find_model(row: Row, models: Path | None) -> Model | None:
    """Return the row's architecture from the folder or the catalogue."""
    identity = row.get("hf_id") or row.get("model") or ""
    name = identity.replace("/", "__")
    try:
        if models is not None and (models / f"{name}.json").is_file():
            beside = models / f"{name}.hf_quant_config.json"
            quant = beside.read_text(encoding="utf-8") if beside.is_file() else None
            text = (models / f"{name}.json").read_text(encoding="utf-8")
            return read_config(text, where=name, quant_text=quant)
        return Catalog().model(identity)
    except RightsliceError:
        return None


def find_engine(row: Row) -> EngineRelease:
    """Return the release, from its column, else from the remarks, else the newest."""
    notes = row.get("notes") or ""
    stated = re.search(r"(?<![\d.])0\.\d+(\.\d+)?", row.get("vllm_version") or notes)
    era = next((version for key, version in _ERAS.items() if notes.startswith(key)), None)
    try:
        return Catalog().engine(stated.group() if stated else era)
    except RightsliceError:
        return Catalog().engine(era)


def find_device(row: Row) -> tuple[Device, bool]:
    """Return the row's device, and whether its memory is known at all."""
    given = number(row, "gpu_mem_gib")
    memory = None if given is None else round(given * GIB)
    try:
        gpu = Catalog().gpu(row.get("gpu") or "")
    except RightsliceError:
        gpu = dataclasses.replace(Catalog().gpu("H100-SXM-80GB"), memory_bytes=memory or 80 * GIB)
        return device_of(gpu, Exclusive(), memory_bytes=memory), memory is not None
    return device_of(gpu, Exclusive(), memory_bytes=memory), True


def server_of(row: Row) -> ServerConfig:
    """Return the flags that the row states."""
    dtype = row.get("dtype") or None
    quantization = row.get("quantization") or None
    cache = row.get("kv_cache_dtype") or None
    return ServerConfig(
        tensor_parallel=whole(row, "tp") or 1,
        pipeline_parallel=whole(row, "pp") or 1,
        gpu_memory_utilization=number(row, "gpu_memory_utilization"),
        max_model_len=whole(row, "max_model_len"),
        max_num_seqs=whole(row, "max_num_seqs"),
        max_num_batched_tokens=whole(row, "max_num_batched_tokens"),
        dtype=dtype if dtype in _DTYPES else None,
        quantization=quantization if quantization in _RUNTIME_QUANTIZATION else None,
        kv_cache_dtype="fp8" if cache is not None and cache.startswith("fp8") else None,
        enforce_eager=(row.get("enforce_eager") or "").lower() == "true",
        block_size=whole(row, "block_size") or None,
        max_loras=_lora_slots(row),
        max_lora_rank=whole(row, "max_lora_rank") or _USUAL_RANK,
    )


def _lora_slots(row: Row) -> int:
    """Return the LoRA slots, from their column, else from the remarks."""
    stated = whole(row, "max_loras")
    notes = row.get("notes") or ""
    return stated if stated is not None else int(_LORA in notes and _SERVES_WITHOUT not in notes)
