"""Any flags with any values give an answer, a no, or one message that names what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

Checked = Callable[..., Any]
FUZZ = settings.get_profile("fuzz")
MODELS = [
    "phi-2", "facebook/opt-1.3b", "granite-7b-base", "llama-3.1-70b", "mixtral-8x7b", "opt-1.4b",
    "", " ", "../x", "/", "./config.json", "~nobody/x", "\u0000", "ünïcödé", "[/]", "\x1b[31m",
    "x" * 3000,
    "neuralmagic/Mistral-7B-Instruct-v0.3-quantized.w8a16", "a/b/c/d", "-", "--", "gpt-oss-20b",
]  # fmt: skip
GPUS = [
    "A30", "L4", "A100-40GB", "H100-80GB", "H200", "B200", "A10G", "T4", "MI300X", "H1000", "",
    "[/]",
    "\u0000", "p4d.24xlarge", "h100", "GH200", "Trainium2", "x" * 3000,
]  # fmt: skip
PROFILES = [
    "1g.6gb", "2g.12gb", "4g.24gb", "1g.10gb", "1g.5gb", "3g.40gb", "7g.80gb", "1g.10gb+me",
    "whole",
    "9g.99gb", "", "[/]", "1g", "-1g.5gb", "all,", "x" * 3000,
]  # fmt: skip
NUMBERS = [
    "0", "1", "2", "3", "8", "16", "128", "2048", "100000", "100000000", "9" * 40, "9" * 5000,
    "-1", "-0",
    "0.5", "1.5", "1e9", "1e-9", "1e999", "nan", "inf", "-inf", "", " ", "x", "½", "١٢٨", "0x10",
    "1_000",
    "8k", "8Ki", "1,000", "90%", "100%", "101%", "0%", "99.9%", "\u0000", "[/]",
]  # fmt: skip
TIMES = [
    "30ms",
    "1s",
    "1us",
    "2m",
    "1e-300s",
    "9e9h",
    "1e400s",
    "30",
    "0ms",
    "-5ms",
    "30 m s",
    "1d",
]
RATES = [
    "5/s",
    "300/min",
    "1000/h",
    "1e-300/s",
    "1e17/s",
    "5",
    "0/s",
    "-1/s",
    "5/",
    "5/day",
    "3rps",
]
SIZES = ["80GiB", "1B", "1e30GiB", "39.38GiB", "16gb", "0GiB", "80", "GiB", "-1GiB", "1PiB"]
LENGTHS = [
    "128", "512", "1", "uniform(1,2)", "uniform(100,900)", "uniform(9,1)", "uniform(1,100000000)",
    "lognormal(512,1.0)", "lognormal(1,4)", "lognormal(1e8,4)", "lognormal(512,nan)", "uniform()",
    "lognormal(1,-1)", "trace.csv", "trace.csv:x", ":", "a:b:c", "uniform(1,2", "table", "json",
    "\u0000:x",
]  # fmt: skip
OFFERS = [
    "A30", "A30:1g.6gb", "L4:whole", "L4:x2", "L4:x0", "L4:x" + "9" * 50, "A30:x8", "A30,L4", ",",
    "",
    "A100-40GB:2g.10gb,H100-80GB:1g.10gb+me", "p4d.24xlarge", "p4d.24xlarge:whole",
    "g5.xlarge:1g.5gb",
    "A30:", ":whole", "A30:whole:x2", "[/]", "\u0000", "L4:xx", "A30:whole,A30:whole", "T4",
    "Trainium2",
]  # fmt: skip
WORDS = [
    "",
    "x",
    "[/]",
    "auto",
    "fp8",
    "float16",
    "bfloat16",
    "float32",
    "awq",
    "fp8_e5m2",
    "\u0000",
    "e" * 3000,
]
VERSIONS = [
    "0.6.3",
    "0.19.0",
    "0.33.0",
    "0.34.0",
    "0.5",
    "1",
    "0.19",
    "v0.19.0",
    "",
    "latest",
    "0.19.0rc1",
    "9" * 90,
]
FORMS = ["table", "json", "yaml", "", "JSON"]
LOAD = {"--concurrency": NUMBERS, "--rate": [*RATES, *NUMBERS]}
TARGETS = {
    "--tpot": [*TIMES, *NUMBERS], "--ttft": [*TIMES, *NUMBERS], "--percentile": NUMBERS,
    "--prefix-hit": NUMBERS,
}  # fmt: skip
SERVER = {
    "--max-model-len": NUMBERS, "--max-num-seqs": NUMBERS, "--max-num-batched-tokens": NUMBERS,
    "--gpu-memory-utilization": NUMBERS, "--kv-cache-memory-bytes": [*SIZES, *NUMBERS],
    "--dtype": WORDS, "--quantization": WORDS, "--kv-cache-dtype": WORDS, "--block-size": NUMBERS,
    "--tensor-parallel-size": NUMBERS, "--pipeline-parallel-size": NUMBERS, "--enforce-eager": None,
    "--engine-version": VERSIONS,
}  # fmt: skip
DEVICE = {"--profile": PROFILES, "--gpu-memory": [*SIZES, *NUMBERS]}
WRONG = {"--bogus": ["1", ""], "-x": None, "--": None, "extra": None, "--help": None}
VERBS: dict[str, tuple[list[str], dict[str, list[str] | None]]] = {
    "size": (
        ["phi-2", "--gpu", "A30"],
        {**DEVICE, **SERVER, "--gpu": GPUS, "--output": FORMS, "--neighbours": SIZES,
         "--compare": [*PROFILES, "all", "whole,L4"], "--solve": ["max-model-len", "max-num-seqs",
         "x"],
         "--explain": ["weights", "kv cache", "unused", "wieghts", ""], **WRONG},
    ),
    "predict": (
        ["phi-2", "--gpu", "A30", "--input", "128", "--output", "128", "--concurrency", "4"],
        {**DEVICE, **SERVER, **LOAD, **TARGETS, "--gpu": GPUS, "--input": [*LENGTHS, *NUMBERS],
         "--output": [*LENGTHS, *NUMBERS, *FORMS], "--no-plot": None, **WRONG},
    ),
    "fit": (
        ["phi-2", "--input", "128", "--output", "128", "--concurrency", "4", "--tpot", "30ms"],
        {**SERVER, **LOAD, **TARGETS, "--input": [*LENGTHS, *NUMBERS], "--all": None,
         "--output": [*LENGTHS, *NUMBERS, *FORMS], "--confidence": NUMBERS,
         "--max-replicas": NUMBERS,
         "--isolation": ["hardware", "none", "soft"], "--prices": ["none.yaml", ".", "\u0000"],
         **WRONG},
    ),
    "pack": (
        ["--gpu", "A30"],
        {"--gpu": GPUS, "--gpus": NUMBERS, "--output": FORMS, **WRONG,
         **dict.fromkeys(["1g.6gb=3", "2g.12gb=9999", "4g.24gb", "1g.6gb=", "=1", "[/]", "1g.6gb=0",
                          "1g.6gb+me=1", "1g.5gb=1", "2g.12gb=-1", "1g.6gb=9999999", "1g.6gb=½"])},
    ),
    "catalog": (
        [],
        {**dict.fromkeys(["gpus", "mig", "models", "engines", "instances", "bogus", *MODELS,
        *GPUS]),
         "--output": FORMS, **WRONG},
    ),
    "schema": ([], {**dict.fromkeys(["fleet", "plan", "size", "bogus", ""]), **WRONG}),
}  # fmt: skip


@st.composite
def command_lines(draw: st.DrawFn, verb: str) -> list[str]:
    """Draw a command line of *verb*: a sound one, with one to three more options of any value."""
    base, options = VERBS[verb]
    words = list(base)
    for name in draw(st.lists(st.sampled_from(sorted(options)), min_size=1, max_size=3)):
        values = options[name]
        words += [name] if values is None else [name, draw(st.sampled_from(values))]
    if base and draw(st.integers(0, 3)) == 0:
        words[0] = draw(st.sampled_from(MODELS))
    if draw(st.integers(0, 5)) == 0:
        del words[draw(st.integers(0, len(words) - 1))]
    if verb == "fit":
        words += ["--offers", draw(st.sampled_from(OFFERS))]
    return words


def named(words: list[str]) -> list[str]:
    """Return what a message may name: an option, a value as it is or as it is quoted."""
    options = [word for word in words if word.startswith("-")]
    values = [repr(word)[1:-1][:40] for word in words if word.strip()]
    bare = [option.lstrip("-").replace("-", " ") for option in options if option.lstrip("-")]
    about = [
        "''",
        "' '",
        "Missing ",
        "No such command",
        "unexpected extra argument",
        "give ",
        "as in",
    ]
    short = [word[:2] for word in options]
    return [*options, *short, *bare, *values, *about]


def try_it(checked: Checked, verb: str, words: list[str]) -> None:
    """Run *verb* with *words* and check the answer."""
    checked(verb, *words, names=named(words))


@pytest.mark.fuzz
@settings(FUZZ, max_examples=700)
@given(words=command_lines("size"))
def test_size_flags(checked: Checked, words: list[str]) -> None:
    """`size` with any flags."""
    try_it(checked, "size", words)


@pytest.mark.fuzz
@settings(FUZZ, max_examples=700)
@given(words=command_lines("predict"))
def test_predict_flags(checked: Checked, words: list[str]) -> None:
    """`predict` with any flags."""
    try_it(checked, "predict", words)


@pytest.mark.fuzz
@settings(FUZZ, max_examples=700)
@given(words=command_lines("fit"))
def test_fit_flags(checked: Checked, words: list[str]) -> None:
    """`fit` with any flags."""
    try_it(checked, "fit", words)


@pytest.mark.fuzz
@settings(FUZZ, max_examples=400)
@given(words=command_lines("pack"))
def test_pack_flags(checked: Checked, words: list[str]) -> None:
    """`pack` with any flags."""
    try_it(checked, "pack", words)


@pytest.mark.fuzz
@settings(FUZZ, max_examples=200)
@given(words=command_lines("catalog"))
def test_catalog_flags(checked: Checked, words: list[str]) -> None:
    """`catalog` with any words."""
    try_it(checked, "catalog", words)


@pytest.mark.fuzz
@settings(FUZZ, max_examples=100)
@given(words=command_lines("schema"))
def test_schema_flags(checked: Checked, words: list[str]) -> None:
    """`schema` with any words."""
    try_it(checked, "schema", words)
