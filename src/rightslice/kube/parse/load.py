"""A load generator's arguments or environment -> the load that it makes.

Option names of vLLM's ``benchmark_serving.py`` and ``vllm bench serve`` (vllm/benchmarks/serve.py),
SGLang's ``bench_serving``, guidellm, genai-perf and aiperf, llmperf, lm_eval, evalscope, and
inference-perf.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Final

from rightslice.kube.parse.decoded import at, items, mapping, walk, word
from rightslice.kube.parse.notes import Notes
from rightslice.kube.parse.shell_words import is_unknown, readable
from rightslice.kube.parse.values import Amount, Number, ParsedLoad, ParsedSlo

_OPTIONS: Final = {
    "input_len": (
        "random-input-len", "random-input", "input-len", "sonnet-input-len", "isl",
        "synthetic-input-tokens-mean", "prompt-tokens-mean", "mean-input-tokens", "prompt-tokens",
        "input-tokens", "input-length", "synthetic-input-tokens",
    ),
    "output_len": (
        "random-output-len", "random-output", "output-len", "sonnet-output-len",
        "sharegpt-output-len", "hf-output-len", "custom-output-len", "gsp-output-len", "osl",
        "output-tokens-mean", "mean-output-tokens", "output-tokens", "output-length",
        "prefix-repetition-output-len",
    ),
    "concurrency": (
        "max-concurrency", "concurrency", "num-concurrent-requests", "num-concurrent", "parallel",
        "num-users", "users", "concurrent",
    ),
    "request_rate": ("request-rate", "request-rates", "qps"),
}  # fmt: skip
_FIELD_OF: Final = {option: name for name, options in _OPTIONS.items() for option in options}

_VARIABLES: Final = {
    "input_len": ("INPUT_LENGTH", "INPUT_LEN", "ISL", "RANDOM_INPUT_LEN", "INPUT_TOKENS"),
    "output_len": ("OUTPUT_LENGTH", "OUTPUT_LEN", "OSL", "RANDOM_OUTPUT_LEN", "OUTPUT_TOKENS"),
    "concurrency": ("CONCURRENCY", "MAX_CONCURRENCY", "NUM_CONCURRENT", "CONCURRENT_REQUESTS"),
    "request_rate": ("REQUEST_RATE", "REQUEST_RATES", "QPS"),
}  # fmt: skip

_LIST: Final = re.compile(r"[\s,]+")
_NUMBER: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?", re.ASCII)
_PAIR: Final = re.compile(r"([A-Za-z_]\w*)[\"']?\s*[=:]\s*([0-9.]+)", re.ASCII)
_GOODPUT: Final = {
    "tpot": "tpot_ms", "itl": "tpot_ms", "inter_token_latency": "tpot_ms",
    "ttft": "ttft_ms", "time_to_first_token": "ttft_ms",
}  # fmt: skip


def read_load(program: str, arguments: Sequence[str], notes: Notes) -> ParsedLoad:
    """Return the load that *program* makes when started with *arguments*.

    >>> load = read_load("benchmark_serving", ["--max-concurrency=64"], Notes())
    >>> load.concurrency
    64
    """
    stated: dict[str, Amount] = {}
    given = dict(options(arguments))
    for option, value in given.items():
        name = _FIELD_OF.get(option)
        if name is not None:
            _state(stated, name, value, notes)
        elif option in ("model-args", "data", "gen-kwargs"):
            _pairs(stated, value, notes)
    _guidellm(stated, given, program, notes)
    return ParsedLoad(**stated)


def _guidellm(
    stated: dict[str, Amount], given: Mapping[str, str], program: str, notes: Notes
) -> None:
    """Read ``--rate``, whose meaning hangs on ``--rate-type`` (or ``--profile``)."""
    rate = given.get("rate")
    if rate is None:
        return
    how = given.get("rate-type") or given.get("profile") or ""
    if how == "concurrent":
        _state(stated, "concurrency", rate, notes)
    elif how in ("constant", "poisson") or (not how and program not in ("guidellm", "hey")):
        _state(stated, "request_rate", rate, notes)


def read_variables(values: Mapping[str, str], notes: Notes) -> ParsedLoad:
    """Return the load that a load generator's environment states."""
    stated: dict[str, Amount] = {}
    for name, variables in _VARIABLES.items():
        for variable in variables:
            if variable in values:
                _state(stated, name, values[variable], notes)
    return ParsedLoad(**stated)


def read_inference_perf(config: object, notes: Notes) -> ParsedLoad:
    """Return the load of an inference-perf configuration (kubernetes-sigs/inference-perf)."""
    stated: dict[str, Amount] = {}
    load = mapping(at(config, "load"))
    for name, key in (("request_rate", "rate"), ("concurrency", "concurrency_level")):
        stages = [word(at(stage, key)) for stage in items(load.get("stages"))]
        given = [one for one in stages if one is not None]
        if given:
            _state(stated, name, ",".join(given), notes)
    data = mapping(at(config, "data"))
    for name, key in (("input_len", "input_distribution"), ("output_len", "output_distribution")):
        mean = word(at(data, key, "mean"))
        if mean is not None:
            _state(stated, name, mean, notes)
    shared = mapping(data.get("shared_prefix"))
    output = word(shared.get("output_len"))
    if output is not None:
        _state(stated, "output_len", output, notes)
    return ParsedLoad(**stated)


def is_inference_perf(config: object) -> bool:
    """Whether *config* is an inference-perf configuration."""
    return bool(items(at(config, "load", "stages"))) and "data" in mapping(config)


def merged(first: ParsedLoad, then: ParsedLoad) -> ParsedLoad:
    """Return *first*, its gaps filled from *then*."""
    gaps = {
        item.name: getattr(then, item.name)
        for item in fields(ParsedLoad)
        if getattr(first, item.name) is None
    }
    return replace(first, **gaps)


def read_goodput(arguments: Sequence[str]) -> ParsedSlo | None:
    """Return the targets of ``--goodput ttft:500 tpot:50``, in milliseconds."""
    stated: dict[str, Number] = {}
    for index, one in enumerate(arguments):
        if one.partition("=")[0].lstrip("-") != "goodput":
            continue
        pairs = " ".join([one.partition("=")[2], *arguments[index + 1 : index + 4]])
        for name, value in _PAIR.findall(pairs):
            number = _one(value)
            if name.lower() in _GOODPUT and number:
                stated[_GOODPUT[name.lower()]] = number
    if not stated:
        return None
    return ParsedSlo(tpot_ms=stated.get("tpot_ms"), ttft_ms=stated.get("ttft_ms"))


def options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each option of any program with its value, dashes and underscores alike."""
    for index, one in enumerate(arguments):
        if not one.startswith("-") or one in ("-", "--"):
            continue
        written, equals, value = one.partition("=")
        if not equals:
            after = arguments[index + 1] if index + 1 < len(arguments) else "-"
            value = "" if after.startswith("-") else after
        yield written.lstrip("-").replace("_", "-").lower(), value


def _pairs(stated: dict[str, Amount], value: str, notes: Notes) -> None:
    for key, number in _PAIR.findall(value):
        name = _FIELD_OF.get(key.replace("_", "-").lower())
        if name is not None:
            _state(stated, name, number, notes)


def _state(stated: dict[str, Amount], name: str, value: str, notes: Notes) -> None:
    if value.strip().lower() in ("inf", "", "-1"):
        return
    if is_unknown(value):
        notes.refuse(f"load.{name}", f"{readable(value)}: its value is not in the manifest")
        return
    numbers = [_one(one) for one in _LIST.split(value.strip(" ,[]")) if one]
    known = [number for number in numbers if number is not None and number > 0]
    if not known or len(known) < len(numbers):
        notes.refuse(f"load.{name}", f"{value[:60]!r} is not a number")
        return
    before = stated.get(name)
    amount: Amount = known[0] if len(set(known)) == 1 else tuple(known)
    if before is not None and before != amount:
        several = (*_several(before), *(one for one in known if one not in _several(before)))
        amount = several
    stated[name] = amount


def _several(amount: Amount) -> tuple[Number, ...]:
    return amount if isinstance(amount, tuple) else (amount,)


def _one(value: str) -> Number | None:
    if not _NUMBER.fullmatch(value.strip("\"'")):
        return None
    number = float(value.strip("\"'"))
    return int(number) if number == int(number) else number


def stated_sla(document: object) -> tuple[ParsedLoad, ParsedSlo | None]:
    """Return load and targets of an ``sla`` block (ai-dynamo/dynamo DynamoGraphDeploymentRequest).

    Its ``ttft`` and ``itl`` are milliseconds, ``isl`` and ``osl`` tokens.
    """
    for inside in walk(document):
        sla = mapping(inside.get("sla"))
        if "ttft" not in sla and "itl" not in sla:
            continue
        found = {key: _one(word(sla.get(key)) or "") for key in ("ttft", "itl", "isl", "osl")}
        slo = ParsedSlo(tpot_ms=found["itl"], ttft_ms=found["ttft"])
        return ParsedLoad(input_len=found["isl"], output_len=found["osl"]), slo
    return ParsedLoad(), None
