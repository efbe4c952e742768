"""Predicted against measured: error by source, and what share of rows the 90 % band holds.

    .venv/bin/python benchmarks/perf_accuracy.py [--data CSV] [--points 0]
        [--series group|config] [--leave-out pair|gpu|source] [--capacity] [--json OUT]

Works on any file with the columns named in benchmarks/data/PERF_POINTS.md; without --data on the
table of vLLM rows beside it. A (model, board) pair of the tables there is predicted with constants
refitted without the pair, any other pair with the shipped ones. --leave-out gpu refits without all
rows of the board, --leave-out source with rows of other sources only, of any engine and age. Rows
on MIG slices are in no such fit. With --points K, K rows of each series are taken as measured,
those that our own advice asks for, and the rest is predicted. --capacity adds decisions on the
largest batch within a TPOT target. Rows that cannot be predicted (an unknown model, board or
length) are named and are null in the JSON document.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from parts.perf_capacity import (
    AIM,
    TRIED,
    Curves,
    chosen_without_pair,
    curves_of,
    decisions,
    line,
    read_off,
)

from rightslice.core.catalog.estimate import Estimate
from rightslice.core.catalog.share import MigSlice
from rightslice.core.perf.advice import advise
from rightslice.core.perf.calibrate import calibrate
from rightslice.core.perf.fitting import fit, fit_without, prior_of
from rightslice.core.perf.observation import (
    Observation,
    doubt_as_measured,
    step_for,
    tokens_per_second_as_measured,
    tpot_as_measured,
    ttft_as_measured,
)
from rightslice.core.perf.result import PerfConstants
from rightslice.edge.perf_constants import load_constants
from rightslice.edge.perf_points import Unread, read_points, read_rows
from rightslice.errors import InputError

OWN: Final = Path(__file__).parent / "data" / "perf_points.csv"
OTHER_ENGINES: Final = OWN.with_name("perf_points_other_engines.csv")
SLICE_SERIES: Final = "mig_h200_mlperf_llama8b_raw"
_VAGUE_LOG_SD: Final = 0.05
"""Further doubt where the prompt length is the middle of an estimate."""
_FALLBACK: Final = "2026"
_SURE: Final = 0.9
_SHOWN: Final = (0.5, 0.56, 0.6, _SURE)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One row, predicted."""

    point: Observation
    tpot: Estimate
    ttft: Estimate
    tokens_per_second: float


def constants_for(
    points: Sequence[Observation], leave_out: str = "pair"
) -> dict[int, PerfConstants]:
    """Return the constants of every row, by row number: its own pair is never in their fit."""
    shipped = load_constants()
    known = [
        point
        for table in (OWN, OTHER_ENGINES)
        for point in read_points(table)
        if not isinstance(point.device.share, MigSlice)
    ]
    found: dict[int, PerfConstants] = {}
    for era, members in _by_era(points, shipped).items():
        base = shipped[era]
        fitted = _refitted(era, known, leave_out)
        for point in members:
            is_slice = isinstance(point.device.share, MigSlice)
            own = base if is_slice else fitted.get(_key(point, leave_out), base)
            found[point.row] = replace(
                own,
                log_sd_tpot=base.log_sd_tpot,
                log_sd_ttft=base.log_sd_ttft,
                log_sd_host=base.log_sd_host,
                log_sd_new_gpu=base.log_sd_new_gpu,
                fitted_gpus=_boards_left(base, point, leave_out),
            )
    return found


def _by_era(
    points: Sequence[Observation], shipped: Mapping[str, PerfConstants]
) -> dict[str, list[Observation]]:
    """Return points by the era whose constants serve: of an unknown engine, vLLM's of its year."""
    found: dict[str, list[Observation]] = defaultdict(list)
    for point in points:
        year = point.era[-4:]
        known = (era for era in (point.era, year, _FALLBACK) if era in shipped)
        found[next(known)].append(point)
    return found


def _key(point: Observation, leave_out: str) -> Hashable:
    return {"pair": point.pair, "gpu": point.device.gpu_name, "source": point.source}[leave_out]


def _refitted(
    era: str, known: Sequence[Observation], leave_out: str
) -> dict[Hashable, PerfConstants]:
    same = [point for point in known if point.era == era]
    if leave_out != "source":
        return fit_without(same, prior_of(era), [_key(point, leave_out) for point in same])
    found: dict[Hashable, PerfConstants] = {}
    for source in {point.source for point in same}:
        others = [point for point in known if point.source != source and not point.is_set_aside]
        found[source] = fit(others, prior_of(era))
    return found


def _boards_left(base: PerfConstants, point: Observation, leave_out: str) -> tuple[str, ...]:
    if leave_out == "pair":
        return base.fitted_gpus
    return tuple(gpu for gpu in base.fitted_gpus if gpu != point.device.gpu_name)


def calibrated(
    points: Sequence[Observation], constants: dict[int, PerfConstants], kind: str, count: int
) -> tuple[dict[int, PerfConstants], set[int]]:
    """Return the constants of every row after *count* measured rows of its series, and those rows.

    Which rows are measured depends on where they lie and not on what came out.
    """
    series: dict[tuple[str, ...], list[Observation]] = defaultdict(list)
    for point in points:
        series[series_of(point, kind)].append(point)
    found: dict[int, PerfConstants] = {}
    used: set[int] = set()
    for members in series.values():
        measured = [point for point in members if point.tpot_seconds is not None]
        measured = measured or [point for point in members if point.ttft_seconds is not None]
        prior = constants[members[0].row]
        chosen = [measured[i] for i in advise(measured, measured, prior, count)] if measured else []
        moved = calibrate(chosen, prior).constants if chosen else prior
        used |= {point.row for point in chosen}
        found |= dict.fromkeys((point.row for point in members), moved)
    return found, used


def predict(point: Observation, constants: PerfConstants) -> Answer:
    """Return the prediction of one row, in the way it was measured."""
    doubt = doubt_as_measured(point, constants)
    vague = _VAGUE_LOG_SD if point.is_vague else 0.0
    return Answer(
        point=point,
        tpot=Estimate(tpot_as_measured(point, constants), math.hypot(doubt.tpot, vague)),
        ttft=Estimate(ttft_as_measured(point, constants), math.hypot(doubt.ttft, vague)),
        tokens_per_second=tokens_per_second_as_measured(point, constants),
    )


def series_of(point: Observation, kind: str) -> tuple[str, ...]:
    """Return the series that a row belongs to."""
    group = (point.source, point.engine.split()[0], *point.pair)
    if kind == "group":
        return group
    formats = sorted({g.format.name for g in point.model.groups})
    return (*group, f"tp{point.served.tensor_parallel}", "+".join(formats))


def error(predicted: Estimate, measured: float) -> float:
    """Return the absolute relative error."""
    return abs(predicted.expected / measured - 1)


def p90_of(errors: Sequence[float]) -> float:
    """Return the error that nine rows of ten stay below."""
    return sorted(errors)[min(int(0.9 * len(errors)), len(errors) - 1)]


def _summary(name: str, pairs: Sequence[tuple[Estimate, float]]) -> str:
    errors = sorted(error(guess, truth) for guess, truth in pairs)
    inside = sum(guess.low <= truth <= guess.high for guess, truth in pairs) / len(pairs)
    width = statistics.median(guess.high / guess.low for guess, _ in pairs)
    p90 = p90_of(errors)
    return (
        f"{name:<44}{len(pairs):>6}{statistics.median(errors):>9.1%}{statistics.mean(errors):>9.1%}"
        f"{p90:>9.1%}{inside:>9.0%}{width:>9.2f}"
    )


def _table(title: str, rows: dict[str, list[tuple[Estimate, float]]]) -> None:
    print(f"\n{title}")
    print(f"{'':<44}{'rows':>6}{'MdAPE':>9}{'mean':>9}{'p90':>9}{'in band':>9}{'hi/lo':>9}")
    for name, pairs in sorted(rows.items()):
        print(_summary(name, pairs))
    print(_summary("all", [pair for pairs in rows.values() for pair in pairs]))


def report(answers: Sequence[Answer], series: str, count: int) -> None:
    """Print the error tables of rows that were not measured for the fit."""
    tpot: dict[str, list[tuple[Estimate, float]]] = defaultdict(list)
    ttft: dict[str, list[tuple[Estimate, float]]] = defaultdict(list)
    arrivals: dict[str, list[tuple[Estimate, float]]] = defaultdict(list)
    groups: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for answer in answers:
        point = answer.point
        if isinstance(point.device.share, MigSlice):
            continue
        label = f"{point.source} {point.engine.split()[0]} ({point.era})"
        if point.tpot_seconds is not None:
            tpot[label].append((answer.tpot, point.tpot_seconds))
            groups[series_of(point, series)].append(error(answer.tpot, point.tpot_seconds))
        if point.ttft_seconds is not None:
            ttft[label].append((answer.ttft, point.ttft_seconds))
            known = (
                "all at once (a static batch)" if point.is_static_ttft else "clients, or unknown"
            )
            arrivals[f"arrivals: {known}"].append((answer.ttft, point.ttft_seconds))
    if tpot:
        _table(f"TPOT, whole cards, {count} points of a series measured", tpot)
        medians = [statistics.median(errors) for errors in groups.values()]
        tails = [p90_of(errors) for errors in groups.values()]
        print(
            f"median over {len(medians)} series ({series}): {statistics.median(medians):.1%},"
            f" of their 90th percentiles: {statistics.median(tails):.1%}"
        )
    if ttft:
        _table(f"TTFT, whole cards, {count} points of a series measured", ttft)
        for name, pairs in arrivals.items():
            print(_summary(name, pairs))
    _report_slices([a for a in answers if isinstance(a.point.device.share, MigSlice)])


def _report_slices(answers: Sequence[Answer]) -> None:
    if not answers:
        return
    print("\nMIG slices")
    heading = ("source", "model", "input", "running", "measured", "predicted", "error", "in band")
    print(f"{heading[0]:<30}{heading[1]:<14}" + "".join(f"{name:>10}" for name in heading[2:]))
    series = []
    for answer in answers:
        point, guess = answer.point, answer.tpot
        if point.tpot_seconds is None:
            continue
        off = guess.expected / point.tpot_seconds - 1
        if point.source == SLICE_SERIES:
            series.append(abs(off))
        stored = min(g.format.bytes_per_parameter for g in point.model.groups)
        inside = "yes" if guess.low <= point.tpot_seconds <= guess.high else "no"
        print(
            f"{point.source:<30}{f'{stored:g} B/weight':<14}{point.traffic.input.mean:>10.0f}"
            f"{point.sequences:>10.0f}{point.tpot_seconds * 1e3:>7.2f} ms"
            f"{guess.expected * 1e3:>7.2f} ms{off:>+10.1%}{inside:>10}"
        )
    if series:
        print(f"{SLICE_SERIES}: mean error of {len(series)} rows {statistics.mean(series):.1%}")


def _json_row(answer: Answer, *, used_for_fit: bool) -> dict[str, float | int | bool | None]:
    latencies = {
        f"{name}{end}_ms": _number(getattr(estimate, part) * 1e3)
        for name, estimate in (("tpot", answer.tpot), ("ttft", answer.ttft))
        for end, part in (("", "expected"), ("_low", "low"), ("_high", "high"))
    }
    return {
        "row": answer.point.row,
        "used_for_fit": used_for_fit,
        **latencies,
        "output_tok_s": _number(answer.tokens_per_second * answer.point.replicas),
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _null_row(row: int) -> dict[str, float | int | bool | None]:
    names = ("tpot", "tpot_low", "tpot_high", "ttft", "ttft_low", "ttft_high")
    nothing = {f"{name}_ms": None for name in names}
    return {"row": row, "used_for_fit": False, **nothing, "output_tok_s": None}


def _readable(path: Path) -> tuple[list[Observation], list[Unread]]:
    """Return the rows that can be predicted, and the others."""
    points, others = [], []
    for found in read_rows(path):
        if isinstance(found, Unread):
            others.append(found)
            continue
        try:
            step_for(found, load_constants()[_FALLBACK])
        except InputError as error:
            others.append(Unread(row=found.row, reason=str(error)))
        else:
            points.append(found)
    return points, others


def _report_capacity(
    points: Sequence[Observation], prior: dict[int, PerfConstants], answers: Sequence[Answer]
) -> None:
    curves = curves_of(points, lambda point: series_of(point, "config"))
    if not curves:
        return
    print(f"\nlargest batch within a TPOT target, {len(curves)} curves, 3 points of each measured")
    print(
        f"{'confidence':<34}{'targets':>8}{'median':>9}{'within 10 %':>12}{'over':>12}{'under':>12}"
    )
    tried = _tried(curves, prior)
    for confidence in _SHOWN:
        by_pair = tried[confidence]
        print(f"{confidence:<34.0%}" + line([e for errors in by_pair.values() for e in errors]))
    print(f"{'chosen on the other pairs':<34}" + line(chosen_without_pair(tried)))
    expected = [error for errors in tried[TRIED[0]].values() for error in errors]
    aimed = [(1 + error) * AIM - 1 for error in expected]
    print(f"{'half the tolerance below 50 %':<34}" + line(aimed))
    guesses = {answer.point.row: answer.tpot.expected for answer in answers}
    read = [error for rows in curves.values() for error in read_off(rows, guesses)]
    print(f"{'read off the predictions above':<34}" + line(read))


Errors = dict[tuple[str, str], list[float]]


def _tried(curves: Curves, prior: dict[int, PerfConstants]) -> dict[float, Errors]:
    """Return the errors of all decisions by confidence and pair, three points of each measured."""
    tried: dict[float, Errors] = {one: defaultdict(list) for one in (*TRIED, _SURE)}
    for rows in curves.values():
        own = prior[rows[0].row]
        chosen = [rows[index] for index in advise(rows, rows, own, 3)]
        moved = calibrate(chosen, own).constants
        found = decisions(rows, moved, list(tried))
        for errors, own_errors in zip(tried.values(), found, strict=True):
            errors[rows[0].pair] += own_errors
    return tried


def main() -> int:
    """Predict every row, print the tables, write the document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", type=Path, default=OWN)
    parser.add_argument("--points", type=int, default=0)
    parser.add_argument("--series", choices=("group", "config"), default="group")
    parser.add_argument("--leave-out", choices=("pair", "gpu", "source"), default="pair")
    parser.add_argument("--capacity", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    points, unread = _readable(arguments.data)
    for row in unread:
        print(f"row {row.row}: not predicted: {row.reason}")
    prior = constants_for(points, arguments.leave_out)
    constants, used = prior, set[int]()
    if arguments.points:
        constants, used = calibrated(points, prior, arguments.series, arguments.points)
    answers = [predict(point, constants[point.row]) for point in points]
    rest = [answer for answer in answers if answer.point.row not in used]
    report(rest, arguments.series, arguments.points)
    if arguments.capacity:
        _report_capacity(points, prior, answers)
    if arguments.json is not None:
        rows = [_json_row(answer, used_for_fit=answer.point.row in used) for answer in answers]
        rows += [_null_row(row.row) for row in unread]
        rows.sort(key=lambda row: row["row"] or 0)
        arguments.json.write_text(json.dumps({"rows": rows}, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
