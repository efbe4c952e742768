"""Measured points from the files that benchmarks write.

Read are JSON of ``vllm bench serve``, of the older ``benchmark_serving.py``, of guidellm and of
inference-perf (`benchmark_formats` tells them apart; one object, a list of them, or one a line),
and CSV with the columns concurrency, input_len, output_len, tpot_ms and, where there are any,
ttft_ms, tp, model, gpu and engine_version. A figure that cannot be is an error that names file and
record.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.traffic import ClosedLoop, Traffic
from rightslice.core.perf.observation import Observation, TpotKind
from rightslice.core.perf.work import ServedAs
from rightslice.core.sizing.kv_cache import kv_value_bytes
from rightslice.core.sizing.result import Sizing
from rightslice.edge.benchmark_formats import runs_in
from rightslice.edge.benchmark_run import BenchmarkRun, check_sizes, optional, positive, whole, word
from rightslice.errors import InputError
from rightslice.units import format_bytes

_COLUMNS: Final = ("concurrency", "input_len", "output_len", "tpot_ms")
_LARGEST_FILE: Final = 256 * 2**20
"""``--save-detailed`` with a hundred thousand requests stays below; a log by mistake does not."""


def read_runs(path: Path) -> tuple[BenchmarkRun, ...]:
    """Return the runs in *path*.

    Raises:
        InputError: when the file cannot be read, is of no tool known, or a figure in it cannot be;
            the message names the file and the record.
    """
    try:
        size = path.stat().st_size
        if size > _LARGEST_FILE:
            raise InputError(
                f"{path}: has {format_bytes(size)}, and no result of a benchmark has more than"
                f" {format_bytes(_LARGEST_FILE)}; leave out --save-detailed"
            )
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    runs = _from_csv(path, text) if path.suffix.lower() == ".csv" else _from_json(path, text)
    found = tuple(runs)
    if not found:
        raise InputError(f"{path}: holds no run")
    for run in found:
        check_sizes(run)
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
    rows = csv.DictReader(io.StringIO(text), restkey="")
    try:
        _check_columns(path, rows.fieldnames or ())
        for row in rows:
            yield _csv_run(path, rows.line_num, row)
    except csv.Error as error:
        raise InputError(f"{path}:{rows.line_num}: is no CSV: {error}") from None


def _check_columns(path: Path, given: Sequence[str]) -> None:
    missing = [name for name in _COLUMNS if name not in given]
    if not missing:
        return
    near = [name for name in given if name.split("_")[0] == missing[0].split("_")[0]]
    hint = f"; {near[0]} is there, but the column is {missing[0]}" if near else ""
    raise InputError(f"{path}: has no column {', '.join(missing)}{hint}")


def _csv_run(path: Path, line: int, row: Mapping[str, str | list[str]]) -> BenchmarkRun:
    where = f"{path}:{line}"
    if "" in row:
        raise InputError(f"{where}: has more cells than the header has columns")
    cells = {name: cell for name, cell in row.items() if cell}
    ttft = optional(cells, "ttft_ms", where)
    return BenchmarkRun(
        where=where,
        model=word(cells, "model"),
        concurrency=positive(cells, "concurrency", where),
        input_tokens=positive(cells, "input_len", where),
        output_tokens=positive(cells, "output_len", where),
        tensor_parallel=whole(cells, "tp", where),
        tpot_seconds=positive(cells, "tpot_ms", where) / 1e3,
        ttft_seconds=None if ttft is None else ttft / 1e3,
        engine_version=word(cells, "engine_version"),
        gpu=word(cells, "gpu"),
    )


def _from_json(path: Path, text: str) -> Iterator[BenchmarkRun]:
    for number, record in enumerate(_records(path, text), start=1):
        yield from runs_in(record, f"{path}, record {number}")


def _records(path: Path, text: str) -> Sequence[object]:
    try:
        found = json.loads(text)
    except RecursionError:
        raise InputError(f"{path}: is nested too deep for the result of a benchmark") from None
    except ValueError as whole_error:
        try:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError):
            raise InputError(
                f"{path}: is not JSON, or not all of it is there: {whole_error}"
            ) from None
    return found if isinstance(found, list) else [found]
