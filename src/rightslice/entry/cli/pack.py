"""`rightslice pack`: the fewest cards for a list of MIG slices, drawn, with the proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.packing.backends import Backend
from rightslice.core.packing.certificate import Claim, Holds, verify
from rightslice.core.packing.geometry import Layout, room
from rightslice.core.packing.offline import DoesNotFit, PackedCard, Packing, pack
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.certificate_file import read_certificate, write_certificate
from rightslice.edge.text_files import check_target
from rightslice.entry.cli.card_drawing import LEGEND, draw_card, draw_ruler, slot_width
from rightslice.entry.cli.console import Exit, Output, OutputOption, print_json
from rightslice.entry.cli.pack_nodes import answered, describe_nodes, is_file
from rightslice.entry.cli.slices import parse_slices
from rightslice.errors import InputError

_DRAWN_KINDS = 24
"""Longest picture, in different cards; the JSON form holds every card."""

SlicesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PROFILE=COUNT]...|FILE",
        help="The slices wanted: 1g.5gb=3 2g.10gb=2; or a pack file: nodes and workloads (YAML).",
    ),
]
BoardOption = Annotated[
    str | None,
    typer.Option("--gpu", metavar="GPU", help="The board, as in `catalog gpus`: H100-80GB."),
]
ReserveOption = Annotated[
    list[str],
    typer.Option(
        "--reserve", metavar="PROFILE=COUNT", help="Cut these as well and keep them free."
    ),
]
CertificateOption = Annotated[
    Path | None, typer.Option("--certificate", metavar="FILE", help="Write the proof to a file.")
]
VerifyOption = Annotated[
    Path | None,
    typer.Option("--verify", metavar="CERT", help="Check such a file instead, without a solver."),
]
GpusOption = Annotated[
    int | None, typer.Option("--gpus", min=0, help="Cards that there are; default: as needed.")
]


BackendOption = Annotated[
    Backend | None,
    typer.Option("--backend", help="Who cuts the cards: device-plugin takes counts alone."),
]
TimeLimitOption = Annotated[
    float, typer.Option("--time-limit", min=0.1, metavar="SECONDS", help="For a FILE's search.")
]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("pack")(pack_command)


def pack_command(  # noqa: PLR0913 - one parameter an option
    slices: SlicesArgument = None,
    *,
    gpu: BoardOption = None,
    gpus: GpusOption = None,
    reserve: ReserveOption = [],  # noqa: B006 - typer reads the default and never changes it
    certificate: CertificateOption = None,
    verify_file: VerifyOption = None,
    backend: BackendOption = None,
    time_limit: TimeLimitOption = 30.0,
    output: OutputOption = Output.TABLE,
) -> int:
    """The fewest GPUs that hold a list of MIG slices: drawn, and proven.

    A pack FILE holds nodes with their GPUs, CPU and memory, and workloads with the profiles that
    serve them: the cheapest GPUs that hold the most, with every slice's node.

    Example: rightslice pack --gpu A100-40GB 1g.5gb=3 2g.10gb=2
    """
    if verify_file is not None:
        if slices or gpu or reserve or gpus is not None or certificate is not None:
            raise InputError("--verify takes slices and GPU from the file; give nothing else")
        return _verified(verify_file, output)
    if slices and is_file(slices):
        if gpu or reserve or gpus is not None:
            raise InputError("a pack file names its nodes and its reserve; leave those options out")
        return _on_nodes(Path(slices[0]), (backend, certificate, time_limit), output)
    if gpu is None:
        raise InputError("name the board with --gpu, as in --gpu H100-80GB, or give a pack file")
    grid = _grid(gpu)
    wanted = parse_slices(slices or [])
    if certificate is not None:
        check_target(certificate)
    kept = parse_slices(reserve)
    answer = pack(grid, wanted, gpus, kept, backend)
    wanted = {name: wanted.get(name, 0) + kept.get(name, 0) for name in {**wanted, **kept}}
    if certificate is not None:
        write_certificate(certificate, _claim(wanted, answer))
    if output is Output.JSON:
        print_json(answer)
    else:
        for line in (*describe(grid, wanted, answer), *_proven_among(backend)):
            typer.echo(line)
    return Exit.DONE if isinstance(answer, Packing) else Exit.NO


def _on_nodes(
    path: Path, options: tuple[Backend | None, Path | None, float], output: Output
) -> int:
    ask, answer = answered(path, *options)
    if output is Output.JSON:
        print_json(answer)
    else:
        for line in describe_nodes(ask, answer):
            typer.echo(line)
    return Exit.NO if answer.left_over else Exit.DONE


def _grid(gpu: str) -> MigGrid:
    grid = Catalog().gpu(gpu).mig
    if grid is None:
        raise InputError(f"{gpu} has no MIG: its cards cannot be cut into slices")
    return grid


def _claim(wanted: Mapping[ProfileName, int], answer: Packing | DoesNotFit) -> Claim:
    packing = answer if isinstance(answer, Packing) else answer.packing
    return Claim(
        slices={name: count for name, count in wanted.items() if count},
        certificate=packing.certificate,
        at_least=packing.certified_bound,
    )


def _verified(path: Path, output: Output) -> int:
    claim = read_certificate(path)
    grid = _grid(claim.certificate.gpu)
    answer = verify(grid, claim)
    if output is Output.JSON:
        print_json(answer)
    elif isinstance(answer, Holds):
        total = _count(sum(claim.slices.values()), "slice")
        typer.echo(f"Holds: {total} of {grid.name} need at least {_count(answer.bound, 'GPU')}.")
        typer.echo(f"No layout of a card costs more than {answer.dearest}; the slices cost")
        typer.echo(f"{answer.cost}, rounded up {answer.bound}. No solver took part.")
    else:
        typer.echo(f"Fails: {answer.reason}.")
    return Exit.DONE if isinstance(answer, Holds) else Exit.NO


def describe(
    grid: MigGrid, wanted: Mapping[ProfileName, int], answer: Packing | DoesNotFit
) -> list[str]:
    """Return the answer as lines of text."""
    total = sum(wanted.values())
    cards = f"{_count(total, 'slice')} of {grid.name}"
    if isinstance(answer, Packing):
        used, headline = answer, f"{cards} fit on {_count(answer.gpus_used, 'GPU')}"
    else:
        used = answer.packing
        headline = f"{cards} do not fit on {_count(answer.gpus_given, 'GPU')}"
    if used.reserved:
        kept = ", ".join(f"{name}={count}" for name, count in used.reserved.items())
        headline += f"; of these, kept free: {kept}"
    return [headline, *_picture(grid, answer.cards), *_missing(answer), *_proof(used)]


def _picture(grid: MigGrid, cards: Sequence[PackedCard]) -> list[str]:
    if not cards:
        return []
    alike = [list(group) for _, group in groupby(cards, key=lambda card: card.layout)]
    drawn = alike[:_DRAWN_KINDS]
    width = slot_width(grid, [[(p, str(p.profile)) for p in run[0].layout] for run in drawn])
    titles = [_title(run) for run in drawn]
    column = max(len(title) for title in titles) + 2
    lines = ["", " " * column + draw_ruler(grid, width)]
    for title, run in zip(titles, drawn, strict=True):
        layout = run[0].layout
        picture = draw_card(grid, layout, width=width)
        lines.append(f"{title.ljust(column)}{picture}{_rest(grid, layout)}")
    if len(alike) > len(drawn):
        more = sum(len(run) for run in alike[len(drawn) :])
        lines.append(f"... and {_count(more, 'GPU')} more; --output json lists each")
    shown = [text for mark, text in LEGEND.items() if any(mark in line for line in lines)]
    if shown:
        lines.append(" " * (column + 1) + "   ".join(shown))
    if not all(run[0].certain for run in drawn):
        lines.append(
            "Start slots of profiles of equal compute may be swapped when only counts are given."
        )
    return [*lines, ""]


def _title(run: Sequence[PackedCard]) -> str:
    first, last = run[0].index, run[-1].index
    return f"GPU {first}" if first == last else f"GPU {first}-{last} ({len(run)}x)"


def _rest(grid: MigGrid, layout: Layout) -> str:
    """Return what the largest free room of a card would hold."""
    free = [p.profile for p in room(grid, layout) if "+" not in p.profile and "-" not in p.profile]
    if not free:
        return "  full"
    largest = max(
        free, key=lambda name: (grid.profile(name).memory_slots or 0, grid.profile(name).sms or 0)
    )
    return f"  room for {largest}"


def _missing(answer: Packing | DoesNotFit) -> list[str]:
    if isinstance(answer, Packing):
        return []
    left = ", ".join(f"{name}={count}" for name, count in answer.left_over.items())
    more = answer.gpus_needed - answer.gpus_given
    change = f"{_count(more, 'more GPU')} ({answer.gpus_needed:,} in all)"
    return [f"Left over: {left}", f"Smallest change: {change}, or leave those slices out."]


def _proof(packing: Packing) -> list[str]:
    prices = ", ".join(f"{name} {price}" for name, price in packing.certificate.prices.items())
    fewest = (
        f"Proven: no layout needs fewer than {_count(packing.gpus_bound, 'GPU')}."
        if packing.is_proven
        else f"Not proven: at least {_count(packing.gpus_bound, 'GPU')} are needed."
    )
    return [
        fewest,
        f"Certificate: at the prices {prices} no card's layout costs more than 1,",
        f"and the slices cost {_count(packing.certified_bound, 'GPU')} (rounded up).",
    ]


def _proven_among(backend: Backend | None) -> list[str]:
    if backend is not Backend.DEVICE_PLUGIN:
        return []
    return ["Of layouts whose start slots counts alone make certain; proven among those."]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
