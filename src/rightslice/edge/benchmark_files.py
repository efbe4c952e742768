"""Measured points from the files that benchmarks write.

Read are the JSON of ``vllm bench serve --save-result`` and of the older ``benchmark_serving.py``
(one object, a list of them, or one a line), and CSV with the columns concurrency, input_len,
output_len, tpot_ms and, where there are any, ttft_ms and tp. A run at a request rate counts with
the mean number of requests that it had in the system (Little's law).
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.traffic import ClosedLoop, Traffic
from rightslice.core.perf.observation import Observation, TpotKind
from rightslice.core.perf.work import ServedAs
from rightslice.core.sizing.kv_cache import kv_value_bytes
from rightslice.core.sizing.result import Sizing
from rightslice.errors import FieldError, InputError

_COLUMNS: Final = ("concurrency", "input_len", "output_len", "tpot_ms")
_KEYS: Final = ("completed", "total_input_tokens", "total_output_tokens", "mean_tpot_ms")


@dataclass(frozen=True, kw_only=True)
class BenchmarkRun:
    """One run: what was asked of the server and how fast it answered."""

    where: str
    """File and record, for people."""
    model: str | None
    """As the file names it."""
    concurrency: float
    input_tokens: float
    output_tokens: float
    tensor_parallel: int | None
    tpot_seconds: float
    ttft_seconds: float | None


def read_runs(path: Path) -> tuple[BenchmarkRun, ...]:
    """Return the runs in *path*.

    Raises:
        InputError: when the file cannot be read, is no such file, or a figure in it cannot be;
            the message names the file and the record.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    runs = _from_csv(path, text) if path.suffix.lower() == ".csv" else _from_json(path, text)
    found = tuple(runs)
    if not found:
        raise InputError(f"{path}: holds no run")
    return found


def observe(run: BenchmarkRun, sizing: Sizing) -> Observation:
    """Return *run* as a point of the sized server, to be predicted as it was measured."""
    concurrency = max(round(run.concurrency), 1)
    flags = sizing.flags
    return Observation(
        row=0,
        source=run.where,
        engine=f"vllm {sizing.engine.version}",
        era=sizing.engine.era,
        model=sizing.model,
        device=sizing.device,
        served=ServedAs(
            tensor_parallel=flags.tensor_parallel,
            kv_bytes_per_value=kv_value_bytes(flags),
            quantization=sizing.server.quantization,
        ),
        sequences=run.concurrency,
        traffic=Traffic(
            load=ClosedLoop(concurrency=concurrency),
            input=Lengths.fixed(max(round(run.input_tokens), 1)),
            output=Lengths.fixed(max(round(run.output_tokens), 1)),
        ),
        chunk_tokens=flags.max_num_batched_tokens,
        is_eager=flags.enforce_eager,
        tpot_kind=TpotKind.CLOSED_LOOP,
        is_static_ttft=False,
        is_vague=False,
        tpot_seconds=run.tpot_seconds,
        ttft_seconds=run.ttft_seconds,
    )


def _from_csv(path: Path, text: str) -> Iterator[BenchmarkRun]:
    rows = csv.DictReader(io.StringIO(text))
    missing = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise InputError(f"{path}: has no column {', '.join(missing)}")
    for row in rows:
        cells = {name: cell for name, cell in row.items() if cell}
        where = f"{path}:{rows.line_num}"
        yield BenchmarkRun(
            where=where,
            model=cells.get("model"),
            concurrency=_positive(cells, "concurrency", where),
            input_tokens=_positive(cells, "input_len", where),
            output_tokens=_positive(cells, "output_len", where),
            tensor_parallel=round(_positive(cells, "tp", where)) if "tp" in cells else None,
            tpot_seconds=_positive(cells, "tpot_ms", where) / 1e3,
            ttft_seconds=_positive(cells, "ttft_ms", where) / 1e3 if "ttft_ms" in cells else None,
        )


def _from_json(path: Path, text: str) -> Iterator[BenchmarkRun]:
    for number, record in enumerate(_records(path, text), start=1):
        where = f"{path}, record {number}"
        missing = [key for key in _KEYS if key not in record]
        if missing:
            raise FieldError(
                where,
                missing[0],
                "is missing: this is not the JSON of `vllm bench serve --save-result`",
            )
        yield _run(record, where)


def _records(path: Path, text: str) -> list[Mapping[str, object]]:
    try:
        found = json.loads(text)
    except ValueError as whole:
        try:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError:
            raise InputError(f"{path}: is not JSON, or not all of it is there: {whole}") from None
    records = found if isinstance(found, list) else [found]
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise InputError(f"{path}, record {number}: is no object with a run's figures")
    return records


def _run(record: Mapping[str, object], where: str) -> BenchmarkRun:
    completed = _positive(record, "completed", where)
    outputs = _positive(record, "total_output_tokens", where) / completed
    tpot = _positive(record, "mean_tpot_ms", where) / 1e3
    has_ttft = record.get("mean_ttft_ms") is not None
    ttft = _positive(record, "mean_ttft_ms", where) / 1e3 if has_ttft else None
    if record.get("max_concurrency") is not None:
        running = _positive(record, "max_concurrency", where)
    else:
        stay = (ttft or 0.0) + max(outputs - 1, 0.0) * tpot
        running = max(completed / _positive(record, "duration", where) * stay, 1.0)
    model = record.get("model_id")
    return BenchmarkRun(
        where=where,
        model=model if isinstance(model, str) else None,
        concurrency=running,
        input_tokens=_positive(record, "total_input_tokens", where) / completed,
        output_tokens=outputs,
        tensor_parallel=None,
        tpot_seconds=tpot,
        ttft_seconds=ttft,
    )


def _positive(record: Mapping[str, object], key: str, where: str) -> float:
    value = record.get(key)
    try:
        number = float(value) if isinstance(value, int | float | str) else math.nan
    except ValueError:
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number) or number <= 0:
        raise FieldError(where, key, f"{value!r} must be a number above zero")
    return number
