"""Benchmark files become runs; what cannot be believed is named with file and record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rightslice.edge.benchmark_files import read_runs
from rightslice.errors import InputError

RUN = {
    "date": "20261001-120000",
    "model_id": "meta-llama/Llama-3.1-8B-Instruct",
    "num_prompts": 320,
    "request_rate": "inf",
    "max_concurrency": 32,
    "duration": 40.0,
    "completed": 320,
    "total_input_tokens": 320 * 1024,
    "total_output_tokens": 320 * 128,
    "mean_ttft_ms": 120.0,
    "mean_tpot_ms": 14.0,
}
HEADER = "concurrency,input_len,output_len,tpot_ms,ttft_ms,tp\n"


def write(folder: Path, text: str, name: str = "run.json") -> Path:
    """Write a file of runs."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_run_of_vllm_bench_serve(tmp_path: Path) -> None:
    """Lengths are means over the requests that completed."""
    (run,) = read_runs(write(tmp_path, json.dumps(RUN)))
    assert (run.concurrency, run.input_tokens, run.output_tokens) == (32, 1024, 128)
    assert (run.tpot_seconds, run.ttft_seconds) == pytest.approx((0.014, 0.12))


@pytest.mark.parametrize("form", ["list", "lines"])
def test_several_runs_in_one_file(tmp_path: Path, form: str) -> None:
    """A list, or one object a line as the benchmark appends them."""
    lines = "\n".join([json.dumps(RUN)] * 2)
    runs = read_runs(write(tmp_path, json.dumps([RUN, RUN]) if form == "list" else lines))
    assert [run.where.rpartition(", ")[2] for run in runs] == ["record 1", "record 2"]


def test_a_run_at_a_rate_counts_what_was_in_the_system(tmp_path: Path) -> None:
    """Little's law: 8 requests a second that stay 1.9 s are 15 at once."""
    at_a_rate = {**RUN, "max_concurrency": None, "request_rate": 8}
    (run,) = read_runs(write(tmp_path, json.dumps(at_a_rate)))
    assert run.concurrency == pytest.approx(8 * (0.12 + 127 * 0.014))


def test_csv_with_and_without_the_optional_columns(tmp_path: Path) -> None:
    """TTFT and tensor parallelism may be absent."""
    whole, part = read_runs(
        write(tmp_path, HEADER + "8,512,128,11,90,2\n8,512,128,11,,\n", "points.csv")
    )
    assert (whole.tensor_parallel, whole.ttft_seconds) == (2, 0.09)
    assert (part.tensor_parallel, part.ttft_seconds) == (None, None)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (json.dumps(RUN)[:-20], "not all of it is there"),
        ("", "holds no run"),
        ("{", "is not JSON"),
        ("[]", "holds no run"),
        ("[1]", "record 1: is no object"),
        ('{"throughput": 3}', "record 1: completed: is missing"),
        (json.dumps({**RUN, "mean_tpot_ms": 0}), "record 1: mean_tpot_ms: 0 must be"),
        (json.dumps({**RUN, "mean_tpot_ms": -4}), "mean_tpot_ms: -4 must be"),
        (json.dumps({**RUN, "mean_tpot_ms": float("nan")}), "mean_tpot_ms: nan must be"),
        (json.dumps({**RUN, "completed": True}), "completed: True must be"),
        (json.dumps({**RUN, "max_concurrency": "many"}), "max_concurrency: 'many' must be"),
    ],
)
def test_bad_json_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    """Truncated files, other tools' files, zeros, negatives and NaN are refused."""
    with pytest.raises(InputError, match=complaint):
        read_runs(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a,b\n1,2\n", "has no column concurrency"),
        (HEADER, "holds no run"),
        (HEADER + "8,512,128,fast,90,1\n", r"points.csv:2: tpot_ms: 'fast' must be"),
        (HEADER + "8,512,128,,90,1\n", r"points.csv:2: tpot_ms: None must be"),
        (HEADER + "8,512,128,inf,90,1\n", r"tpot_ms: 'inf' must be"),
    ],
)
def test_bad_csv_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    """The message has the line and the column."""
    with pytest.raises(InputError, match=complaint):
        read_runs(write(tmp_path, text, "points.csv"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """So is a file of bytes."""
    with pytest.raises(InputError, match=r"none\.json: cannot be read"):
        read_runs(tmp_path / "none.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"bytes\.json: cannot be read"):
        read_runs(tmp_path / "bytes.json")
