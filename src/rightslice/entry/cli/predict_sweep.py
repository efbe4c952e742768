"""``predict --sweep``: the prediction over a range or list of one quantity, or of several.

``concurrency=1..256`` doubles, ``rate=1..9:2`` goes in steps of 2, ``tp=1,2,4`` lists;
``gpu=H100-80GB,A100-80GB:3g.40gb`` names boards and slices. ``concurrency`` alone goes to what
memory holds.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from typing import Final

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.estimate import Estimate
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.traffic import ClosedLoop, OpenLoop, Slo, Traffic
from rightslice.core.perf.capacity import capacity_of
from rightslice.core.perf.predict import predict
from rightslice.core.perf.queueing import STABLE_UTILIZATION
from rightslice.core.perf.result import Latency, PerfConstants, Prediction
from rightslice.core.sizing.result import Sizing
from rightslice.entry.cli.console import tracked
from rightslice.errors import InputError
from rightslice.units import parse_rate, parse_tokens

MOST_POINTS: Final = 100_000
"""Ten seconds; more is a typing error."""


class Axis(Enum):
    """What may be swept."""

    CONCURRENCY = "concurrency"
    RATE = "rate"
    INPUT = "input-tokens"
    OUTPUT = "output-tokens"
    RANKS = "tp"
    GPU = "gpu"


@dataclass(frozen=True, kw_only=True)
class SweepRow:
    """One point of a sweep."""

    gpu: str
    """Board, and profile where it is a slice."""
    tensor_parallel: int
    input_tokens: float
    output_tokens: float
    concurrency: int | None
    """In a closed loop; None under a rate."""
    requests_per_second: float
    """Served."""
    running: float
    waiting: float | None
    """Beyond what runs; None where the queue never settles."""
    tpot: Estimate
    tpot_p95_seconds: float
    ttft: Estimate
    ttft_p95_seconds: float
    output_tokens_per_second: Estimate
    capacity_sequences: int
    limit: str
    """What limits the capacity."""
    held: bool
    """At the point estimate: nothing waits, the rate is stable, the targets are met."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What ``predict --sweep`` answers."""

    axes: tuple[str, ...]
    rows: tuple[SweepRow, ...]


@dataclass(frozen=True, kw_only=True)
class Plant:
    """What is predicted where nothing is swept, and how another board or rank count is sized."""

    device: str
    tensor_parallel: int
    sized: Callable[[str, int], Sizing]
    """For a board or slice as typed, and a tensor-parallel size."""
    constants: Callable[[Device], PerfConstants]
    input: Lengths
    output: Lengths
    load: ClosedLoop | OpenLoop | None
    """None where the sweep gives it."""
    prefix_hit_ratio: float
    slo: Slo | None


Values = Mapping[Axis, Sequence[float | str]]


def read_axes(texts: Sequence[str]) -> Values:
    """Return the values of each axis in *texts*; none for an axis without values.

    Raises:
        InputError: when there is no such axis, or its values cannot be read.
    """
    found: dict[Axis, Sequence[float | str]] = {}
    for text in texts:
        name, _, values = text.partition("=")
        axis = next((one for one in Axis if one.value == name.strip()), None)
        if axis is None or axis in found:
            known = ", ".join(one.value for one in Axis)
            raise InputError(f"--sweep {text}: sweeps are of {known}, each once")
        if axis is not Axis.CONCURRENCY and not values:
            raise InputError(f"--sweep {text}: give values, as in {name}=1..8 or {name}=1,2,4")
        if axis is Axis.GPU:
            found[axis] = tuple(item.strip() for item in values.split(",") if item.strip())
        else:
            found[axis] = tuple(_numbers(axis, values)) if values else ()
    if Axis.CONCURRENCY in found and Axis.RATE in found:
        raise InputError("--sweep takes either concurrency or rate")
    if math.prod(max(len(values), 1) for values in found.values()) > MOST_POINTS:
        raise InputError(f"--sweep has more than {MOST_POINTS:,} points")
    return found


def _numbers(axis: Axis, text: str) -> list[float]:
    first, dots, rest = text.partition("..")
    if not dots:
        return [_number(axis, item) for item in text.split(",") if item.strip()]
    last, colon, step = rest.partition(":")
    low, high = _number(axis, first), _number(axis, last)
    if high < low:
        raise InputError(f"--sweep {axis.value}={text}: {last} is below {first}")
    if not colon:
        doublings = [low * 2**power for power in range(int(math.log2(high / low) + 1e-9) + 1)]
        return doublings if math.isclose(doublings[-1], high) else [*doublings, high]
    each = _number(axis, step)
    count = int((high - low) / each + 1e-9) + 1
    if count > MOST_POINTS:
        raise InputError(f"--sweep {axis.value}={text} has more than {MOST_POINTS:,} points")
    return [low + each * index for index in range(count)]


def _number(axis: Axis, text: str) -> float:
    value = text.strip()
    try:
        if axis is Axis.RATE:
            return parse_rate(value if "/" in value else f"{value}/s")
        number = parse_tokens(value)
    except InputError as error:
        raise InputError(f"--sweep {axis.value}: {error}") from None
    if number < 1:
        raise InputError(f"--sweep {axis.value}: {value} must be at least 1")
    return float(number)


def predict_points(values: Values, plant: Plant) -> Sweep:
    """Return the prediction at every combination of *values*.

    Raises:
        InputError: when no load is given, or a figure of a board is unknown.
    """
    if plant.load is None and Axis.CONCURRENCY not in values and Axis.RATE not in values:
        raise InputError("give a load: --concurrency or --rate, or sweep one of them")
    axes = {axis: own or _all_clients(plant) for axis, own in values.items()}
    points: list[dict[Axis, float | str]] = [
        dict(zip(axes, each, strict=True)) for each in itertools.product(*axes.values())
    ]
    rows = tuple(_row(point, plant) for point in tracked(points, "predicting"))
    return Sweep(axes=tuple(axis.value for axis in axes), rows=rows)


def _all_clients(plant: Plant) -> list[float | str]:
    """Return doublings of the clients that run at once, and what memory holds."""
    sizing = plant.sized(plant.device, plant.tensor_parallel)
    traffic = Traffic(load=ClosedLoop(concurrency=1), input=plant.input, output=plant.output)
    most = max(capacity_of(sizing, traffic).sequences, 1)
    doublings: list[float | str] = [float(1 << power) for power in range(most.bit_length())]
    return doublings if doublings[-1] == most else [*doublings, float(most)]


def _row(point: Mapping[Axis, float | str], plant: Plant) -> SweepRow:
    board = str(point.get(Axis.GPU, plant.device))
    ranks = int(point.get(Axis.RANKS, plant.tensor_parallel))
    sizing = plant.sized(board, ranks)
    traffic = _traffic(point, plant)
    guess = predict(sizing, traffic, constants=plant.constants(sizing.device))
    load = traffic.load
    return SweepRow(
        gpu=sizing.device.label,
        tensor_parallel=ranks,
        input_tokens=traffic.input.mean,
        output_tokens=traffic.output.mean,
        concurrency=load.concurrency if isinstance(load, ClosedLoop) else None,
        requests_per_second=guess.requests_per_second.expected,
        running=guess.running,
        waiting=guess.waiting if math.isfinite(guess.waiting) else None,
        tpot=guess.tpot.mean,
        tpot_p95_seconds=guess.tpot.p95.expected,
        ttft=guess.ttft.mean,
        ttft_p95_seconds=guess.ttft.p95.expected,
        output_tokens_per_second=guess.output_tokens_per_second,
        capacity_sequences=guess.capacity.sequences,
        limit=guess.capacity.limit,
        held=_is_held(guess, plant.slo),
    )


def _traffic(point: Mapping[Axis, float | str], plant: Plant) -> Traffic:
    load = plant.load
    if Axis.CONCURRENCY in point:
        load = ClosedLoop(concurrency=round(float(point[Axis.CONCURRENCY])))
    if Axis.RATE in point:
        load = OpenLoop(requests_per_second=float(point[Axis.RATE]))
    assert load is not None
    return Traffic(
        load=load,
        input=_fixed(point.get(Axis.INPUT), plant.input),
        output=_fixed(point.get(Axis.OUTPUT), plant.output),
        prefix_hit_ratio=plant.prefix_hit_ratio,
    )


def _fixed(tokens: float | str | None, given: Lengths) -> Lengths:
    return given if tokens is None else Lengths.fixed(round(float(tokens)))


def _is_held(guess: Prediction, slo: Slo | None) -> bool:
    if not (guess.running > 0 and guess.waiting < 1):
        return False
    is_open = isinstance(guess.traffic.load, OpenLoop)
    if is_open and guess.utilization > STABLE_UTILIZATION * (1 + 1e-9):
        return False
    if slo is None:
        return True
    return _meets(guess.tpot, slo.tpot_percentile, slo.tpot_seconds) and _meets(
        guess.ttft, slo.ttft_percentile, slo.ttft_seconds
    )


def _meets(latency: Latency, percentile: float | None, target: float | None) -> bool:
    return target is None or latency.at(percentile).expected <= target


_MILLISECONDS: Final = ("tpot", "ttft")


def as_csv(rows: Sequence[SweepRow]) -> str:
    """Return *rows* as CSV: latencies in milliseconds under the names that ``calibrate`` reads."""
    out = io.StringIO()
    table = [dict(_cells(row)) for row in rows]
    writer = csv.DictWriter(out, fieldnames=list(table[0]) if table else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return out.getvalue()


def _cells(row: SweepRow) -> Iterator[tuple[str, object]]:
    renamed = {"tensor_parallel": "tp", "input_tokens": "input_len", "output_tokens": "output_len"}
    for item in fields(row):
        value = getattr(row, item.name)
        if isinstance(value, Estimate):
            factor, unit = (1e3, "_ms") if item.name in _MILLISECONDS else (1.0, "")
            for end, part in (("", value.expected), ("_low", value.low), ("_high", value.high)):
                yield f"{item.name}{end}{unit}", _text(part * factor)
        elif item.name.endswith("_p95_seconds"):
            yield item.name.replace("_seconds", "_ms"), _text(value * 1e3)
        else:
            yield renamed.get(item.name, item.name), _text(value)


def _text(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else ""
    return "" if value is None else value


def swept(row: SweepRow, axis: Axis) -> float:
    """Return the value of *axis* in *row*, to be drawn over."""
    match axis:
        case Axis.CONCURRENCY:
            return float(row.concurrency or 0)
        case Axis.RATE:
            return row.requests_per_second
        case Axis.INPUT:
            return row.input_tokens
        case Axis.OUTPUT:
            return row.output_tokens
        case Axis.RANKS | Axis.GPU:
            return float(row.tensor_parallel)
