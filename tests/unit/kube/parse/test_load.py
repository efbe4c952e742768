"""Tests of reading the load that a load generator makes."""

from __future__ import annotations

import shlex

import pytest

from rightslice.kube.parse.load import merged, read_goodput, read_inference_perf, read_load
from rightslice.kube.parse.notes import Notes
from rightslice.kube.parse.programs import load_command
from rightslice.kube.parse.values import ParsedLoad, ParsedSlo


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "bench_serving --random-input-len=9 --random-output-len 6 --max-concurrency=8",
            ParsedLoad(input_len=9, output_len=6, concurrency=8),
        ),
        ("vllm bench serve --request-rate 2.5", ParsedLoad(request_rate=2.5)),
        (
            "python -m sglang.bench_serving --random-input 9 --random-output 8",
            ParsedLoad(input_len=9, output_len=8),
        ),
        ("guidellm benchmark --rate-type=concurrent --rate=4,8", ParsedLoad(concurrency=(4, 8))),
        ("guidellm benchmark --rate-type sweep --rate 10", ParsedLoad()),
        ("genai-perf profile --concurrency 2 --isl 5", ParsedLoad(concurrency=2, input_len=5)),
        ("lm_eval --model_args base_url=http://x,num_concurrent=3", ParsedLoad(concurrency=3)),
        (
            "python token_benchmark_ray.py --mean-input-tokens 550 --num-concurrent-requests 2",
            ParsedLoad(input_len=550, concurrency=2),
        ),
        ("evalscope perf --parallel 4 --rate 2", ParsedLoad(concurrency=4, request_rate=2)),
    ],
)
def test_each_generator_s_own_options_are_read(line: str, expected: ParsedLoad) -> None:
    """Lengths, concurrency and rate by each program's names; an infinite rate is none."""
    found = load_command(shlex.split(line))
    assert found is not None
    assert read_load(*found, Notes()) == expected


def test_an_unreadable_number_is_refused() -> None:
    """A load is never guessed from part of a value."""
    notes = Notes()
    assert read_load("x", ["--max-concurrency", "many"], notes) == ParsedLoad()
    assert "many" in notes.refused["load.concurrency"]


def test_goodput_states_targets() -> None:
    """``--goodput ttft:500 tpot:50`` is in milliseconds."""
    arguments = ["--goodput", "ttft:500", "tpot:50", "--x", "y"]
    assert read_goodput(arguments) == ParsedSlo(tpot_ms=50, ttft_ms=500)


def test_inference_perf_s_stages_are_a_sweep() -> None:
    """Rates of several stages stand in their order."""
    config = {"load": {"stages": [{"rate": 1}, {"rate": 2}]}, "data": {}}
    assert read_inference_perf(config, Notes()) == ParsedLoad(request_rate=(1, 2))


def test_gaps_are_filled_and_nothing_else() -> None:
    """What the first states, the second does not change."""
    first = ParsedLoad(concurrency=1)
    assert merged(first, ParsedLoad(concurrency=2, input_len=3)) == ParsedLoad(
        concurrency=1, input_len=3
    )
