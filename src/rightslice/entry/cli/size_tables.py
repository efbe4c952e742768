"""How ``rightslice size`` looks in a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rightslice.core.sizing.explain import cache_arithmetic, weights_arithmetic
from rightslice.core.sizing.result import Change, Fits, MemoryTerm, SizeAnswer, Sizing, TooBig
from rightslice.entry.cli.console import console
from rightslice.units import GIB, format_gib, format_ratio

_BAR_WIDTH = 30
_COLOURS = {
    "weights": "blue",
    "activation": "magenta",
    "non-torch": "cyan",
    "cuda graphs": "yellow",
    "cuda context": "bright_black",
    "neighbours": "red",
    "kv cache": "green",
    "unused": "white",
}


def print_answer(answer: SizeAnswer) -> None:
    """Print the breakdown, the flags, the verdict and what would change it."""
    screen, sizing = console(), answer.sizing
    release = f"vLLM {sizing.engine.version}"
    screen.print(f"[bold]{escape(str(sizing.model.name))}[/] on [bold]{sizing.device.label}[/]")
    screen.print(
        f"{format_gib(sizing.device.memory_bytes)} as CUDA reports it"
        f" ({sizing.device.memory_origin}), {release}",
        style="dim",
    )
    screen.print(f"weights  {escape(weights_arithmetic(sizing))}")
    screen.print(f"cache    {escape(cache_arithmetic(sizing))}")
    screen.print()
    screen.print(_breakdown(sizing))
    screen.print()
    screen.print(_flags(sizing))
    screen.print()
    _print_verdict(screen, answer)
    if answer.comparison:
        screen.print()
        screen.print(_comparison((sizing, *answer.comparison)))


def _breakdown(sizing: Sizing) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("GiB")
    for name in ("low", "expected", "high"):
        table.add_column(name, justify="right")
    table.add_column("")
    for term in sizing.terms:
        table.add_row(term.name, *_band(term), _bar(term, sizing.device.memory_bytes))
    whole = f"{sizing.device.memory_bytes / GIB:.2f}"
    table.add_row("device", "", whole, "", "", style="bold")
    return table


def _band(term: MemoryTerm) -> tuple[str, str, str]:
    band = term.size_bytes
    expected = f"{band.expected / GIB:.2f}"
    if band.is_exact:
        return "", expected, ""
    return f"{band.low / GIB:.2f}", expected, f"{band.high / GIB:.2f}"


def _bar(term: MemoryTerm, whole_bytes: int) -> str:
    share = term.size_bytes.expected / whole_bytes
    if share < 0:
        return "[red]missing[/]"
    eighths = min(round(share * _BAR_WIDTH * 8), _BAR_WIDTH * 8)
    rest = " ▏▎▍▌▋▊▉"[eighths % 8].strip()
    full = "█" * (eighths // 8)
    beyond = "" if term.in_budget else " [dim]beyond the utilization[/]"
    return f"[{_COLOURS.get(term.name, 'white')}]{full}{rest}[/]{beyond}"


def _flags(sizing: Sizing) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("flag", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("origin", style="dim")
    for flag in sizing.flags.explained:
        table.add_row(f"--{flag.name}", str(flag.value), escape(flag.origin))
    return table


def _print_verdict(screen: Console, answer: SizeAnswer) -> None:
    sizing = answer.sizing
    verdict = sizing.verdict
    if isinstance(verdict, Fits):
        screen.print(
            f"[bold green]fits[/] (chance {format_ratio(verdict.probability)}): {_room(sizing)}"
        )
    else:
        _print_refusal(screen, answer, verdict)
    if answer.solved is not None:
        solved = answer.solved
        screen.print(f"[bold]--{solved.name} {solved.value}[/]: {solved.origin}")


def _room(sizing: Sizing) -> str:
    kv = sizing.kv
    return (
        f"{kv.tokens.expected:,} KV tokens ({kv.tokens.low:,} to {kv.tokens.high:,}),"
        f" {kv.full_length_requests:.2f} requests of {sizing.flags.max_model_len:,} tokens"
    )


def _print_refusal(screen: Console, answer: SizeAnswer, verdict: TooBig) -> None:
    screen.print(f"[bold red]does not fit[/] ({verdict.phase.value}): {escape(verdict.reason)}")
    screen.print(f"[dim]vLLM would print:[/] {escape(verdict.error_text)}")
    fix = answer.fix
    if fix is None:
        screen.print("no three changes make it fit on this device")
    else:
        changes = ", ".join(_change(change) for change in fix.changes)
        screen.print(f"[bold]fewest changes:[/] {escape(changes)} ({escape(fix.cost)})")
        screen.print(f"  then {_room(fix.sizing)}")
    for other in answer.other_fixes:
        if fix is None or other.changes != fix.changes:
            screen.print(f"or: {escape(other.cost)}")


def _change(change: Change) -> str:
    """Return a change as one would say it: flags with their dashes, devices by name."""
    if change.flag in ("checkpoint", "profile"):
        return str(change.value)
    return f"--{change.flag} {change.value}"


def _comparison(sizings: tuple[Sizing, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("GiB", no_wrap=True)
    for name in ("device", "weights", "activation", "graphs", "kv cache", "KV tokens", "requests"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    board = sizings[0].device.gpu_name
    for sizing in sizings:
        names = ("weights", "activation", "cuda graphs", "kv cache")
        sizes = [f"{sizing.term(name).size_bytes.expected / GIB:.2f}" for name in names]
        table.add_row(
            _place(sizing, board),
            f"{sizing.device.memory_bytes / GIB:.2f}",
            *sizes,
            f"{sizing.kv.tokens.expected:,}",
            f"{sizing.kv.full_length_requests:.2f}",
            _short_verdict(sizing),
        )
    return table


def _place(sizing: Sizing, board: str) -> str:
    """Return the profile alone on the board that the table is about."""
    label = sizing.device.label
    return label.removeprefix(board).strip() or "whole"


def _short_verdict(sizing: Sizing) -> str:
    verdict = sizing.verdict
    if isinstance(verdict, Fits):
        return "[green]fits[/]"
    if verdict.short_by_bytes == 0:
        return f"[red]{verdict.phase.value}[/]"
    return f"[red]{verdict.short_by_bytes / GIB:.2f} short[/]"
