"""Tables of real start-ups: what each row was started with, in the catalogue's words.

The columns are those of `benchmarks/data/MEMORY_LOGS.md`; a cell that the source does not state is
empty. A release that is missing is looked for in the remarks, else the newest one is taken.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from rightslice.core.catalog.device import Device, device_of
from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.catalog.gpu import Gpu, GpuName
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.model import Model
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive, MigSlice
from rightslice.core.sizing.coefficients import release_number
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
_MOST: Final = 2**40
_MOST_GPUS: Final = 1024
_LARGEST_BLOCK: Final = 2**16
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
    """Return a cell's finite number; None when it is empty, not given, or no number."""
    try:
        value = float(row.get(column) or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) <= _MOST else None


def whole(row: Row, column: str) -> int | None:
    """Return a cell's whole number."""
    value = number(row, column)
    return None if value is None else int(value)


def _count(row: Row, column: str, *, most: int = _MOST) -> int | None:
    """Return a cell's flag; None for what vLLM would not take."""
    value = whole(row, column)
    return value if value is not None and 1 <= value <= most else None


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


def find_config(identity: str, models: Path) -> Path | None:
    """Return the config of a model in a folder of configs.

    Known forms: ``ORG__NAME.json``, ``NAME.json``, and ``config.json`` in a folder ``ORG__NAME``,
    ``ORG/NAME`` or ``NAME``; letter case does not matter in the first two.
    """
    full, short = identity.replace("/", "__"), identity.rpartition("/")[2]
    if not short or ".." in identity or identity.startswith("/"):
        return None
    folders = (models / full, models / identity, models / short)
    for path in (models / f"{full}.json", *(folder / "config.json" for folder in folders),
                 models / f"{short}.json"):  # fmt: skip
        if path.is_file():
            return path
    wanted = {f"{full}.json".lower(), f"{short}.json".lower()}
    near = (path for path in sorted(models.glob("*.json")) if path.name.lower() in wanted)
    return next(near, None)


def find_model(row: Row, models: Path | None) -> Model | None:
    """Return the row's architecture from the folder or the catalogue."""
    identity = (row.get("hf_id") or row.get("model") or "").strip()
    path = None if models is None else find_config(identity, models)
    try:
        if path is None:
            return Catalog().model(identity)
        stem = "" if path.name == "config.json" else f"{path.stem}."
        beside = path.with_name(f"{stem}hf_quant_config.json")
        quant = beside.read_text(encoding="utf-8") if beside.is_file() else None
        return read_config(path.read_text(encoding="utf-8"), where=path.name, quant_text=quant)
    except (RightsliceError, UnicodeDecodeError):
        return None


def find_engine(row: Row) -> EngineRelease:
    """Return the release, from its column, else from the remarks, else the newest.

    What is older than the catalogue knows is taken for its oldest, what is newer for its newest.
    """
    notes = row.get("notes") or ""
    stated = re.search(r"(?<![\d.])0\.(\d+)(\.\d+)?", row.get("vllm_version") or notes)
    era = next((version for key, version in _ERAS.items() if notes.startswith(key)), None)
    try:
        return Catalog().engine(stated.group() if stated else era)
    except RightsliceError:
        oldest = Catalog().engines()[0].first
        ancient = stated is not None and release_number(stated.group()) < release_number(oldest)
        return Catalog().engine(oldest if ancient else era)


def find_device(row: Row) -> tuple[Device, bool]:
    """Return the row's device, and whether its memory is known at all.

    A slice is named as torch names it (``NVIDIA H100 80GB HBM3 MIG 3g.40gb``). A board that the
    catalogue lacks has the row's memory and nothing else that is known.
    """
    given = number(row, "gpu_mem_gib")
    memory = None if given is None or given < 1 else round(given * GIB)
    board, _, profile = (row.get("gpu") or "").partition(" MIG ")
    gpu = _find_board(board)
    try:
        if gpu is not None and profile:
            return device_of(gpu, MigSlice(profile=ProfileName(profile)), memory_bytes=memory), True
        if gpu is not None:
            return device_of(gpu, Exclusive(), memory_bytes=memory), True
    except RightsliceError:
        pass  # a profile that the board lacks, or a board of unknown memory: the row's, then
    unknown = replace(
        gpu or Catalog().gpu("H100-SXM-80GB"), name=GpuName(board or "unknown"),
        memory_bytes=memory or 80 * GIB, compute_capability=None, mig=None,
    )  # fmt: skip
    return device_of(unknown, Exclusive(), memory_bytes=memory), memory is not None


def _find_board(text: str) -> Gpu | None:
    """Return the board that *text* names, be it several, of two kinds, or named in brackets."""
    plain = re.sub(r"^\s*\d+\s*x\s*", "", text)
    bracketed = re.findall(r"\(([^)]*)\)", plain)
    for name in (text, plain, re.sub(r"\s*\([^)]*\)", "", plain), plain.split("+")[0], *bracketed):
        try:
            return Catalog().gpu(name.strip())
        except RightsliceError:
            continue
    return None


def server_of(row: Row) -> ServerConfig:
    """Return the flags that the row states."""
    dtype, quantization = row.get("dtype") or None, row.get("quantization") or None
    cache = row.get("kv_cache_dtype") or None
    share = number(row, "gpu_memory_utilization")
    return ServerConfig(
        tensor_parallel=_count(row, "tp", most=_MOST_GPUS) or 1,
        pipeline_parallel=_count(row, "pp", most=_MOST_GPUS) or 1,
        gpu_memory_utilization=share if share is not None and 0 < share <= 1 else None,
        max_model_len=_count(row, "max_model_len"),
        max_num_seqs=_count(row, "max_num_seqs"),
        max_num_batched_tokens=_count(row, "max_num_batched_tokens"),
        dtype=dtype if dtype in _DTYPES else None,
        quantization=quantization if quantization in _RUNTIME_QUANTIZATION else None,
        kv_cache_dtype="fp8" if cache is not None and cache.startswith("fp8") else None,
        enforce_eager=(row.get("enforce_eager") or "").lower() == "true",
        block_size=_count(row, "block_size", most=_LARGEST_BLOCK),
        max_loras=_lora_slots(row),
        max_lora_rank=_count(row, "max_lora_rank") or _USUAL_RANK,
    )


def _lora_slots(row: Row) -> int:
    """Return the LoRA slots, from their column, else from the remarks."""
    stated = _count(row, "max_loras")
    notes = row.get("notes") or ""
    return stated if stated is not None else int(_LORA in notes and _SERVES_WITHOUT not in notes)
