"""How the catalogue looks in a terminal: one table a list, one page an entry."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.catalog.gpu import Gpu, LinkKind, MatmulDtype
from rightslice.core.catalog.instance import InstanceType, Price, PriceKind
from rightslice.core.catalog.mig import MigGrid, MigProfile
from rightslice.core.catalog.source import Source
from rightslice.entry.cli.console import console
from rightslice.records import Json, to_json
from rightslice.units import GIB, format_bytes

if TYPE_CHECKING:
    from rightslice.edge.huggingface.catalog import ModelEntry

UNKNOWN: Final = "?"
_LEGEND: Final = "? = not known to the catalogue (or not supported by the board); never derived."
_BLOCKS: Final = "█▓"
_FREE: Final = "·"


def print_gpus(gpus: Sequence[Gpu]) -> None:
    """Print one line a board."""
    table = _table("GPU", ">GiB", ">GB/s", ">FP16", ">FP8", ">INT8", ">FP4", ">SMs", ">W", "MIG",
                   "as of")  # fmt: skip
    for gpu in gpus:
        rates = (_scaled(gpu.flops.get(dtype), 1e12) for dtype in MatmulDtype)
        grid = "yes" if gpu.mig else "no"
        table.add_row(
            gpu.name, _gib(gpu.memory_bytes), _scaled(gpu.bandwidth_bytes_per_second, 1e9),
            *rates, _text(gpu.sms), _text(gpu.power_watts), grid, gpu.source.date,
        )  # fmt: skip
    _print(
        table,
        "GiB as CUDA reports them; FP16 (and BF16), FP8, INT8, FP4 in dense TFLOP/s.",
        _LEGEND,
        "`rightslice catalog gpus NAME` prints the source of a board.",
    )


def print_gpu(gpu: Gpu) -> None:
    """Print all that is known of one board."""
    low, high = _gib(gpu.memory_low_bytes), _gib(gpu.memory_high_bytes)
    spread = "" if low == high else f" ({low} to {high} by driver, ECC or board)"
    link = "none" if gpu.link is LinkKind.NONE else f"{gpu.link.value}, "
    if gpu.link is not LinkKind.NONE:
        link += f"{_scaled(gpu.link_bytes_per_second, 1e9)} GB/s"
    rates = ((dtype.name, _scaled(gpu.flops.get(dtype), 1e12)) for dtype in MatmulDtype)
    rows = [
        ("also called", ", ".join(gpu.aliases) or "-"),
        ("architecture", gpu.architecture),
        ("compute capability", _text(gpu.compute_capability)),
        ("memory on the label", f"{gpu.memory_label_gb} GB"),
        ("memory CUDA reports", f"{_gib(gpu.memory_bytes)} GiB{spread}"),
        ("bandwidth", f"{_scaled(gpu.bandwidth_bytes_per_second, 1e9)} GB/s"),
        *((f"dense {name}", f"{rate} {_unit(name)}") for name, rate in rates),
        ("SMs", _text(gpu.sms)),
        ("link", link),
        ("power", f"{_text(gpu.power_watts)} W"),
        ("MIG", f"profiles of {gpu.mig.name}" if gpu.mig else "none"),
    ]
    _print_page(str(gpu.name), rows, gpu.note, gpu.source)


def print_grids(grids: Iterable[MigGrid], gpus: Sequence[Gpu]) -> None:
    """Print one line a GPU with MIG."""
    table = _table("MIG GPU", ">slots", ">slices", "profiles", "boards", "placements")
    for grid in grids:
        boards = [gpu.name for gpu in gpus if gpu.mig is not None and gpu.mig.name == grid.name]
        evidence = grid.placement_evidence.split(" (")[0].split("; ")[0].split(" + ")[0]
        names = " ".join(profile.name for profile in grid.profiles if profile.shape[-1] in "gd")
        table.add_row(
            grid.name, _text(grid.slots), str(grid.compute_slices), names, " ".join(boards),
            evidence,
        )  # fmt: skip
    _print(
        table,
        "Variants with other media or graphics engines (+me, -me, +gfx) are left out here.",
        _LEGEND,
        "`rightslice catalog mig NAME` prints every profile with its starts and its source.",
    )


def print_grid(grid: MigGrid) -> None:
    """Print every profile of one GPU, its legal starts drawn on the slots."""
    slots = "slots" if grid.slots is None else "".join(str(n % 10) for n in range(grid.slots))
    table = _table(
        "profile", ">id", ">GiB", ">SMs", ">most", "starts", slots, ">CE", ">DEC", ">ENC", ">JPG",
        ">OFA", title=f"{grid.name}: {_text(grid.slots)} slots, {grid.compute_slices} slices",
    )  # fmt: skip
    for profile in grid.profiles:
        engines = profile.engines
        counts = (engines.copy, engines.decoder, engines.encoder, engines.jpeg)
        table.add_row(
            profile.name, _text(profile.profile_id), _gib(profile.memory_bytes),
            _text(profile.sms), _text(profile.max_instances), _starts(profile),
            draw_slots(grid, profile), *map(_text, counts), _text(engines.optical_flow),
        )  # fmt: skip
    _print(
        table,
        "Slots: each legal start in turn as █ and ▓, slots it cannot reach as ·.",
        _LEGEND,
        f"Placements: {grid.placement_evidence}.",
        grid.note,
        f"Source ({grid.source.date}): {grid.source.text}",
    )


def draw_slots(grid: MigGrid, profile: MigProfile) -> str:
    """Return the slots that each legal start of a profile takes, or ``?`` when unknown."""
    if grid.slots is None or profile.starts is None or profile.memory_slots is None:
        return UNKNOWN
    row = [_FREE] * grid.slots
    for turn, start in enumerate(profile.starts):
        block = _BLOCKS[turn % len(_BLOCKS)]
        row[start : start + profile.memory_slots] = [block] * profile.memory_slots
    return "".join(row)


def print_engines(releases: Sequence[EngineRelease], newest: EngineRelease) -> None:
    """Print one line a range of vLLM releases."""
    table = _table("vLLM from", "core", ">utilization", ">seqs/tokens", ">from 70 GiB",
                   ">from 160 GiB", "graphs in budget", "as of")  # fmt: skip
    for release in releases:
        batches = [release.small, release.large if release.large_gpu_bytes else None, release.huge]
        table.add_row(
            release.first, release.generation, f"{release.gpu_memory_utilization:g}",
            *(f"{b.max_num_seqs}/{b.max_num_batched_tokens}" if b else "-" for b in batches),
            "yes" if release.graphs_in_budget else "no", release.source.date,
        )  # fmt: skip
    _print(
        table,
        f"Newest known, and assumed when none is given: {newest.version}. Server defaults of"
        " max-num-seqs and max-num-batched-tokens by GPU memory.",
        "`rightslice catalog engines VERSION` prints everything about a release and its source.",
    )


def print_models(entries: Iterable[ModelEntry]) -> None:
    """Print one line a model of the built-in table."""
    table = _table("model", "family", "also called", "as of")
    for entry in entries:
        table.add_row(entry.name, entry.family, ", ".join(entry.aliases), entry.source.date)
    _print(table, "`rightslice catalog models NAME` prints a model's facts and their source.")


def print_instances(types: Iterable[InstanceType], price_of: Callable[..., Price | None]) -> None:
    """Print one line an instance type, with prices of its cloud's default region."""
    table = _table("instance type", "GPUs", ">vCPUs", ">memory", ">EFA", ">$/h", ">spot $/h",
                   "as of")  # fmt: skip
    for instance in types:
        listed = price_of(instance.name, region=None, kind=PriceKind.ON_DEMAND)
        spot = price_of(instance.name, region=None, kind=PriceKind.SPOT)
        table.add_row(
            instance.name, _gpus_of(instance), _text(instance.vcpus),
            _size(instance.memory_bytes), _text(instance.efa_interfaces), _usd(listed),
            _usd(spot), _day(listed),
        )  # fmt: skip
    _print(
        table,
        "Prices of us-east-1 (AWS), us-central1 (GCP), eastus (Azure); AWS spot is undated, the"
        " median zone.",
        "? = not known to the catalogue; never derived.",
        "`rightslice catalog instances NAME` prints every region and the sources.",
    )


def print_instance(instance: InstanceType, prices: Sequence[Price]) -> None:
    """Print one instance type with its price in every region."""
    rows = [
        ("cloud", instance.cloud),
        ("GPUs", _gpus_of(instance)),
        ("the cloud's label", instance.gpu_label),
        ("vCPUs", _text(instance.vcpus)),
        ("memory", _size(instance.memory_bytes)),
        ("EFA interfaces", _text(instance.efa_interfaces)),
    ]
    _print_page(instance.name, rows, "", instance.source)
    table = _table("region", "kind", ">$/h", "as of")
    for price in prices:
        table.add_row(price.region, price.kind.value, _usd(price), _day(price))
    if prices:
        _print(table, *(f"Prices: {text}" for text in sorted({price.source for price in prices})))
    else:
        _print(None, "No price is known; give one with --prices.")


def print_facts(title: str, value: object) -> None:
    """Print every field of a value, nested ones with the path of their names."""
    table = _table("fact", "value", title=title)
    for name, text in _facts(to_json(value), ""):
        table.add_row(name, escape(text))
    _print(table, "? = not known, or does not apply.")


def _facts(value: Json, path: str) -> Iterable[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key != "kind" or not isinstance(item, str):
                yield from _facts(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for index, item in enumerate(value):
            yield from _facts(item, f"{path}[{index}]")
    elif isinstance(value, list):
        yield path, ", ".join(map(str, value)) or "-"
    elif isinstance(value, int | float) and path.endswith("_bytes"):
        yield path, format_bytes(value)
    else:
        yield path, _text(value)


def _table(*columns: str, title: str | None = None) -> Table:
    """A column that begins with ``>`` is of numbers and stands to the right."""
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for column in columns:
        number = column.startswith(">")
        table.add_column(column.lstrip(">"), justify="right" if number else "left",
                         overflow="fold", no_wrap=number)  # fmt: skip
    return table


def _print(table: Table | None, *notes: str) -> None:
    out = console()
    if table is not None:
        out.print(table)
    for note in filter(None, notes):
        out.print(escape(note), style="dim")


def _print_page(title: str, rows: Iterable[tuple[str, str]], note: str, source: Source) -> None:
    table = _table("", "", title=title)
    table.show_header = False
    for name, text in rows:
        table.add_row(name, escape(text))
    _print(table, note, _LEGEND, f"Source ({source.date}): {source.text}")


def _gpus_of(instance: InstanceType) -> str:
    board = instance.gpu or instance.gpu_label
    if instance.gpu_count == 0:
        return f"{instance.gpu_label.split(' ')[0]} {board}"
    return f"{instance.gpu_count} x {board}"


def _unit(dtype: str) -> str:
    return "TOPS" if dtype == MatmulDtype.INT8.name else "TFLOP/s"


def _starts(profile: MigProfile) -> str:
    return UNKNOWN if profile.starts is None else ",".join(map(str, profile.starts))


def _text(value: object) -> str:
    return UNKNOWN if value is None else str(value)


def _gib(size_bytes: int | None) -> str:
    return UNKNOWN if size_bytes is None else f"{size_bytes / GIB:.2f}"


def _size(size_bytes: int | None) -> str:
    return UNKNOWN if size_bytes is None else format_bytes(size_bytes)


def _scaled(figure: float | None, unit: float) -> str:
    return UNKNOWN if figure is None else f"{figure / unit:,.0f}"


def _usd(price: Price | None) -> str:
    return UNKNOWN if price is None else f"{price.usd_per_hour:,.4f}"


def _day(price: Price | None) -> str:
    day: dt.date | None = None if price is None else price.as_of
    return UNKNOWN if day is None else day.isoformat()
