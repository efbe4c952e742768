"""``rightslice size``: memory of one server on one device, term by term."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from rightslice.core.catalog.device import Device, device_of
from rightslice.core.catalog.gpu import Gpu
from rightslice.core.catalog.model import Model
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive, MigSlice, Share
from rightslice.core.catalog.speculate import with_draft
from rightslice.core.sizing.explain import explain, term_called
from rightslice.core.sizing.fixes import (
    all_single_fixes,
    largest_max_model_len,
    largest_max_num_seqs,
    smallest_fix,
)
from rightslice.core.sizing.memory import size, size_startup
from rightslice.core.sizing.result import Fits, Flag, SizeAnswer, Sizing
from rightslice.core.sizing.startup import Startup, startup_of
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.memory_coefficients import memory_coefficients
from rightslice.entry.cli.console import Exit, Output, OutputOption, print_json
from rightslice.entry.cli.options import (
    EngineVersionOption,
    GpuMemoryOption,
    GpuOption,
    accepts_server_flags,
)
from rightslice.errors import InputError
from rightslice.units import parse_bytes

_WHOLE = "whole"


class Solve(Enum):
    """Settings whose largest fitting value can be asked for."""

    MAX_MODEL_LEN = "max-model-len"
    MAX_NUM_SEQS = "max-num-seqs"


_ModelArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL", help="Hugging Face id, short name, or path of a local config.json."
    ),
]
_ProfilesOption = Annotated[
    list[str] | None,
    typer.Option("--profile", metavar="P", help="A MIG profile of it; repeat to compare."),
]
_CompareOption = Annotated[
    str | None,
    typer.Option("--compare", metavar="all|P,P", help="Other profiles, `whole`, or other boards."),
]
_ExplainOption = Annotated[
    str | None,
    typer.Option("--explain", metavar="TERM", help="One term's formula with its numbers."),
]
_SolveOption = Annotated[
    Solve | None, typer.Option("--solve", help="The largest value that still fits.")
]
_NeighboursOption = Annotated[
    int | None,
    typer.Option(
        "--neighbours", parser=parse_bytes, metavar="SIZE", help="What others hold: 10GiB."
    ),
]
_DraftOption = Annotated[
    str | None,
    typer.Option(
        "--draft-model", metavar="MODEL", help="Draft of speculative decoding: name or config."
    ),
]
_DraftTokensOption = Annotated[
    int | None,
    typer.Option("--speculative-tokens", min=1, help="Tokens that it proposes; 3 if absent."),
]
_LogOption = Annotated[
    Path | None,
    typer.Option(
        "--from-log", metavar="FILE", help="A vLLM start-up log, to set beside the prediction."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("size")(accepts_server_flags(size_command))


def size_command(  # noqa: PLR0913 - typer makes one option of each parameter
    model: _ModelArgument = None,
    *,
    gpu: GpuOption,
    profile: _ProfilesOption = None,
    gpu_memory: GpuMemoryOption = None,
    engine_version: EngineVersionOption = None,
    compare: _CompareOption = None,
    explain_term: _ExplainOption = None,
    solve: _SolveOption = None,
    neighbours: _NeighboursOption = None,
    draft_model: _DraftOption = None,
    speculative_tokens: _DraftTokensOption = None,
    from_log: _LogOption = None,
    server: ServerConfig,
    output: OutputOption = Output.TABLE,
) -> int:
    """Memory of a vLLM server, term by term; whether it fits, and what would make it fit.

    Example: rightslice size granite-7b-base --gpu H100-80GB --profile 1g.20gb
    """
    board = Catalog().gpu(gpu)
    first, *more = profile or [_WHOLE]
    device = device_of(board, _share(board, first), memory_bytes=gpu_memory)
    if from_log is not None:
        return _from_log(
            from_log, model, device, server=server, version=engine_version, output=output
        )
    if model is None:
        raise InputError("give a MODEL, as in `rightslice size opt-1.3b --gpu L4`")
    others = [*(_named_device(board, name) for name in more), *_compared(board, device, compare)]
    startup = startup_of(
        _speculating(Catalog().model(model), draft_model, speculative_tokens),
        device,
        server,
        engine=Catalog().engine(engine_version),
        coefficients=memory_coefficients(),
    )
    answer = _answer(replace(startup, neighbours_bytes=neighbours or 0), others, solve=solve)
    _show(answer, explain_term, output)
    return Exit.DONE if _is_yes(answer, solve) else Exit.NO


def _speculating(model: Model, draft: str | None, tokens: int | None) -> Model:
    if draft is None:
        if tokens is not None:
            raise InputError("--speculative-tokens needs --draft-model; ngram takes no memory")
        return model
    return with_draft(model, Catalog().model(draft), tokens or 3)


def _from_log(  # noqa: PLR0913 - what the command line says of the start
    path: Path,
    model: str | None,
    device: Device,
    *,
    server: ServerConfig,
    version: str | None,
    output: Output,
) -> int:
    from rightslice.entry.cli import size_log  # noqa: PLC0415 - rich loads where it is used

    answer = size_log.compare_with_log(path, model, device, server, version)
    size_log.print_log_answer(answer, output)
    return Exit.DONE


def _is_yes(answer: SizeAnswer, solve: Solve | None) -> bool:
    if solve is not None:
        return answer.solved is not None
    return isinstance(answer.sizing.verdict, Fits)


def _share(board: Gpu, profile: str) -> Share:
    if profile == _WHOLE or board.mig is None:
        if profile != _WHOLE:
            raise InputError(f"{board.name} has no MIG: leave --profile away")
        return Exclusive()
    return MigSlice(profile=board.mig.profile(profile).name)


def _named_device(board: Gpu, name: str) -> Device:
    """Return a profile of *board*, the board itself (``whole``), or another board by its name."""
    profiles = () if board.mig is None else (profile.name for profile in board.mig.profiles)
    if name == _WHOLE or name in profiles:
        return device_of(board, _share(board, name))
    if name[:1].isdigit():
        return device_of(board, _share(board, name))
    return device_of(Catalog().gpu(name), Exclusive())


def _slices(board: Gpu) -> list[Device]:
    """Return every plain profile whose memory is known, largest first."""
    if board.mig is None:
        return []
    known = [
        device_of(board, MigSlice(profile=profile.name))
        for profile in board.mig.profiles
        if profile.memory_bytes is not None and "+" not in profile.name
    ]
    return sorted(known, key=lambda device: (-device.memory_bytes, -(device.sms or 0)))


def _compared(board: Gpu, device: Device, compare: str | None) -> list[Device]:
    if compare is None:
        return []
    if compare == "all":
        every = [device_of(board, Exclusive()), *_slices(board)]
        return [other for other in every if other.label != device.label]
    return [_named_device(board, name.strip()) for name in compare.split(",") if name.strip()]


def _answer(startup: Startup, others: list[Device], *, solve: Solve | None) -> SizeAnswer:
    device = startup.device
    larger = _slices(device.gpu) if isinstance(device.share, MigSlice) else []
    return SizeAnswer(
        sizing=size_startup(startup),
        fix=smallest_fix(startup),
        other_fixes=all_single_fixes(startup, larger),
        solved=_solved(startup, solve),
        comparison=tuple(_elsewhere(startup, other) for other in others),
    )


def _elsewhere(startup: Startup, device: Device) -> Sizing:
    """Return the same server alone on another device."""
    return size(
        startup.model,
        device,
        startup.server,
        engine=startup.engine,
        coefficients=startup.coefficients,
    )


def _solved(startup: Startup, solve: Solve | None) -> Flag | None:
    if solve is None:
        return None
    longest = solve is Solve.MAX_MODEL_LEN
    search = largest_max_model_len if longest else largest_max_num_seqs
    largest = search(startup)
    if largest is None:
        return None
    origin = "the longest context of which one request fits"
    if not longest:
        origin = f"the most sequences of {startup.flags.max_model_len} tokens that run at once"
    return Flag(name=solve.value, value=largest, origin=origin)


def _show(answer: SizeAnswer, explain_term: str | None, output: Output) -> None:
    if explain_term is not None:
        text = explain(answer.sizing, explain_term)
        if output is Output.TABLE:
            typer.echo(text)
            return
        only = term_called(answer.sizing, explain_term)
        answer = replace(answer, sizing=replace(answer.sizing, terms=(only,)))
    if output is Output.JSON:
        print_json(answer)
        return
    from rightslice.entry.cli import size_tables  # noqa: PLC0415 - rich loads where it is used

    size_tables.print_answer(answer)
