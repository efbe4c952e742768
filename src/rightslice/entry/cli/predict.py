"""``rightslice predict``: how fast a server answers at a load, and where its curve bends."""

from __future__ import annotations

import datetime as dt
import math
from typing import Annotated

import typer

from rightslice.core.catalog.device import Device, device_of
from rightslice.core.catalog.estimate import Estimate
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive, MigSlice
from rightslice.core.catalog.traffic import ClosedLoop
from rightslice.core.perf.predict import outlook
from rightslice.core.perf.result import Latency, Outlook
from rightslice.core.sizing.memory import size
from rightslice.core.sizing.result import TooBig
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import constants_with
from rightslice.entry.cli.calibrations import Server, print_calibrations
from rightslice.entry.cli.console import Exit, Output, console, print_json
from rightslice.entry.cli.options import (
    CalibrationsOption,
    ConcurrencyOption,
    EngineVersionOption,
    GpuMemoryOption,
    GpuOption,
    InputOption,
    ModelArgument,
    OutputsOption,
    PercentileOption,
    PrefixHitOption,
    ProfileOption,
    RateOption,
    TpotOption,
    TtftOption,
    accepts_server_flags,
    read_outputs,
    read_slo,
    read_traffic,
)
from rightslice.entry.cli.plot import Mark, Plot, bar, draw, top
from rightslice.units import format_duration, format_rate

_BAR = 28
_SUREST = 0.9

PlotOption = Annotated[bool, typer.Option("--plot/--no-plot", help="Draw the curve.")]


def register(app: typer.Typer) -> None:
    """Add the verb to *app*."""
    app.command("predict")(accepts_server_flags(predict))


def predict(  # noqa: PLR0913 - one parameter an option
    *,
    model: ModelArgument,
    gpu: GpuOption,
    inputs: InputOption,
    output: OutputsOption,
    profile: ProfileOption = None,
    concurrency: ConcurrencyOption = None,
    rate: RateOption = None,
    tpot: TpotOption = None,
    ttft: TtftOption = None,
    percentile: PercentileOption = None,
    prefix_hit: PrefixHitOption = None,
    gpu_memory: GpuMemoryOption = None,
    engine_version: EngineVersionOption = None,
    calibrations: CalibrationsOption = None,
    plot: PlotOption = True,
    server: ServerConfig,
) -> int:
    """TPOT, TTFT, tokens a second and the knee of one server at a load.

    Example: rightslice predict opt-1.3b --gpu L4 --input 128 --output 128 --concurrency 16
    """
    lengths, form = read_outputs(output)
    traffic = read_traffic(inputs, lengths, concurrency, rate, prefix_hit)
    catalog = Catalog()
    share = Exclusive() if profile is None else MigSlice(profile=ProfileName(profile))
    device: Device = device_of(catalog.gpu(gpu), share, memory_bytes=gpu_memory)
    engine = catalog.engine(engine_version)
    constants = constants_with(calibrations)
    sizing = size(
        catalog.model(model), device, server, engine=engine, coefficients=constants.memory
    )
    perf = constants.of(engine, sizing.model, device.gpu_name)
    answer = outlook(
        sizing,
        traffic,
        read_slo(tpot, ttft, percentile),
        constants=perf,
    )
    if form is Output.JSON:
        print_json(answer)
    else:
        _print(answer, plot=plot)
        asked = Server(name="", model=sizing.model, engine=engine, gpu=str(device.gpu_name))
        print_calibrations(constants, [asked], dt.datetime.now(tz=dt.UTC).date())
    return Exit.DONE if answer.is_held else Exit.NO


def _print(answer: Outlook, *, plot: bool) -> None:
    sizing = answer.curve.sizing
    out = console()
    traffic = answer.prediction.traffic
    load = (
        f"{traffic.load.concurrency} concurrent"
        if isinstance(traffic.load, ClosedLoop)
        else format_rate(traffic.load.requests_per_second)
    )
    out.print(f"[bold]{sizing.model.name}[/] on [bold]{sizing.device.label}[/]", highlight=False)
    out.print(
        f"vLLM {sizing.engine.version}; input {traffic.input.text}, output {traffic.output.text},"
        f" {load}"
    )
    if isinstance(sizing.verdict, TooBig):
        out.print(f"\n[bold red]does not fit[/]: {sizing.verdict.reason}")
        return
    if math.isfinite(answer.prediction.tpot.mean.expected):
        _print_latencies(answer)
        _print_terms(answer)
    _print_capacity(answer)
    if plot and len(answer.curve.points) > 1:
        _print_curve(answer)
    _print_verdict(answer)


def _print_latencies(answer: Outlook) -> None:
    from rich.table import Table  # noqa: PLC0415 - rich loads where it is used

    guess = answer.prediction
    table = Table(box=None, padding=(0, 2, 0, 0), title_justify="left")
    for heading in ("", "mean", "90 % band", "p50", "p90", "p95", "p99"):
        table.add_column(heading, justify="left" if not heading else "right")
    rows: tuple[tuple[str, Latency], ...] = (
        ("TPOT", guess.tpot),
        ("TTFT", guess.ttft),
        ("whole request", guess.end_to_end),
    )
    for name, latency in rows:
        table.add_row(
            name,
            format_duration(latency.mean.expected),
            _band(latency.mean),
            *(
                format_duration(part.expected)
                for part in (latency.p50, latency.p90, latency.p95, latency.p99)
            ),
        )
    console().print()
    console().print(table)
    tokens, requests = guess.output_tokens_per_second, guess.requests_per_second
    console().print(
        f"{tokens.expected:,.0f} output tokens/s ({tokens.low:,.0f} to {tokens.high:,.0f}),"
        f" {format_rate(requests.expected)} requests; {guess.running:,.1f} running,"
        f" {guess.waiting:,.1f} waiting"
    )


def _band(estimate: Estimate) -> str:
    return f"{format_duration(estimate.low)} to {format_duration(estimate.high)}"


def _print_terms(answer: Outlook) -> None:
    from rich.table import Table  # noqa: PLC0415 - rich loads where it is used

    guess = answer.prediction
    whole = guess.tpot.mean.expected
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    for term in guess.terms:
        if term.seconds > 0:
            table.add_row(term.name, format_duration(term.seconds), bar(term.seconds / whole, _BAR))
    console().print(f"\nTime per output token, {format_duration(whole)}: {guess.bound.value} bound")
    console().print(table)


def _print_capacity(answer: Outlook) -> None:
    places = answer.prediction.capacity
    knee = answer.curve.knee
    console().print(
        f"\nCapacity: {places.sequences:,} sequences at once (at least {places.sequences_low:,}),"
        f" limited by {places.limit}"
    )
    if knee.concurrency:
        console().print(
            f"Knee: {knee.concurrency:,} concurrent, {knee.output_tokens_per_second:,.0f} tokens/s"
            f" at {format_duration(knee.tpot_seconds)} a token ({knee.binding})"
        )


def _print_curve(answer: Outlook) -> None:
    guess, knee = answer.prediction, answer.curve.knee
    held = [point for point in answer.curve.points if point.held]
    if len(held) < 2:
        return
    marks = [Mark(x=knee.output_tokens_per_second, y=knee.tpot_seconds, symbol="◆")]
    if math.isfinite(guess.tpot.mean.expected) and guess.waiting < 1:
        marks.append(
            Mark(
                x=guess.output_tokens_per_second.expected,
                y=guess.tpot.mean.expected,
                symbol="●",
            )
        )
    limit = answer.slo.tpot_seconds if answer.slo is not None else None
    picture = Plot(
        points=[(p.output_tokens_per_second.expected, p.tpot.expected) for p in held],
        marks=marks,
        limit=limit,
    )
    high = format_duration(top(picture))
    legend = "◆ knee   ● this load" + ("   ╌ TPOT target" if limit is not None else "")
    out = console()
    out.print(f"\nTPOT over output tokens/s, 1 to {held[-1].concurrency:,} concurrent    {legend}")
    for number, line in enumerate(draw(picture)):
        label = high if number == 0 else ""
        out.print(f"{label:>9} │{line}", markup=False)
    far = f"{held[-1].output_tokens_per_second.expected:,.0f} tokens/s"
    out.print(f"{'0':>9} └{'─' * picture.width}")
    out.print(f"{'':>11}0{far:>{picture.width - 1}}")


def _print_verdict(answer: Outlook) -> None:
    out = console()
    load = answer.prediction.traffic.load
    is_closed = isinstance(load, ClosedLoop)
    expected, surely = (
        f"{amount:,.0f} concurrent" if is_closed else f"{format_rate(amount)[:-2]} requests/s"
        for amount in (answer.largest.expected, answer.largest.at_90_percent)
    )
    within = "within the targets" if answer.slo is not None else "without queueing"
    what = "[bold green]held[/]" if answer.is_held else f"[bold red]not held[/]{_why(answer)}"
    out.print(
        f"\nThis load is {what}. Largest {within}: {expected} expected, {surely} with"
        " 90 % confidence."
    )


def _why(answer: Outlook) -> str:
    guess = answer.prediction
    if guess.waiting >= 1 and math.isfinite(guess.waiting) and not guess.utilization < 1:
        return f": {guess.waiting:,.0f} requests would queue"
    if not isinstance(guess.traffic.load, ClosedLoop) and guess.utilization > 0.85:
        return f": {guess.utilization:.0%} of the largest stable rate, and 85% is the most promised"
    return ": a latency target is missed"
