"""Measured operating points from a CSV file, each ready to be predicted as it was measured.

Columns: source, model, hf_id, gpu, mig_profile, gpu_count, tp, weight_dtype, kv_dtype, engine,
engine_version, concurrency, input_len, output_len, tpot_ms, ttft_ms, output_tok_s, notes
(``key=value`` items separated by semicolons: tpot_def, dp, mnbt, est~a-b ...).
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from rightslice.core.catalog.device import Device, device_of
from rightslice.core.catalog.gpu import MatmulDtype
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.model import Model, ParameterGroup, Part, WeightFormat
from rightslice.core.catalog.share import Exclusive, MigSlice
from rightslice.core.catalog.traffic import ClosedLoop, Traffic
from rightslice.core.perf.observation import Observation, TpotKind
from rightslice.core.perf.work import ServedAs
from rightslice.edge.catalog_files import Catalog
from rightslice.errors import FieldError, InputError

_KINDS: Final = {
    "mean_or_median_(e2e-ttft)/(osl-1)": TpotKind.CLOSED_LOOP,
    "(e2e-ttft)/(osl-1)": TpotKind.DECODE_STEP,
    "mean_itl_all_tokens": TpotKind.CLOSED_LOOP,
    "median_itl_steady_state": TpotKind.MEDIAN_GAP,
    "decode_step": TpotKind.DECODE_STEP,
    "e2e_over_osl_INCLUDES_PREFILL": TpotKind.STATIC_BATCH,
    "max_num_seqs/throughput_INCLUDES_PREFILL": TpotKind.OCCUPANCY,
    "batch_e2e/128_INCLUDES_PREFILL": TpotKind.STATIC_BATCH,
}
_FP8: Final = WeightFormat(name="fp8", bytes_per_parameter=1.0, matmul=MatmulDtype.FP8)
_FORMATS: Final = {
    "fp8": _FP8,
    "fp8_block": _FP8,
    "int8": WeightFormat(name="int8", bytes_per_parameter=1.0, matmul=MatmulDtype.INT8),
    "nvfp4": WeightFormat(name="nvfp4", bytes_per_parameter=0.5625, matmul=MatmulDtype.FP4),
    "int4": WeightFormat(name="int4", bytes_per_parameter=0.53, matmul=MatmulDtype.FP16),
}
_TIMES: Final = ("tpot_ms", "ttft_ms")
_COLUMNS: Final = (
    "source",
    "model",
    "hf_id",
    "gpu",
    "mig_profile",
    "gpu_count",
    "tp",
    "weight_dtype",
    "kv_dtype",
    "engine",
    "engine_version",
    "concurrency",
    "input_len",
    "output_len",
    *_TIMES,
    "output_tok_s",
    "notes",
)
_LINEAR: Final = (Part.ATTENTION, Part.MLP, Part.EXPERT)
_DEFAULT_CHUNK: Final = 8192
"""Server default of vLLM on boards of 70 GiB and more (0.8 and newer)."""
_FIRST_OF_2026: Final = 12
"""Minor release of vLLM from which host work a sequence is a tenth of what 0.11 shows."""
_ESTIMATE: Final = re.compile(r"est~([\d.]+)-([\d.]+)")


@dataclass(frozen=True, kw_only=True)
class Unread:
    """A row of a file that is no point that can be predicted."""

    row: int
    reason: str


def read_points(path: Path) -> tuple[Observation, ...]:
    """Return the points of *path* in file order, without rows that hold no latency.

    Raises:
        InputError: when the file, a column or a cell cannot be read.
    """
    catalog = Catalog()
    points = []
    for number, row in enumerate(_rows(path)):
        try:
            points.append(_point(number, row, catalog))
        except (KeyError, ValueError) as error:
            raise FieldError(f"{path}:{number + 2}", "", f"not a measured point: {error}") from None
    return tuple(points)


def read_rows(path: Path) -> tuple[Observation | Unread, ...]:
    """Return every row of *path* in file order: a point, or why it is none.

    A time that is no number above zero counts as not measured. A row of an unknown model, board or
    profile, or without lengths or concurrency, is no point.

    Raises:
        InputError: when the file itself cannot be read.
    """
    catalog = Catalog()
    found: list[Observation | Unread] = []
    for number, row in enumerate(_rows(path)):
        filled = {name: row.get(name) or "" for name in _COLUMNS}
        times = {name: filled[name] for name in _TIMES if _is_time(filled[name])}
        try:
            found.append(_point(number, {**filled, **dict.fromkeys(_TIMES, ""), **times}, catalog))
        except (InputError, KeyError, ValueError, OverflowError) as error:
            found.append(Unread(row=number, reason=str(error)))
    return tuple(found)


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV: {error}") from None


def _is_time(cell: str) -> bool:
    try:
        value = float(cell)
    except ValueError:
        return False
    return math.isfinite(value) and value > 0


def _point(number: int, row: Mapping[str, str], catalog: Catalog) -> Observation:
    notes = dict(item.partition("=")[::2] for item in row["notes"].split(";"))
    tp = max(int(float(row["tp"] or 1)), 1)
    inputs, is_vague = _input(row, notes)
    replicas = max(int(notes.get("dp") or 1), 1)
    sequences = _positive(row, "concurrency") / replicas
    return Observation(
        row=number,
        source=row["source"],
        engine=f"{row['engine']} {row['engine_version']}".strip(),
        era=era_of(row["engine"], row["engine_version"]),
        model=stored_as(catalog.model(row["hf_id"]), row["weight_dtype"]),
        device=_device(catalog, row),
        served=ServedAs(
            tensor_parallel=tp, kv_bytes_per_value=1 if row["kv_dtype"].startswith("fp8") else 2
        ),
        sequences=sequences,
        traffic=Traffic(
            load=ClosedLoop(concurrency=max(round(sequences), 1)),
            input=Lengths.fixed(max(round(inputs), 1)),
            output=Lengths.fixed(max(round(_positive(row, "output_len")), 1)),
        ),
        chunk_tokens=int(notes.get("mnbt") or _DEFAULT_CHUNK),
        is_eager="no torch.compile/cudagraph" in row["notes"],
        tpot_kind=_KINDS.get(notes.get("tpot_def", ""), TpotKind.CLOSED_LOOP),
        is_static_ttft="static_batch" in notes,
        is_vague=is_vague,
        tpot_seconds=_seconds(row["tpot_ms"]),
        ttft_seconds=_seconds(row["ttft_ms"]),
        replicas=replicas,
        is_set_aside="set_aside" in notes,
    )


def era_of(engine: str, version: str) -> str:
    """Return the key of the constants for an engine: a plain year for vLLM 0.6 and newer.

    An engine of unstated version counts as recent.
    """
    if engine == "tgis":
        return "tgis-2023"
    match = re.match(r"(\d+)\.(\d+)", version)
    if version.startswith("2023") or (engine == "vllm" and match and int(match[2]) < 6):
        year = "2023"
    elif version.startswith("2024") or _is_old(engine, match):
        year = "2024"
    else:
        year = "2025"
    if engine != "vllm" or year == "2023":
        return f"{engine}-{year}"
    is_newer = match is None or int(match[1]) > 0 or int(match[2]) >= _FIRST_OF_2026
    return "2026" if year == "2025" and is_newer and version != "2025" else year


def _is_old(engine: str, match: re.Match[str] | None) -> bool:
    """Whether a version predates 2025: vLLM 0.6 and 0.7, TensorRT-LLM and SGLang before."""
    if match is None:
        return False
    major, minor = int(match[1]), int(match[2])
    newest_of_2024 = {"vllm": 7, "trtllm": 16, "sglang": 3}.get(engine, 0)
    return major == 0 and minor <= newest_of_2024


def _device(catalog: Catalog, row: Mapping[str, str]) -> Device:
    profile = row["mig_profile"]
    share = MigSlice(profile=ProfileName(profile)) if profile else Exclusive()
    gpu = catalog.gpu(row["gpu"])
    # step times do not depend on it, and some boards' figure is unknown
    memory = gpu.memory_bytes or gpu.memory_label_gb * 10**9
    return device_of(gpu, share, memory_bytes=None if profile else memory)


def _positive(row: Mapping[str, str], column: str) -> float:
    value = float(row[column] or "nan")
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{column} is {row[column] or 'empty'}, not a number above zero")
    return value


def _seconds(milliseconds: str) -> float | None:
    if not milliseconds:
        return None
    if not _is_time(milliseconds):
        raise ValueError(f"a time of {milliseconds} ms is no number above zero")
    return float(milliseconds) / 1000


def _input(row: Mapping[str, str], notes: Mapping[str, str]) -> tuple[float, bool]:
    """Return prompt tokens, and whether they are only the middle of a stated estimate."""
    if row["input_len"]:
        return _positive(row, "input_len"), any(key.startswith("lengths_vary") for key in notes)
    match = _ESTIMATE.search(row["notes"])
    if match is None:
        raise ValueError("no input length and no estimate of it")
    return (float(match[1]) + float(match[2])) / 2, True


@lru_cache(maxsize=256)
def stored_as(model: Model, weight_dtype: str) -> Model:
    """Return *model* with its 16-bit linear weights stored in *weight_dtype*."""
    stored = _FORMATS.get(weight_dtype)
    if stored is None:
        return model

    def converted(group: ParameterGroup) -> ParameterGroup:
        is_wide = group.format.bytes_per_parameter >= 2
        return replace(group, format=stored) if group.part in _LINEAR and is_wide else group

    return replace(
        model,
        layers=tuple(
            replace(layer, parameters=tuple(converted(group) for group in layer.parameters))
            for layer in model.layers
        ),
    )
