"""A live state from whatever a cluster tells: our own file, its objects, or its nodes' text.

A file of Kubernetes objects is read by what is in it: AllocationClaims (DAS), ResourceSlices
(DRA), else Nodes (device plugin: counts only). Text is a node's ``nvidia-smi`` output, called
``NODE.txt``; a folder may hold one for each node, and ``.json`` files with Pods and
PodDisruptionBudgets beside them.
"""

from __future__ import annotations

from pathlib import Path

from rightslice.core.packing.live import LiveState
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.live.counts import read_counts
from rightslice.edge.live.das import read_das
from rightslice.edge.live.dra import read_dra
from rightslice.edge.live.objects import Objects, read_objects
from rightslice.edge.live.pods import read_tenants
from rightslice.edge.live.smi import read_smi
from rightslice.edge.live.state import Found, FoundCard, live_state
from rightslice.edge.state_file import read_state
from rightslice.edge.yaml_files import read_text
from rightslice.errors import InputError, UnavailableError

_TEXT = ".txt"
_LARGEST_BYTES = 1024**3
"""A cluster of ten thousand pods prints about 100 MiB; YAML stays within the usual limit."""


def read_live(path: Path, catalog: Catalog, *, gpu: str | None = None) -> LiveState:
    """Return the slices and pods that *path* tells of.

    Args:
        path: a state file, a file of Kubernetes objects, a node's text, or a folder of these.
        catalog: for the placement grids.
        gpu: the kind of card, where there are several or nothing says.

    Raises:
        FieldError: for what cannot exist, with node, GPU and slot; for a bad field, with its place.
        InputError: when it is none of these, or nothing is cut.
        UnavailableError: when the operating system will not read it.
    """
    if path.is_dir():
        found = _folder(path)
    elif path.suffix == _TEXT:
        cards = read_smi(_text(path), node=path.stem, tenants=read_tenants({}, where=str(path)))
        found = Found(cards=cards)
    elif _is_objects(text := _text(path)):
        found = _objects(read_objects(text, where=str(path)), catalog, str(path))
    else:
        return read_state(path, catalog)
    return live_state(found, catalog=catalog, gpu=gpu, where=str(path))


def _text(path: Path) -> str:
    if path.suffix in (_TEXT, ".json"):
        return read_text(path, largest_bytes=_LARGEST_BYTES)
    return read_text(path)


def _is_objects(text: str) -> bool:
    return any(line.strip().strip('",{').startswith(("apiVersion", "kind")) for line in
               text[:4096].splitlines()) or text.lstrip().startswith("{")  # fmt: skip


def _objects(objects: Objects, catalog: Catalog, where: str) -> Found:
    if "AllocationClaim" in objects or "NodeAccelerator" in objects:
        return read_das(objects, where=where)
    if "ResourceSlice" in objects:
        return read_dra(objects, where=where)
    if "Node" in objects:
        return read_counts(objects, catalog=catalog, where=where)
    kinds = ", ".join(sorted(objects)) or "nothing"
    raise InputError(
        f"{where}: holds {kinds}; ResourceSlices and ResourceClaims (DRA), AllocationClaims (DAS)"
        " or Nodes and Pods (device plugin) tell of slices"
    )


def _folder(path: Path) -> Found:
    try:
        files = sorted(each for each in path.iterdir() if each.is_file())
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}") from error
    merged: dict[str, list[dict[str, object]]] = {}
    for file in files:
        if file.suffix in (".json", ".yaml"):
            for name, every in read_objects(_text(file), where=str(file)).items():
                merged.setdefault(name, []).extend(every)
    tenants = read_tenants(merged, where=str(path))
    cards: list[FoundCard] = []
    for file in files:
        if file.suffix == _TEXT:
            cards += read_smi(_text(file), node=file.stem, tenants=tenants)
    if not cards:
        raise InputError(f"{path}: holds no NODE{_TEXT} with the text of nvidia-smi mig -lgi")
    return Found(cards=tuple(cards), floors=tenants.floors)
