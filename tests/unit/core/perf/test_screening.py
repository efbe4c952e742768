"""What physics forbids was not measured as stated."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rightslice.core.perf.result import PerfConstants
from rightslice.core.perf.screening import refusal
from rightslice.core.sizing.result import Sizing
from rightslice.edge.benchmark_files import observe, read_runs

Server = Callable[..., Sizing]


@pytest.mark.parametrize(
    ("clients", "tpot_ms", "reason"),
    [
        (1, 8.0, None),
        (1, 3.0, "faster than the memory bandwidth"),
        (5000, 500.0, "max-num-seqs holds 1,024"),
    ],
)
def test_limits_of_an_h100(
    server: Server,
    constants: PerfConstants,
    tmp_path: Path,
    *,
    clients: int,
    tpot_ms: float,
    reason: str | None,
) -> None:
    """16 GB of weights take 4.8 ms at 3.35 TB/s, and 1,024 sequences run at once."""
    done = 10 * clients
    run: dict[str, float] = {
        "completed": done,
        "total_input_tokens": 128 * done,
        "total_output_tokens": 128 * done,
    }
    run |= {"duration": 10 * 0.128 * tpot_ms, "max_concurrency": clients}
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**run, "mean_tpot_ms": tpot_ms}))
    said = refusal(observe(read_runs(path)[0], server()), server(), constants)
    assert (said is None) == (reason is None)
    assert (reason or "") in (said or "")
