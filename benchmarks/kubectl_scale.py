"""How long the kubectl plugin takes: each verb over a snapshot of a large cluster, from a file.

Columns: verb, seconds of processor time, seconds, lines or characters printed. Listing the objects
of a live cluster comes on top. The ModelDeployments are those of ``operator_scale.py``, decided
once, so that their statuses are there. Run: ``python benchmarks/kubectl_scale.py``;
``--served 1000 --nodes 200`` for the long form.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import io
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from parts.operator_fleet import gpu_nodes, model_deployments, models

from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster.operated import operated
from rightslice.edge.cluster.recommenders import Recommenders
from rightslice.edge.cluster.snapshot import snapshot_text
from rightslice.edge.constants import fitted_constants
from rightslice.entry.kubectl.app import run
from rightslice.kube.crd.decode import encode
from rightslice.kube.snapshot.value import snapshot_of

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
ASKS: Mapping[str, tuple[str, ...]] = {
    "status": ("status", "-A"),
    "explain": ("explain", "m-0", "-n", "team-0"),
    "whatif": ("whatif", "m-0", "-n", "team-0", "--concurrency", "47"),
}


def objects(served: int, nodes: int) -> list[dict[str, Any]]:
    """Return the cluster, every ModelDeployment with the status that the operator would write."""
    found: list[dict[str, Any]] = [
        {**one.manifest(), **one.status(), "kind": "Node"} for one in gpu_nodes(nodes)
    ]
    found += [*models(), *model_deployments(served, "advise")]
    by = Recommenders(fitted_constants()).by
    statuses = {
        one.key: one.status for one in operated(snapshot_of(found), Catalog(), by, NOW).decided()
    }
    for one in found:
        key = one["metadata"].get("namespace", ""), one["metadata"]["name"]
        if one["kind"] == "ModelDeployment":
            one["status"] = encode(statuses[key])
    return found


def measure(state: Path, arguments: tuple[str, ...]) -> tuple[float, float, int]:
    """Return processor seconds, seconds, and the characters that one call printed."""
    out = io.StringIO()
    spent, began = time.process_time(), time.perf_counter()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = run([*arguments, "--cluster", str(state)])
    assert code in (0, 4), out.getvalue()
    return time.process_time() - spent, time.perf_counter() - began, len(out.getvalue())


def main() -> None:
    """Print one row a verb."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--served", type=int, default=100, help="ModelDeployments")
    parser.add_argument("--nodes", type=int, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state.json"
        text = snapshot_text(snapshot_of(objects(asked.served, asked.nodes), taken_at=str(NOW)))
        state.write_text(text, encoding="utf-8")
        print(f"{asked.served} ModelDeployments, {asked.nodes} nodes, {len(text) / 1e6:.1f} MB")
        print(f"{'verb':8}{'cpu s':>8}{'s':>8}{'characters':>12}")
        for verb, arguments in ASKS.items():
            spent, taken, printed = measure(state, arguments)
            print(f"{verb:8}{spent:8.1f}{taken:8.1f}{printed:12,}")


if __name__ == "__main__":
    main()
