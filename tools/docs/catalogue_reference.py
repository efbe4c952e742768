"""Summary of the catalogue: how many facts of each kind, from when, from where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rightslice.core.catalog.source import Source
from rightslice.edge.catalog_files import Catalog


def catalogue_counts() -> None:
    """Print how much the catalogue holds."""
    catalog = Catalog()
    grids = catalog.mig_gpus()
    rows = [
        ("GPU boards", len(catalog.gpus()), "`rightslice catalog gpus`"),
        ("GPUs with MIG", len(grids), "`rightslice catalog mig`"),
        (
            "MIG profiles",
            sum(len(grid.profiles) for grid in grids),
            "`rightslice catalog mig NAME`",
        ),
        ("models, before aliases", len(catalog.models()), "`rightslice catalog models`"),
        ("ranges of vLLM releases", len(catalog.engines()), "`rightslice catalog engines`"),
        ("instance types", len(catalog.instances()), "`rightslice catalog instances`"),
        ("prices", len(catalog.prices()), "`rightslice catalog instances NAME`"),
    ]
    print("| facts | how many | shown by |\n|---|---|---|")
    for name, count, command in rows:
        print(f"| {name} | {count:,} | {command} |")


def mig_evidence() -> None:
    """Print each GPU with MIG: slots, profiles, and how sure the placements are."""
    print("| GPU | slots | profiles | placements | as of |\n|---|---|---|---|---|")
    for grid in Catalog().mig_gpus():
        slots = "unknown" if grid.slots is None else str(grid.slots)
        print(
            f"| {grid.name} | {slots} | {len(grid.profiles)} | {grid.placement_evidence}"
            f" | {grid.source.date} |"
        )


def price_dates() -> None:
    """Print how many prices each source gave, by kind and date."""
    counts = Counter(
        (price.source, price.kind.value, str(price.as_of or "no date"))
        for price in Catalog().prices()
    )
    print("| source | kind | as of | prices |\n|---|---|---|---|")
    for (source, kind, as_of), count in sorted(counts.items()):
        print(f"| {source} | {kind} | {as_of} | {count:,} |")


def instance_clouds() -> None:
    """Print how many instance types each cloud has."""
    counts = Counter(instance.cloud for instance in Catalog().instances())
    print("| cloud | instance types |\n|---|---|")
    for cloud, count in sorted(counts.items()):
        print(f"| {cloud} | {count} |")


def model_families() -> None:
    """Print the models of each family."""
    families: dict[str, list[str]] = {}
    for entry in Catalog().models():
        families.setdefault(entry.family, []).append(entry.name)
    print("| family | models |\n|---|---|")
    for family, names in sorted(families.items()):
        print(f"| `{family}` | {', '.join(sorted(names))} |")


def sources_of_gpus() -> None:
    """Print the dates at which the figures of GPU boards were read."""
    _dates(gpu.source for gpu in Catalog().gpus())


def _dates(sources: Iterable[Source]) -> None:
    counts = Counter(source.date for source in sources)
    print("| read | boards |\n|---|---|")
    for date, count in sorted(counts.items()):
        print(f"| {date} | {count} |")
