"""The tables of ``rightslice parse``: one for each workload, what is said and what is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from rightslice.entry.cli.console import console, readable
from rightslice.kube.parse.values import COLUMNS, Amount, Parsed, ParsedLoad, ParsedSlo

_SAID_ELSEWHERE = frozenset({"is_vllm_server", "model_how", "gpu_count", "gpu_in"})


def print_workloads(found: Sequence[tuple[Path, Parsed]]) -> None:
    """Print every workload of *found* with the file that it is from."""
    out = console()
    if not found:
        out.print("No workload: no pod, no object that makes pods, no vLLM argument list.")
    for number, (path, parsed) in enumerate(found):
        if number:
            out.print()
        out.print(Text(readable(_title(path, parsed)), style="bold"))
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in _rows(parsed):
            table.add_row(name, Text(readable(value)))
        out.print(table)


def _title(path: Path, parsed: Parsed) -> str:
    origin = parsed.origin
    what = "a vLLM server" if parsed.is_vllm_server else "no vLLM server"
    return f"{path}: {origin.object_kind or 'object'} {origin.name or '(no name)'}: {what}"


def _rows(parsed: Parsed) -> Iterator[tuple[str, str]]:
    for name in COLUMNS:
        value = getattr(parsed, name)
        if value is None or name in _SAID_ELSEWHERE:
            continue
        yield name.replace("_", " "), _text(name, value, parsed)
    if parsed.load is not None:
        yield "load", _load(parsed.load)
    if parsed.slo is not None:
        yield "targets", _slo(parsed.slo)
    for name in ("isolation", "mode", "group_size"):
        value = getattr(parsed, name)
        if value is not None:
            yield name.replace("_", " "), str(value)
    for field, why in parsed.assumed.items():
        yield "assumed", f"{field}: {why}"
    for field, why in parsed.refused.items():
        yield "not read", f"{field}: {why}"


def _text(name: str, value: object, parsed: Parsed) -> str:
    if name == "model":
        return f"{value} ({parsed.model_how})"
    if name == "gpu_resource":
        side = "limits and requests" if parsed.gpu_in == "both" else parsed.gpu_in
        return f"{value}: {parsed.gpu_count} (in {side})"
    return "yes" if value is True else str(value)


def _load(load: ParsedLoad) -> str:
    parts = [
        (load.concurrency, "concurrent"),
        (load.request_rate, "requests a second"),
        (load.input_len, "tokens in"),
        (load.output_len, "tokens out"),
    ]
    return ", ".join(f"{_amount(amount)} {unit}" for amount, unit in parts if amount is not None)


def _amount(amount: Amount) -> str:
    return " to ".join(map(str, amount)) if isinstance(amount, tuple) else str(amount)


def _slo(slo: ParsedSlo) -> str:
    targets = [("TPOT", slo.tpot_ms), ("TTFT", slo.ttft_ms)]
    text = ", ".join(f"{name} {value} ms" for name, value in targets if value is not None)
    return text if slo.percentile is None else f"{text} at p{slo.percentile * 100:g}"
