"""What physics forbids was not measured as stated."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.share import MpsShare
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


def test_a_share_beside_idle_neighbours_is_as_fast_as_its_card(
    server: Server, constants: PerfConstants, tmp_path: Path
) -> None:
    """Half of an H100 may read at all of its bandwidth, which is the limit."""
    whole = server()
    halved = replace(whole, device=device_of(whole.device.gpu, MpsShare(replicas=2)))
    said = []
    for tpot_ms in (6.0, 3.0):
        path = tmp_path / f"{tpot_ms}.json"
        run = {"completed": 10, "total_input_tokens": 1280, "total_output_tokens": 1280}
        done = {**run, "duration": 1.28 * tpot_ms, "max_concurrency": 1, "mean_tpot_ms": tpot_ms}
        path.write_text(json.dumps(done))
        said.append(refusal(observe(read_runs(path)[0], halved), halved, constants))
    assert said[0] is None
    assert "faster than the memory bandwidth" in (said[1] or "")
