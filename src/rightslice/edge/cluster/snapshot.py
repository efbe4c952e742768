"""Snapshot files, and the same from what kubectl prints; what a snapshot means is in kube.

A file holds one object a line, in one order, so that two snapshots can be compared with ``diff``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from rightslice.core.catalog.instance import Price, PriceKind
from rightslice.core.packing.live import LiveState
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.live.counts import read_counts
from rightslice.edge.live.das import read_das
from rightslice.edge.live.dra import read_dra
from rightslice.edge.live.objects import read_objects
from rightslice.edge.live.state import Found, FoundCard, live_state
from rightslice.edge.prices_file import card_price
from rightslice.edge.yaml_files import read_text
from rightslice.errors import InputError
from rightslice.kube.parse.question import Lookups
from rightslice.kube.snapshot.fleet import Sources
from rightslice.kube.snapshot.groups import Facts, PriceAsk
from rightslice.kube.snapshot.kinds import KINDS
from rightslice.kube.snapshot.value import (
    KIND,
    Snapshot,
    document_of,
    read_document,
    snapshot_of,
)

LARGEST_BYTES: Final = 1024**3
"""Ten thousand pods print about 100 MiB."""


def snapshot_text(snapshot: Snapshot) -> str:
    """Return the text of a snapshot's file: a few lines of head, then one object a line."""
    document = document_of(snapshot)
    items = document.pop("items")
    assert isinstance(items, list)
    head = [f"  {_compact(key)}: {_compact(value)}" for key, value in document.items()]
    lines = ",\n".join(f"    {_compact(one)}" for one in items)
    return "{\n" + ",\n".join(head) + ',\n  "items": [\n' + lines + "\n  ]\n}\n"


def _compact(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def read_snapshot(path: Path) -> Snapshot:
    """Return the snapshot at *path*: a file of `rightslice snapshot`, or of kubectl's objects.

    Raises:
        InputError: when it is neither.
        UnavailableError: when the operating system will not read it.
    """
    if not path.is_dir():
        text = read_text(path, largest_bytes=LARGEST_BYTES)
        data = _snapshot_data(text, str(path))
        if data is not None:
            return read_document(data, where=str(path))
        return _of_objects([(text, str(path))])
    return snapshot_of_files([path])


def snapshot_of_files(paths: Sequence[Path]) -> Snapshot:
    """Return the snapshot of the objects in files of ``kubectl get -o json`` (or yaml), or folders.

    Raises:
        InputError: when a file is no such thing, or none holds an object that a snapshot reads.
        UnavailableError: when the operating system will not read one.
    """
    files = [file for path in paths for file in _files(path)]
    return _of_objects([(read_text(one, largest_bytes=LARGEST_BYTES), str(one)) for one in files])


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(one for one in path.iterdir() if one.suffix in (".json", ".yaml", ".yml"))
    if not found:
        raise InputError(f"{path}: holds no .json or .yaml file of kubectl's objects")
    return found


def _of_objects(texts: Sequence[tuple[str, str]]) -> Snapshot:
    objects: list[dict[str, Any]] = []
    for text, where in texts:
        objects += [one for every in read_objects(text, where=where).values() for one in every]
    for one in objects:
        metadata = one.get("metadata")
        if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
            raise InputError(f"{texts[0][1]}: a {one['kind']} has no metadata.name")
    snapshot = snapshot_of(objects)
    if not snapshot.objects:
        wanted = ",".join(one.plural for one in KINDS[:4])
        names = ", ".join(where for _, where in texts)
        raise InputError(f"{names}: holds nothing to read; write kubectl get {wanted} -A -o json")
    return snapshot


def _snapshot_data(text: str, where: str) -> Mapping[str, object] | None:
    """Return the data of a snapshot's file; None when the text is something else."""
    if f'"{KIND}"' not in text[:4096] or not text.lstrip().startswith("{"):
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: is not JSON: {error}") from None
    return data if isinstance(data, dict) and data.get("kind") == KIND else None


def is_snapshot(path: Path) -> bool:
    """Whether *path* is a file that `rightslice snapshot` wrote, by how it begins."""
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as stream:
        head = stream.read(4096)
    return f'"kind": "{KIND}"' in head or f'"kind":"{KIND}"' in head


def sources_of(catalog: Catalog, own_prices: Mapping[str, Price]) -> Sources:
    """Return the catalogue and one's own prices as a snapshot's reading asks for them."""
    return Sources(
        facts=Facts(
            gpu=catalog.gpu,
            instance=catalog.instance,
            price=partial(_price, catalog, own_prices),
        ),
        lookups=Lookups(model=catalog.model, engine=catalog.engine),
    )


def _price(catalog: Catalog, own: Mapping[str, Price], ask: PriceAsk) -> Price | None:
    """Return one's own price of a node, or of its cards, else the catalogue's by instance type.

    Without a price in the node's region that of the cloud's home region stands in.
    """
    for name in ask.names:
        if name in own:
            return own[name]
    card = card_price(own, ask.gpu)
    if card is not None:
        return Price(
            item=card.item, kind=card.kind, region=card.region,
            usd_per_hour=card.usd_per_hour * ask.cards, as_of=card.as_of, source=card.source,
        )  # fmt: skip
    if ask.instance is None:
        return None
    found = None
    for region in (ask.region, None) if ask.region else (None,):
        for kind in dict.fromkeys((ask.purchase, PriceKind.ON_DEMAND)):
            found = found or catalog.price(ask.instance.name, region=region, kind=kind)
    return found


def live_of(snapshot: Snapshot, catalog: Catalog, *, gpu: str | None, where: str) -> LiveState:
    """Return the slices of *snapshot* and who runs in them, as `repack` reads them.

    Slices that the device plugin hands out are inferred from counts, and the state then says so.

    Raises:
        FieldError: naming node, GPU and slot of what cannot exist.
        InputError: when nothing is cut, or several kinds of card are and *gpu* chooses none.
    """
    objects: dict[str, list[dict[str, Any]]] = {
        kind: [dict(one) for one in every] for kind, every in snapshot.objects.items()
    }
    try:
        return _live(objects, catalog, gpu, where)
    except UnicodeEncodeError:
        raise InputError(f"{where}: holds half characters, which are no text") from None


def _live(
    objects: dict[str, list[dict[str, Any]]], catalog: Catalog, gpu: str | None, where: str
) -> LiveState:
    exact: list[Found] = []
    if "AllocationClaim" in objects or "NodeAccelerator" in objects:
        exact.append(read_das(objects, where=where))
    if "ResourceSlice" in objects:
        exact.append(read_dra(objects, where=where))
    told = {card.node for found in exact for card in found.cards}
    counted = {**objects, "Node": [one for one in objects.get("Node", ())
                                   if one.get("metadata", {}).get("name") not in told]}  # fmt: skip
    guessed = read_counts(counted, catalog=catalog, where=where)
    cards = tuple(card for found in exact for card in found.cards)
    wanted = None if gpu is None else catalog.mig_gpu(gpu).name
    inferred = [one for one in guessed.cards if wanted in (None, _grid_name(one, catalog))]
    return live_state(
        Found(
            cards=(*cards, *guessed.cards),
            floors=guessed.floors,
            is_inferred=bool(inferred),
        ),
        catalog=catalog, gpu=gpu, where=where,
    )  # fmt: skip


def _grid_name(card: FoundCard, catalog: Catalog) -> str:
    return catalog.mig_gpu(card.product).name
