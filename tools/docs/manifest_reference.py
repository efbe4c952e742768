"""Tables of what is read from other people's manifests: annotations and columns."""

from __future__ import annotations

from rightslice.kube.manifest import GROUP
from rightslice.kube.parse.annotations import ANNOTATIONS
from rightslice.kube.parse.values import COLUMNS, OTHER_COLUMNS


def annotations_read() -> None:
    """Print one row for each annotation that is read."""
    print("| annotation | example | meaning |\n|---|---|---|")
    for one in ANNOTATIONS:
        print(f"| `{GROUP}/{one.name}` | `{one.example}` | {one.meaning} |")


def manifest_columns() -> None:
    """Print one row for each field of a workload of ``rightslice parse --output json``."""
    print("| field | meaning |\n|---|---|")
    for name, meaning in {**COLUMNS, **OTHER_COLUMNS}.items():
        print(f"| `{name}` | {meaning} |")
