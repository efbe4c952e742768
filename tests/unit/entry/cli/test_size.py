"""Tests of the verb ``size``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from rightslice.entry.cli import size
from rightslice.errors import InputError

app = typer.Typer()
size.register(app)
app.callback()(lambda: None)


def run(*arguments: str) -> int:
    """Run one command line; return its exit code."""
    code = app(args=["size", *arguments], standalone_mode=False)
    assert isinstance(code, int)
    return code


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """Return the JSON answer of one command line."""
    run(*arguments, "--output", "json")
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


def test_the_document_s_arithmetic_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes per token and layer, per sequence, parameters and weights stand in the head."""
    assert run("granite-7b-base", "--gpu", "H100-80GB") == 0
    text = " ".join(capsys.readouterr().out.split())
    for part in (
        "16.0 KiB per token and layer (2 x 32 heads x 128 x 2 B)",
        "2.00 GiB per 4,096-token sequence",
        "6.74 B parameters, float32 checkpoint, loaded in 16 bit: 13.5 GB (12.55 GiB)",
    ):
        assert part in text


def test_a_refusal_exits_4_and_names_the_fewest_changes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What does not fit says by how much, what vLLM would print and what would help."""
    assert run("granite-7b-base", "--gpu", "H100-80GB", "--profile", "1g.10gb") == 4
    text = capsys.readouterr().out
    for part in ("does not fit (load)", "OutOfMemoryError", "fewest changes", "1g.20gb instead of"):
        assert part in text


def test_comparison_has_a_row_for_each_device(capsys: pytest.CaptureFixture[str]) -> None:
    """Profiles, and boards by name, stand side by side."""
    profiles = ["3g.40gb", "1g.10gb", "L4"]
    data = answer(capsys, "granite-7b-base", "--gpu", "H100-80GB", "--compare", ",".join(profiles))
    kinds = [row["verdict"]["kind"] for row in data["comparison"]]
    assert kinds == ["Fits", "TooBig", "Fits"]


def test_repeated_profiles_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    """The first profile is sized in full, the others beside it."""
    data = answer(
        capsys, "phi-2", "--gpu", "H100-80GB", "--profile", "1g.20gb", "--profile", "3g.40gb"
    )
    assert data["sizing"]["device"]["label"].endswith("1g.20gb")
    assert [row["device"]["label"][-7:] for row in data["comparison"]] == ["3g.40gb"]


def test_json_terms_sum_to_the_device(capsys: pytest.CaptureFixture[str]) -> None:
    """The machine's form holds the same bytes."""
    data = answer(capsys, "phi-2", "--gpu", "H100-80GB", "--gpu-memory", "79.19GiB")
    total = sum(term["size_bytes"]["expected"] for term in data["sizing"]["terms"])
    assert total == data["sizing"]["device"]["memory_bytes"] == 85029615043


@pytest.mark.parametrize("term", ["weights", "activation", "cuda graphs", "kv cache", "unused"])
def test_explain_prints_formula_and_source(capsys: pytest.CaptureFixture[str], term: str) -> None:
    """Each term can be asked for its formula with the numbers put in."""
    run("granite-7b-base", "--gpu", "H100-80GB", "--explain", term)
    text = capsys.readouterr().out
    assert "formula:" in text
    assert "source:" in text


def test_solve_gives_the_longest_context(capsys: pytest.CaptureFixture[str]) -> None:
    """The inverse: the largest setting that starts."""
    slice_ = ["--gpu", "H100-80GB", "--profile", "1g.20gb"]
    flags = ["--max-model-len", "4096", "--solve", "max-model-len"]
    data = answer(capsys, "meta-llama/Llama-3.1-8B", *slice_, *flags)
    assert 4096 < data["solved"]["value"] < 131072


def test_neighbours_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes held by others are a term."""
    data = answer(
        capsys, "phi-2", "--gpu", "H100-80GB", "--neighbours", "10GiB",
        "--gpu-memory-utilization", "0.5",
    )  # fmt: skip
    names = [term["name"] for term in data["sizing"]["terms"]]
    assert "neighbours" in names


@pytest.mark.parametrize(
    "arguments",
    [
        ["phi-2", "--gpu", "L4", "--profile", "1g.10gb"],
        ["phi-2", "--gpu", "H100-80GB", "--profile", "1g.99gb"],
        ["phi-2", "--gpu", "H100-80GB", "--explain", "wieghts"],
        ["phi-2", "--gpu", "H100-80GB", "--compare", "9g.99gb"],
        ["phi-2", "--gpu", "H100-80GB", "--gpu-memory", "80"],
    ],
)
def test_bad_input_is_refused_with_a_message(arguments: list[str]) -> None:
    """Wrong names and missing units are input errors, never tracebacks."""
    with pytest.raises(InputError):
        run(*arguments)


LOG = """
Initializing a V1 LLM engine (v0.19.0) with config: model='meta-llama/Llama-3.1-8B-Instruct', \
dtype=torch.bfloat16, max_seq_len=8192, gpu_memory_utilization=0.95
Model loading took 14.99 GiB memory and 5.1 seconds
Available KV cache memory: 58.11 GiB
GPU KV cache size: 476,016 tokens
"""


def test_a_log_is_set_beside_its_prediction(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Model, release and flags come from the log; what it does not print is said."""
    path = tmp_path / "vllm.log"
    path.write_text(LOG, encoding="utf-8")
    data = answer(capsys, "--gpu", "H100-80GB", "--from-log", str(path))
    terms = {term["name"]: term for term in data["terms"]}
    assert terms["activation"]["logged"] is None
    pool = terms["kv cache"]
    assert pool["predicted"]["low"] <= pool["logged"] <= pool["predicted"]["high"]
    assert run("--gpu", "H100-80GB", "--from-log", str(path)) == 0
    assert "predicted beside logged" in capsys.readouterr().out


def test_a_model_is_asked_for() -> None:
    """Without a log the model must be named."""
    with pytest.raises(InputError, match="give a MODEL"):
        run("--gpu", "L4")
