"""Options that several verbs take: the model, the device, the engine and the vLLM flags.

A verb that takes vLLM flags is decorated with `accepts_server_flags`: its command line then has
every flag, and the verb itself gets one `ServerConfig`. Each flag is spelled as vLLM spells it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.traffic import ClosedLoop, Load, OpenLoop, Slo, Traffic
from rightslice.edge.trace_files import read_lengths
from rightslice.entry.cli.console import Output
from rightslice.errors import FieldError, InputError
from rightslice.units import parse_bytes, parse_duration, parse_rate, parse_ratio, parse_tokens

_T = TypeVar("_T")
_PANEL: Final = "vLLM flags"


def named(option: str, parse: Callable[[str], _T]) -> Callable[[str], _T]:
    """Return *parse*, whose complaints then begin with the *option* that is wrong."""

    @functools.wraps(parse)
    def read(text: str) -> _T:
        try:
            return parse(text)
        except FieldError:
            raise  # it names a file, which is nearer
        except InputError as error:
            raise InputError(f"{option}: {error}") from None

    return read


def parse_flag_bytes(text: str) -> int:
    """Return the bytes of a vLLM flag: a bare number is bytes there, ``10GiB`` reads better.

    Raises:
        InputError: when it is neither.
    """
    return int(text) if text.strip().isdecimal() else parse_bytes(text)


def parse_utilization(text: str) -> float:
    """Return the share of memory that *text* names: ``0.9`` or ``90%``, never a bare ``90``.

    Raises:
        InputError: when it is more than 1 or not a share.
    """
    ratio = parse_ratio(text)
    if "%" not in text and float(text) > 1:
        raise InputError(f"gpu-memory-utilization {text} must be at most 1, as in 0.9")
    return ratio


ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="Hugging Face id, short name, or path of a local config.json."
    ),
]
GpuOption = Annotated[
    str, typer.Option("--gpu", metavar="GPU", help="The board, as in `catalog gpus`: H100-80GB.")
]
ProfileOption = Annotated[
    str | None, typer.Option("--profile", metavar="P", help="A MIG profile of it: 3g.40gb.")
]
GpuMemoryOption = Annotated[
    int | None,
    typer.Option(
        "--gpu-memory",
        parser=named("--gpu-memory", parse_bytes),
        metavar="SIZE",
        help="Total memory as CUDA reports it, when you have read it: 79.19GiB.",
    ),
]
EngineVersionOption = Annotated[
    str | None,
    typer.Option("--engine-version", metavar="V", help="vLLM release; the newest known if absent."),
]


PricesOption = Annotated[
    Path | None,
    typer.Option("--prices", metavar="FILE", help="Your own prices (kind: Prices)."),
]
CalibrationsOption = Annotated[
    Path | None,
    typer.Option(
        "--calibrations", metavar="DIR", help="Folder of what `calibrate --out` wrote: they count."
    ),
]


def _flag(name: str, help_text: str, **more: Any) -> Any:  # noqa: ANN401 - typer's own options
    if "parser" in more:
        more["parser"] = named(name, more["parser"])
    return typer.Option(name, help=help_text, rich_help_panel=_PANEL, **more)


MaxModelLenOption = Annotated[
    int | None,
    _flag("--max-model-len", "Longest context.", parser=parse_tokens, metavar="TOKENS"),
]
MaxNumSeqsOption = Annotated[int | None, _flag("--max-num-seqs", "Sequences running at once.")]
MaxNumBatchedTokensOption = Annotated[
    int | None,
    _flag("--max-num-batched-tokens", "Tokens a step.", parser=parse_tokens, metavar="TOKENS"),
]
GpuMemoryUtilizationOption = Annotated[
    float | None,
    _flag(
        "--gpu-memory-utilization", "Share of memory.", parser=parse_utilization, metavar="SHARE"
    ),
]
KvCacheMemoryBytesOption = Annotated[
    int | None,
    _flag("--kv-cache-memory-bytes", "KV pool, fixed.", parser=parse_flag_bytes, metavar="BYTES"),
]
DtypeOption = Annotated[
    str | None, _flag("--dtype", "auto, bfloat16, float16 or float32.", metavar="DTYPE")
]
QuantizationOption = Annotated[
    str | None, _flag("--quantization", "Run-time quantization: fp8.", metavar="METHOD")
]
KvCacheDtypeOption = Annotated[
    str | None, _flag("--kv-cache-dtype", "auto or fp8.", metavar="DTYPE")
]
TensorParallelOption = Annotated[
    int, _flag("--tensor-parallel-size", "GPUs that share each layer.", min=1)
]
PipelineParallelOption = Annotated[
    int, _flag("--pipeline-parallel-size", "GPUs that share the layers.", min=1)
]
DecodeContextParallelOption = Annotated[
    int,
    _flag("--decode-context-parallel-size", "GPUs that deal a sequence's tokens.", min=1),
]
EnforceEagerOption = Annotated[bool, _flag("--enforce-eager", "No CUDA graphs.")]
BlockSizeOption = Annotated[int | None, _flag("--block-size", "Tokens a KV block.")]
EnableLoraOption = Annotated[bool, _flag("--enable-lora", "Serve LoRA adapters.")]
MaxLorasOption = Annotated[
    int | None, _flag("--max-loras", "Adapters on the GPU at once; 1 if absent.", min=1)
]
MaxLoraRankOption = Annotated[
    int | None, _flag("--max-lora-rank", "Largest rank of an adapter; 16 if absent.", min=1)
]

_FLAGS: Final[dict[str, tuple[Any, Any]]] = {
    "max_model_len": (MaxModelLenOption, None),
    "max_num_seqs": (MaxNumSeqsOption, None),
    "max_num_batched_tokens": (MaxNumBatchedTokensOption, None),
    "gpu_memory_utilization": (GpuMemoryUtilizationOption, None),
    "kv_cache_memory_bytes": (KvCacheMemoryBytesOption, None),
    "dtype": (DtypeOption, None),
    "quantization": (QuantizationOption, None),
    "kv_cache_dtype": (KvCacheDtypeOption, None),
    "tensor_parallel": (TensorParallelOption, 1),
    "pipeline_parallel": (PipelineParallelOption, 1),
    "decode_context_parallel": (DecodeContextParallelOption, 1),
    "enforce_eager": (EnforceEagerOption, False),
    "block_size": (BlockSizeOption, None),
}
"""Field of `ServerConfig`: its option and its default."""
_LORA: Final[dict[str, tuple[Any, Any]]] = {
    "enable_lora": (EnableLoraOption, False),
    "max_loras": (MaxLorasOption, None),
    "max_lora_rank": (MaxLoraRankOption, None),
}
"""Three flags that say two fields: slots, 0 without LoRA, and their rank."""


def accepts_server_flags(command: Callable[..., int]) -> Callable[..., int]:
    """Replace *command*'s parameter ``server`` by one option for each vLLM flag.

    typer builds its options from the signature, so the signature is what changes; the command
    is called with one `ServerConfig`.
    """
    signature = inspect.signature(command, eval_str=True)
    flags = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )
        for name, (annotation, default) in {**_FLAGS, **_LORA}.items()
    ]
    own = [parameter for name, parameter in signature.parameters.items() if name != "server"]

    @functools.wraps(command)
    def run(**options: Any) -> int:  # noqa: ANN401 - whatever the command takes
        lora = _lora_fields(**{name: options.pop(name) for name in _LORA})
        server = ServerConfig(**{name: options.pop(name) for name in _FLAGS}, **lora)
        return command(**options, server=server)

    ordered = sorted([*own, *flags], key=lambda parameter: parameter.kind)
    vars(run)["__signature__"] = signature.replace(parameters=ordered)
    return run


def _lora_fields(
    *, enable_lora: bool, max_loras: int | None, max_lora_rank: int | None
) -> dict[str, Any]:
    """Return the LoRA fields; vLLM's own defaults hold for what is not given.

    Raises:
        InputError: when slots or a rank are given and LoRA is off, which vLLM would pass over.
    """
    if not enable_lora:
        for name, given in (("--max-loras", max_loras), ("--max-lora-rank", max_lora_rank)):
            if given is not None:
                raise InputError(f"{name} {given} needs --enable-lora")
        return {}
    return {"max_loras": max_loras or 1, "max_lora_rank": max_lora_rank or 16}


InputOption = Annotated[
    str,
    typer.Option(
        "--input",
        metavar="LENGTHS",
        help="Prompt tokens: 512, uniform(100,900), lognormal(512,1.0) or trace.csv:Column.",
    ),
]
OutputsOption = Annotated[
    list[str],
    typer.Option(
        "--output",
        "-o",
        metavar="LENGTHS|json",
        help="Output tokens, in the same forms; again with json for the answer's form.",
    ),
]
ConcurrencyOption = Annotated[
    int | None,
    typer.Option("--concurrency", metavar="C", help="Clients that each send the next request."),
]
RateOption = Annotated[
    float | None,
    typer.Option(
        "--rate",
        parser=named("--rate", parse_rate),
        metavar="RATE",
        help="Requests that arrive: 5/s, 300/min.",
    ),
]
PrefixHitOption = Annotated[
    float | None,
    typer.Option(
        "--prefix-hit",
        parser=named("--prefix-hit", parse_ratio),
        metavar="SHARE",
        help="Share of prompt tokens found in the prefix cache: 0.3.",
    ),
]
TpotOption = Annotated[
    float | None,
    typer.Option(
        "--tpot",
        parser=named("--tpot", parse_duration),
        metavar="TIME",
        help="Time per output token: 30ms.",
    ),
]
TtftOption = Annotated[
    float | None,
    typer.Option(
        "--ttft",
        parser=named("--ttft", parse_duration),
        metavar="TIME",
        help="Time to first token: 500ms.",
    ),
]
PercentileOption = Annotated[
    float | None,
    typer.Option(
        "--percentile",
        parser=named("--percentile", parse_ratio),
        metavar="P",
        help="Percentile of both targets: 95. By default mean TPOT and p95 TTFT.",
    ),
]


def read_outputs(given: list[str]) -> tuple[str, Output]:
    """Return the output lengths and the answer's form, both of which ``--output`` names.

    Raises:
        InputError: when the lengths are missing, or either is given twice.
    """
    forms = [text for text in given if text in {form.value for form in Output}]
    lengths = [text for text in given if text not in forms]
    if len(lengths) != 1 or len(forms) > 1:
        raise InputError(
            "--output takes the output tokens once, as in --output 128, and at most once more the"
            " answer's form, as in --output json"
        )
    return lengths[0], Output(forms[0]) if forms else Output.TABLE


def read_load(concurrency: int | None, rate: float | None) -> Load:
    """Return the load of ``--concurrency`` or ``--rate``.

    Raises:
        InputError: when neither or both are given.
    """
    if concurrency is not None and rate is None:
        return ClosedLoop(concurrency=concurrency)
    if rate is not None and concurrency is None:
        return OpenLoop(requests_per_second=rate)
    raise InputError("give either --concurrency, as in 64, or --rate, as in 5/s")


def read_traffic(
    inputs: str,
    outputs: str,
    concurrency: int | None,
    rate: float | None,
    prefix_hit: float | None,
) -> Traffic:
    """Return the traffic that the options describe.

    Raises:
        InputError: when the load is not one of the two kinds, or a length cannot be read.
    """
    return Traffic(
        load=read_load(concurrency, rate),
        input=named("--input", read_lengths)(inputs),
        output=named("--output", read_lengths)(outputs),
        prefix_hit_ratio=prefix_hit or 0.0,
    )


def read_slo(tpot: float | None, ttft: float | None, percentile: float | None) -> Slo | None:
    """Return the targets, or None when none is given.

    Raises:
        InputError: when a percentile stands without a target.
    """
    if tpot is None and ttft is None:
        if percentile is not None:
            raise InputError("--percentile needs a target: give --tpot, as in 30ms, or --ttft")
        return None
    if percentile is None:
        return Slo(tpot_seconds=tpot, ttft_seconds=ttft)
    return Slo(
        tpot_seconds=tpot,
        ttft_seconds=ttft,
        tpot_percentile=percentile,
        ttft_percentile=percentile,
    )
