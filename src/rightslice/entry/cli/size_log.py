"""``rightslice size --from-log``: a real start beside its prediction, term by term."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

from rich.table import Table

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.catalog.estimate import Band
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.sizing.result import Fits, LogAnswer, LoggedTerm, TooBig
from rightslice.core.sizing.stages import StagedSizing, staged_sizing
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.memory_coefficients import memory_coefficients
from rightslice.edge.vllm_log import LoggedStart, read_log
from rightslice.entry.cli.console import Output, console, print_json, warn
from rightslice.errors import InputError
from rightslice.units import GIB

_TOKENS = "kv tokens"


def compare_with_log(
    path: Path, model: str | None, device: Device, server: ServerConfig, version: str | None
) -> LogAnswer:
    """Return a start's terms beside their prediction; what is given wins over what is logged.

    Raises:
        InputError: when neither the log nor the command line names the model.
    """
    start = read_log(path)
    name = model or start.model
    if name is None:
        raise InputError(f"{path}: the log does not name its model; give it as MODEL")
    release = version or start.version
    if release is None:
        warn("the log does not say its release; the newest is taken, or give --engine-version")
    memory = start.total_memory_bytes
    if memory is not None and device.memory_origin == "catalogue":
        device = replace(device, memory_bytes=memory, memory_origin="log")
    staged = staged_sizing(
        Catalog().model(name),
        device,
        _merged(start.server, server),
        engine=Catalog().engine(version) if version is not None else _logged_engine(release),
        coefficients=memory_coefficients(),
    )
    return LogAnswer(sizing=staged.sizing, terms=_terms(staged, start), failure=start.failure)


def _logged_engine(release: str | None) -> EngineRelease:
    """Return the logged release; what the catalogue does not know (a development build) is told."""
    try:
        return Catalog().engine(release)
    except InputError as error:
        warn(f"{error}; the newest is taken, or give --engine-version")
        return Catalog().engine(None)


def _merged(logged: ServerConfig, given: ServerConfig) -> ServerConfig:
    default = ServerConfig()
    changed = {
        field.name: value
        for field in fields(ServerConfig)
        if (value := getattr(given, field.name)) != getattr(default, field.name)
    }
    return replace(logged, **changed)


def _terms(staged: StagedSizing, start: LoggedStart) -> tuple[LoggedTerm, ...]:
    bands = {
        "weights": staged.largest(lambda stage: stage.budget.weights),
        "activation": staged.largest(lambda stage: stage.budget.activation),
        "non-torch": staged.first.budget.non_torch,
        "cuda graphs": staged.largest(lambda stage: stage.budget.graphs),
        "kv cache": staged.first.budget.pool,
    }
    sizes = [
        LoggedTerm(name=name, predicted=band, logged=start.terms.get(name))
        for name, band in bands.items()
    ]
    tokens = LoggedTerm(name=_TOKENS, predicted=staged.sizing.kv.tokens, logged=start.tokens)
    return (*sizes, tokens)


def print_log_answer(answer: LogAnswer, output: Output) -> None:
    """Print the comparison."""
    if output is Output.JSON:
        print_json(answer)
        return
    sizing = answer.sizing
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("GiB")
    for name in ("low", "expected", "high", "logged", "error"):
        table.add_column(name, justify="right")
    for term in answer.terms:
        table.add_row(term.name, *_row(term))
    screen = console()
    screen.print(
        f"[bold]{sizing.model.name}[/] on [bold]{sizing.device.label}[/], vLLM"
        f" {sizing.engine.version}: predicted beside logged"
    )
    screen.print(table)
    screen.print(f"predicted: {_said(sizing.verdict)}")
    if answer.failure is not None:
        screen.print("logged:    it failed: ", end="")
        screen.print(answer.failure, markup=False, highlight=False)


def _said(verdict: Fits | TooBig) -> str:
    if isinstance(verdict, Fits):
        return "it starts"
    return f"it fails at {verdict.phase.value}: {verdict.reason}"


def _row(term: LoggedTerm) -> tuple[str, ...]:
    band: Band = term.predicted

    def text(value: int) -> str:
        return f"{value:,}" if term.name == _TOKENS else f"{value / GIB:.2f}"

    predicted = (text(band.low), text(band.expected), text(band.high))
    if term.logged is None:
        return (*predicted, "not logged", "")
    error = f"{(band.expected / term.logged - 1) * 100:+.1f} %" if term.logged else ""
    colour = "green" if band.low <= term.logged <= band.high else "yellow"
    return (*predicted, text(term.logged), f"[{colour}]{error}[/]")
