"""Whatever an object holds, a snapshot is read, or refused in words."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster.snapshot import live_of, sources_of
from rightslice.errors import InputError
from rightslice.kube.snapshot.fleet import Rules, fleet_of, look
from rightslice.kube.snapshot.stock import stock_of
from rightslice.kube.snapshot.value import read_document

TEXT = (Path(__file__).parents[4] / "examples/cluster/state.json").read_text(encoding="utf-8")
STRANGE: tuple[object, ...] = (
    None, True, -1, 1.5, "", "x", "1e400", "9" * 400, [], [None], {}, {"a": 1}, 10**30,
    "\ud800", "NVIDIA-L4",
)  # fmt: skip


def _paths(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value)  # type: ignore[arg-type]  # called on containers only
    for key, item in inside:
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from _paths(item, (*path, key))


PATHS = list(_paths(json.loads(TEXT)))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(PATHS), st.sampled_from(STRANGE))
def test_a_strange_value_anywhere_is_no_traceback(path: tuple[str | int, ...], odd: object) -> None:
    """One value of the example replaced: fleet, stock and slices are there, or an InputError."""
    document: Any = json.loads(TEXT)
    inside = document
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = odd
    sources = sources_of(Catalog(), {})
    with contextlib.suppress(InputError):
        snapshot = read_document(document, where="f")
        with contextlib.suppress(InputError):
            fleet_of(snapshot, sources, Rules())
        with contextlib.suppress(InputError):
            stock_of(look(snapshot, sources.facts), sources.facts)
        live_of(snapshot, Catalog(), gpu="A100-80GB", where="f")
