"""Our predictions beside aiconfigurator's, on the same rows, in the same run: errors and times.

    .venv/bin/python benchmarks/perf_peers.py [--data CSV] [--cache FOLDER] [--install]
        [--rows N] [--points 0 3] [--json OUT]

aiconfigurator (ai-dynamo/aiconfigurator, Apache-2.0) runs in an environment of its own under
--cache; --install makes it (850 MB). Without it the script says so and prints our side alone. Our
figures are cross-validated as in perf_accuracy.py: no row's own (model, board) pair is in its fit.
The peer is used as it is. A row that the peer cannot predict counts for neither. --points K
measures K rows of each series, as our own advice asks; the peer has no such step, so these rows
count for neither. --rows N takes N rows spread evenly over the file, 0 all; a row costs the peer
about a second.

Closed-loop rows are asked of it as ``agg``, static batches as ``static``, and its latencies are
brought to each row's definition of TPOT. Llama-2 and Llama-3 are asked for under the config of
Llama-3.1 of the same size, which it ships.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections import Counter, defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from perf_accuracy import OWN, calibrated, constants_for, p90_of
from perf_accuracy import predict as predicted

from rightslice.core.catalog.share import MigSlice
from rightslice.core.perf.observation import Observation, TpotKind
from rightslice.edge.perf_points import read_points

PEER: Final = "aiconfigurator==0.12.0"
WORKER: Final = Path(__file__).parent / "parts" / "perf_peer_worker.py"
SHORT: Final = 24
"""Rows without --rows: half a minute of the peer."""
SYSTEMS: Final = {
    "A100-SXM-80GB": "a100_sxm", "H100-SXM-80GB": "h100_sxm", "H200-SXM-141GB": "h200_sxm",
    "B200-SXM-180GB": "b200_sxm", "GB200": "gb200", "L40S-48GB": "l40s",
    "H100-PCIe-80GB": "h100_pcie", "A100-PCIe-80GB": "a100_pcie",
}  # fmt: skip
"""Boards for which the peer has or estimates data; the A100 with 40 GB is none of them."""
MODELS: Final = {
    "llama-3.1-8b": "meta-llama/Meta-Llama-3.1-8B", "llama-3-8b": "meta-llama/Meta-Llama-3.1-8B",
    "llama-3.1-70b": "meta-llama/Meta-Llama-3.1-70B",
    "llama-3.3-70b": "meta-llama/Meta-Llama-3.1-70B",
    "llama-3-70b": "meta-llama/Meta-Llama-3.1-70B", "llama-2-70b": "meta-llama/Meta-Llama-3.1-70B",
    "qwen3-32b": "Qwen/Qwen3-32B", "gpt-oss-120b": "openai/gpt-oss-120b",
    "gpt-oss-20b": "openai/gpt-oss-20b", "qwen3-30b-a3b-thinking-2507": "Qwen/Qwen3-30B-A3B",
    "qwen3-coder-30b-a3b": "Qwen/Qwen3-30B-A3B",
}  # fmt: skip
"""The file's short names, and the configs that the peer ships."""
FORMATS: Final = {
    "fp16": "bfloat16", "bf16": "bfloat16", "fp8": "fp8", "fp8_block": "fp8_block",
    "nvfp4": "nvfp4",
}  # fmt: skip
_STATIC: Final = (TpotKind.DECODE_STEP, TpotKind.MEDIAN_GAP, TpotKind.STATIC_BATCH)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured row with what both sides say of it, in seconds."""

    point: Observation
    ours: tuple[float, float]
    theirs: tuple[float, float] | None
    our_seconds: float
    their_seconds: float | None


def python_of(cache: Path) -> Path:
    """Return the peer's interpreter under *cache*."""
    return cache / "aiconfigurator" / "bin" / "python"


def install(cache: Path) -> None:
    """Make the peer's environment under *cache*, unless it is there."""
    if python_of(cache).exists():
        return
    venv.create(cache / "aiconfigurator", with_pip=True)
    command = [str(python_of(cache)), "-m", "pip", "install", "--quiet", PEER]
    subprocess.run(command, check=True)


def asked(raw: dict[str, str], point: Observation) -> dict[str, Any] | None:
    """Return the peer's arguments for a row, or None where it has no such board or model."""
    system, model = SYSTEMS.get(raw["gpu"]), MODELS.get(raw["model"])
    is_slice = isinstance(point.device.share, MigSlice)
    if system is None or model is None or is_slice or raw["engine"] not in BACKENDS:
        return None
    notes = dict(item.partition("=")[::2] for item in raw["notes"].split(";"))
    ranks = point.served.tensor_parallel
    question: dict[str, Any] = {
        "model": model,
        "system": system,
        "mode": "static" if point.tpot_kind in _STATIC else "agg",
        "backend_name": raw["engine"],
        "isl": max(round(point.traffic.input.mean), 1),
        "osl": max(round(point.traffic.output.mean), 2),
        "batch_size": max(round(point.sequences), 1),
        "tp_size": ranks,
    }
    stored = FORMATS.get(raw["weight_dtype"])
    if stored is not None:
        question["gemm_quant_mode"] = stored
    if any(layer.experts is not None for layer in point.model.layers):
        spread = notes.get("ep", "")
        expert_parallel = int(spread) if spread.isdecimal() else 1
        question |= {
            "moe_tp_size": max(ranks // expert_parallel, 1),
            "moe_ep_size": expert_parallel,
        }
    return question


BACKENDS: Final = ("vllm", "trtllm", "sglang")


def ask(
    cache: Path, questions: dict[int, dict[str, Any]]
) -> tuple[dict[str, Any], dict[int, dict[str, Any]]]:
    """Return what the peer says of itself, and its answers by row; nothing when it is absent."""
    if not python_of(cache).exists():
        return {}, {}
    command = [str(python_of(cache)), str(WORKER)]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as lines:
        for row, question in questions.items():
            lines.write(json.dumps({"row": row, **question}) + "\n")
        lines.seek(0)
        with subprocess.Popen(
            command, stdin=lines, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout is not None
            about: dict[str, Any] = json.loads(process.stdout.readline())
            answers = {}
            for line in process.stdout:
                answer = json.loads(line)
                answers[answer["row"]] = answer
                if sys.stderr.isatty():
                    print(f"\r{len(answers)} of {len(questions)} rows", end="", file=sys.stderr)
    if process.returncode:
        print(f"the peer stopped after {len(answers)} of {len(questions)} rows", file=sys.stderr)
    return about, answers


def as_measured(point: Observation, tpot: float, ttft: float) -> tuple[float, float]:
    """Return the peer's latencies as the row defines them."""
    output = point.traffic.output.mean
    if point.tpot_kind in (TpotKind.STATIC_BATCH, TpotKind.OCCUPANCY):
        return (ttft + (output - 1) * tpot) / output, ttft
    return tpot, ttft


def compared(
    points: Sequence[Observation],
    told: dict[int, dict[str, Any]],
    count: int,
    rows: Container[int],
) -> list[Row]:
    """Return *rows* with both sides' predictions, without the *count* of a series measured."""
    constants, used = constants_for(points), set[int]()
    if count:
        constants, used = calibrated(points, constants, "group", count)
    found = []
    for point in points:
        if point.row not in rows or point.row in used:
            continue
        start = time.perf_counter()
        answer = predicted(point, constants[point.row])
        seconds = time.perf_counter() - start
        other = told.get(point.row, {})
        found.append(
            Row(
                point=point,
                ours=(answer.tpot.expected, answer.ttft.expected),
                theirs=(
                    as_measured(point, other["tpot_ms"] / 1e3, other["ttft_ms"] / 1e3)
                    if other.get("tpot_ms", 0) > 0
                    else None
                ),
                our_seconds=seconds,
                their_seconds=other.get("seconds"),
            )
        )
    return found


def raw_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows as the file has them."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def spread_over(questions: dict[int, dict[str, Any]], count: int) -> dict[int, dict[str, Any]]:
    """Return *count* of the questions, evenly spread over the file; all for 0."""
    keys = list(questions)
    if not count or count >= len(keys):
        return questions
    kept = {keys[index * len(keys) // count] for index in range(count)}
    return {key: item for key, item in questions.items() if key in kept}


def label(point: Observation) -> str:
    """Return the line of the table that a row belongs to."""
    return f"{point.source} {point.engine.split()[0]}"


def print_errors(rows: Sequence[Row], which: int, title: str) -> None:
    """Print the errors of both sides, source by source."""
    lines: dict[str, list[tuple[float, float | None]]] = defaultdict(list)
    for row in rows:
        point = row.point
        measured = (point.tpot_seconds, point.ttft_seconds)[which]
        if measured is None or (which and point.is_static_ttft):
            continue
        own = abs(row.ours[which] / measured - 1)
        other = None if row.theirs is None else abs(row.theirs[which] / measured - 1)
        for name in (label(point), "all"):
            lines[name].append((own, other))
    heads = ("rows", "MdAPE", "mean", "p90", "peer MdAPE", "mean", "p90")
    print(f"\n{title}\n{'':<40}" + "".join(f"{head:>11}" for head in heads))
    for name in sorted(lines, key=lambda name: (name == "all", name)):
        pairs = lines[name]
        cells = _errors([own for own, _ in pairs])
        cells += _errors([other for _, other in pairs if other is not None])
        print(f"{name:<40}{len(pairs):>11,}" + "".join(f"{cell:>11}" for cell in cells))


def _errors(found: Sequence[float]) -> list[str]:
    if not found:
        return ["-", "-", "-"]
    errors = statistics.median(found), statistics.mean(found), p90_of(found)
    return [f"{error:.1%}" for error in errors]


def print_times(rows: Sequence[Row], about: dict[str, Any]) -> None:
    """Print the time of a prediction on both sides and their ratio."""
    own = statistics.median(row.our_seconds for row in rows)
    print(f"\ntime of a prediction with its bands, ours: {own * 1e6:,.0f} us (median)")
    asked_for = [row.their_seconds for row in rows if row.their_seconds is not None]
    if asked_for:
        other = statistics.median(asked_for)
        print(
            f"theirs: {other * 1e3:,.0f} ms (median;"
            f" mean {statistics.mean(asked_for) * 1e3:,.0f} ms),"
            f" after {about['import_seconds']:.1f} s of import\n"
            f"ratio of the medians: {other / own:,.0f} (aim 1,000)"
        )


def main() -> int:
    """Compare, print the tables, write the document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", type=Path, default=OWN)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "rightslice-peers")
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--rows", type=int, default=SHORT)
    parser.add_argument("--points", type=int, nargs="+", default=[0])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.install:
        install(arguments.cache)
    points = [point for point in read_points(arguments.data) if point.tpot_seconds is not None]
    raw = raw_rows(arguments.data)
    possible = {point.row: asked(raw[point.row], point) for point in points}
    known = {row: question for row, question in possible.items() if question is not None}
    questions = spread_over(known, arguments.rows)
    about, told = ask(arguments.cache, questions)
    print_peer(about, told, arguments.cache)
    documents = {}
    for count in arguments.points:
        rows = compared(points, told, count, questions)
        both = [row for row in rows if row.theirs is not None] if about else rows
        what = f"{count} points of a series measured"
        print_errors(both, 0, f"TPOT, {what}")
        print_errors(both, 1, f"TTFT of single requests, {what}")
        print_times(both, about)
        documents[count] = [as_json(row) for row in rows]
    if arguments.json is not None:
        document = {"peer": about.get("version"), "points": documents}
        arguments.json.write_text(json.dumps(document, indent=1), encoding="utf-8")
    return 0


def print_peer(about: dict[str, Any], told: dict[int, dict[str, Any]], cache: Path) -> None:
    """Say which peer answered, and on how many rows, or that there is none."""
    if not about:
        print("=" * 78)
        print(f"THE PEER IS ABSENT: no aiconfigurator under {cache}.")
        print("Give --install to put it there, or --cache. What follows is our side alone.")
        print("=" * 78)
        return
    errors = Counter(item["error"].partition(":")[0] for item in told.values() if "error" in item)
    refused = ", ".join(f"{name} {count}" for name, count in errors.items())
    print(
        f"aiconfigurator {about['version']}: {len(told) - errors.total()} of {len(told)} rows"
        f" predicted; not predicted by it: {refused or 'none'}"
    )


def as_json(row: Row) -> dict[str, float | None]:
    """Return one row in milliseconds."""
    theirs = row.theirs or (math.nan, math.nan)
    figures = {
        "tpot_ms": row.ours[0],
        "ttft_ms": row.ours[1],
        "peer_tpot_ms": theirs[0],
        "peer_ttft_ms": theirs[1],
    }
    told = {name: value * 1e3 if math.isfinite(value) else None for name, value in figures.items()}
    return {"row": row.point.row, **told}


if __name__ == "__main__":
    raise SystemExit(main())
