"""Tests of reading vLLM's own flags."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.kube.parse.flags import looks_like_vllm, read_flags
from rightslice.kube.parse.vllm_flags import ALL, SHORT, SWITCHES, VALUES

NAMES = st.sampled_from(sorted(VALUES - {"served-model-name", "lora-modules", "middleware"}))
WORDS = st.from_regex(r"[a-z0-9/._]{1,12}", fullmatch=True).filter(lambda word: word != "true")


@given(flags=st.dictionaries(NAMES, WORDS, max_size=6), equals=st.booleans(), under=st.booleans())
@settings(max_examples=100, derandomize=True)
def test_every_spelling_of_a_flag_reads_alike(
    flags: dict[str, str], *, equals: bool, under: bool
) -> None:
    """``--a=b``, ``--a b`` and underscores are the same flag."""
    several = {"cuda-graph-sizes", "cudagraph-capture-sizes", "prompt-adapters", "ignore-patterns"}
    given_flags = {name: value for name, value in flags.items() if name not in several}
    words: list[str] = []
    for name, value in given_flags.items():
        written = f"--{name.replace('-', '_') if under else name}"
        words += [f"{written}={value}"] if equals else [written, value]
    assert dict(read_flags(words).values) == given_flags


def test_a_flag_is_either_a_switch_or_takes_a_value() -> None:
    """The two tables are disjoint, and short forms lead into them."""
    assert set() == SWITCHES & VALUES
    assert set(SHORT.values()) <= ALL


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["--max-num-batched-token=4"], "max-num-batched-tokens", "4"),
        (["--gpu-memory-util", "0.9"], "gpu-memory-utilization", "0.9"),
        (["-tp=2"], "tensor-parallel-size", "2"),
        (["-pp", "2"], "pipeline-parallel-size", "2"),
        (["--quantization bitsandbytes"], "quantization", "bitsandbytes"),
        (["--max-model-len=1", "--max-model-len", "2"], "max-model-len", "2"),
        (["--no-enable-prefix-caching"], "enable-prefix-caching", "false"),
        (["--enable-chunked-prefill=false"], "enable-chunked-prefill", "false"),
        (["--mamba_ssm_cache_dtype", "float32"], "kv-cache-dtype", None),
    ],
)
def test_flags_are_read_as_vllm_reads_them(words: list[str], name: str, value: str | None) -> None:
    """Beginnings, short forms, repeats and switches follow vLLM's parser."""
    assert read_flags(words).get(name) == value


def test_the_model_is_found_after_switches_and_lists() -> None:
    """A switch takes no word, a list of names takes all up to the next flag."""
    flags = read_flags(["--served-model-name", "a", "b", "--enforce-eager", "org/model"])
    assert flags.positional == "org/model"
    assert flags.is_on("enforce-eager")


def test_goodwill_is_noted() -> None:
    """What argparse would take differently, or people would miss, is said."""
    notes = dict(read_flags(["--max-num-seqs=1", "--max-num-seqs=2", "--dtype half"]).notes)
    assert set(notes) == {"max-num-seqs", "dtype"}


def test_flags_alone_may_tell_a_vllm_server() -> None:
    """Two flags that only vLLM has, or one and a model; a model alone does not."""
    assert looks_like_vllm(read_flags(["--max-model-len=1", "--gpu-memory-utilization=.9"]))
    assert not looks_like_vllm(read_flags(["--model", "a/b", "--port", "80"]))
