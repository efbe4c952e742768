"""Runs aiconfigurator on rows, in its own interpreter: JSON lines in, JSON lines out.

No script of its own: `perf_peers.py` starts it with the peer's Python, which has no rightslice. A
row's ``mode`` is one of the peer's: ``agg`` for closed-loop load, ``static`` for a static batch.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
import time
import warnings
from typing import Any


def main() -> int:
    """Predict every row of standard input, one at a time, with its seconds."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    started = time.perf_counter()
    estimate = importlib.import_module("aiconfigurator.cli.api").cli_estimate
    version = importlib.import_module("importlib.metadata").version("aiconfigurator")
    ready = time.perf_counter() - started
    answer(version=version, import_seconds=ready)
    for line in sys.stdin:
        row = json.loads(line)
        answer(row=row.pop("row"), **predicted(estimate, row))
    return 0


def predicted(estimate: Any, row: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - the peer's own function
    """Return the latencies of one row in milliseconds, or why there are none."""
    started = time.perf_counter()
    try:
        found = estimate(row.pop("model"), row.pop("system"), **row)
        told: dict[str, object] = {"tpot_ms": float(found.tpot), "ttft_ms": float(found.ttft)}
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the peer raises is its answer
        told = {"error": f"{type(error).__name__}: {error}"[:200]}
    return {"seconds": time.perf_counter() - started, **told}


def answer(**told: object) -> None:
    """Write one line."""
    sys.__stdout__.write(json.dumps(told) + "\n")  # type: ignore[union-attr]  # a pipe is there
    sys.__stdout__.flush()  # type: ignore[union-attr]  # as above


if __name__ == "__main__":
    raise SystemExit(main())
