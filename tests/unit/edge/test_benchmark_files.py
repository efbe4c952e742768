"""Benchmark files become runs; what cannot be believed is named with file and record."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rightslice.edge.benchmark_files import read_runs
from rightslice.edge.benchmark_run import BenchmarkRun
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


MODELS = {"vllm bench serve": "demo-model", "guidellm": "demo-model", "inference-perf": None}
FILES = Path(__file__).parents[2] / "data" / "benchmarks"


@pytest.mark.parametrize(
    ("name", "tool", "tpot_ms"),
    [
        ("vllm-0.33.0.json", "vllm bench serve", 7.1894),
        ("vllm-0.9.2.json", "vllm bench serve", 7.9907),
        ("guidellm-0.8.1.json", "guidellm", None),
        ("inference-perf-0.7.0.json", "inference-perf", None),
    ],
)
def test_files_of_the_tools_themselves(name: str, tool: str, tpot_ms: float | None) -> None:
    """Whichever tool wrote it, the server that gave a token each 8 ms has a TPOT of 8 ms."""
    run = read_runs(FILES / name)[-1]
    assert (run.tool, run.model, run.concurrency) == (tool, MODELS[tool], 4)
    assert run.output_tokens == 16
    assert run.tpot_seconds == pytest.approx(0.008, rel=0.11)
    assert run.ttft_seconds == pytest.approx(0.037, rel=0.5)
    assert tpot_ms is None or run.tpot_seconds == pytest.approx(tpot_ms / 1e3)


def test_a_summary_of_stages_is_no_run() -> None:
    """inference-perf's summary mixes loads, and the stage's own report is asked for."""
    with pytest.raises(InputError, match="give stage_N_lifecycle_metrics"):
        read_runs(FILES / "inference-perf-0.7.0-summary.json")


@pytest.mark.parametrize("name", ["vllm-0.33.0.json", "guidellm-0.8.1.json"])
def test_what_was_noted_beside_a_run(name: str) -> None:
    """Metadata and labels say which server it was."""
    (run, *_) = read_runs(FILES / name)
    assert (run.tensor_parallel, run.engine_version) == (1, "0.33.0")


def test_fewer_requests_than_clients(tmp_path: Path) -> None:
    """Twenty requests of 64 clients are 20 at once."""
    few = {**RUN, "max_concurrency": 64, "completed": 20, "duration": 2.0}
    few |= {"total_input_tokens": 20 * 1024, "total_output_tokens": 20 * 128}
    (run,) = read_runs(write(tmp_path, json.dumps(few)))
    assert run.concurrency == 20


def test_a_cap_on_a_rate_is_no_concurrency(tmp_path: Path) -> None:
    """With a rate, --max-concurrency only limits; what was in flight counts."""
    at_a_rate = {**RUN, "max_concurrency": 512, "request_rate": 8.0}
    (run,) = read_runs(write(tmp_path, json.dumps(at_a_rate)))
    assert run.concurrency < 20


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (json.dumps({**RUN, "mean_tpot_ms": 0.014, "mean_ttft_ms": 0.12}), "wrong unit"),
        (json.dumps({**RUN, "duration": 40_000.0}), "duration: .* wrong unit"),
        (json.dumps({**RUN, "failed": 200}), "failed: 200 of 520 requests failed"),
        (json.dumps({**RUN, "duration": 10**400}), "duration: 1000.* must be"),
        (json.dumps({**RUN, "tp": 1.5}), "tp: 1.5 must be a whole number"),
        ('{"avg_latency": 1.0}', "vllm bench latency"),
        ('{"elapsed_time": 1.0}', "vllm bench throughput"),
        ('{"kind": "Calibration"}', "rightslice's own"),
        ('{"benchmarks": [{}]}', "benchmark 1: metrics.inter_token_latency_ms: is missing"),
        ('{"load_summary": {}, "successes": {}}', "mixes the loads of all stages"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_runs_that_cannot_be(tmp_path: Path, text: str, complaint: str) -> None:
    """Units, failures, other tools and hostile files, each by its own sign."""
    with pytest.raises(InputError, match=complaint):
        read_runs(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("concurrency,input_len,output_len,tpot_s\n8,1,1,1\n", "tpot_s is there, but"),
        (HEADER + "8,512,128,11,90,1,9,9\n", "more cells than"),
        (HEADER + "8,512,128,11,90,1.5\n", "tp: 1.5 must be a whole"),
        (HEADER + "8,512,128,-11,90,1\n", "tpot_ms: '-11' must be"),
        (HEADER + "8,512,128,1e9,90,1\n", "tpot_ms: 1e\\+06 s is more than any server"),
        (HEADER + "8,512,1e12,11,90,1\n", "output_len: 1e\\+12 tokens are more than"),
        (HEADER + "1e9,512,128,11,90,1\n", "concurrency: 1e\\+09 clients are more than"),
        (HEADER + "0,512,128,11,90,1\n", "concurrency: '0' must be"),
        (HEADER + "8,512,128,nan,90,1\n", "tpot_ms: 'nan' must be"),
    ],
)
def test_csv_that_cannot_be(tmp_path: Path, text: str, complaint: str) -> None:
    """Columns in other units, ragged rows, and figures that nobody measures."""
    with pytest.raises(InputError, match=complaint):
        read_runs(write(tmp_path, text, "points.csv"))


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    """A result has megabytes at most; a terabyte of log is refused by its size."""
    path = tmp_path / "log.json"
    path.touch()
    os.truncate(path, 10**12)
    with pytest.raises(InputError, match="leave out --save-detailed"):
        read_runs(path)


WEIRD = st.sampled_from(
    [None, 0, -1, 1e308, 10**400, float("nan"), float("inf"), True, "", "x", [], [1], {}, {"a": 1}]
)


def _paths(document: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - parsed JSON
    """Return the path of every value in *document*."""
    children: list[tuple[Any, Any]] = []
    if isinstance(document, dict):
        children = list(document.items())
    if isinstance(document, list):
        children = list(enumerate(document))
    found = [at] if at else []
    return found + [path for key, child in children for path in _paths(child, (*at, key))]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from(sorted(path.name for path in FILES.glob("*.json"))))
def test_no_damage_goes_unnoticed_or_unnamed(
    tmp_path: Path, data: st.DataObject, name: str
) -> None:
    """One value replaced or a tail cut off: a run of finite figures, or an error with the file."""
    text = (FILES / name).read_text(encoding="utf-8")
    if data.draw(st.booleans()):
        text = text[: data.draw(st.integers(0, len(text) - 2))]
    else:
        document = json.loads(text)
        *parents, last = data.draw(st.sampled_from(_paths(document)))
        holder = document
        for key in parents:
            holder = holder[key]
        holder[last] = data.draw(WEIRD)
        text = json.dumps(document)
    runs: tuple[BenchmarkRun, ...] = ()
    said = "run.json"
    try:
        runs = read_runs(write(tmp_path, text))
    except InputError as error:
        said = str(error)
    assert "run.json" in said
    for run in runs:
        figures = (run.concurrency, run.input_tokens, run.output_tokens, run.tpot_seconds)
        assert all(0 < figure < 1e9 for figure in figures)
