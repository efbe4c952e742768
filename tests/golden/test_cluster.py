"""Golden of a cluster: the example's four kinds of node and six servers, compared with its plan.

``pytest tests/golden --rewrite-golden`` writes what is given now.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster.snapshot import read_snapshot, sources_of
from rightslice.edge.constants import fitted_constants
from rightslice.kube.snapshot.compare import Asking, plan_cluster
from rightslice.kube.snapshot.fleet import Rules
from rightslice.records import Json, to_json

EXAMPLE = Path(__file__).parents[2] / "examples" / "cluster" / "state.json"
EXPECTED = Path(__file__).parent / "cluster" / "expected.json"


def _given() -> dict[str, Json]:
    """Return the plan of the example, without the plan of the fleet below it."""
    asking = Asking(
        constants=fitted_constants(), today=dt.date(2026, 11, 20), time_limit_seconds=30
    )
    snapshot = read_snapshot(EXAMPLE)
    answer = to_json(plan_cluster(snapshot, sources_of(Catalog(), {}), Rules(), asking))
    assert isinstance(answer, dict)
    cards = answer.pop("plan")
    assert isinstance(cards, dict)
    servers = answer["servers"]
    assert isinstance(servers, list)
    for one in servers:
        assert isinstance(one, dict)
        proposed = one["proposed"]
        assert isinstance(proposed, dict)
        del proposed["headroom_ratio"]  # it changes in its last digits with every calibration
    return {**answer, "notes": cards["notes"]}


def test_the_example_is_compared_as_before(*, rewrite_golden: bool) -> None:
    """Every server, what was left out and why, what was assumed, and the sums."""
    given = _given()
    if rewrite_golden:
        EXPECTED.parent.mkdir(exist_ok=True)
        text = json.dumps(given, indent=2, ensure_ascii=False)
        EXPECTED.write_text(f"{text}\n", encoding="utf-8")
    assert json.loads(EXPECTED.read_text(encoding="utf-8")) == given
