"""What a card of a node costs by list, as the operator reckons it."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Final

from rightslice.core.catalog.instance import PriceKind
from rightslice.edge.catalog_files import Catalog
from rightslice.errors import InputError
from rightslice.kube.cluster.view import ClusterNode

_INSTANCE_TYPE: Final = "node.kubernetes.io/instance-type"
_REGION: Final = "topology.kubernetes.io/region"


class CardPrices:
    """`card_price` with a memory: many nodes are of few types."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._known: dict[tuple[str | None, str | None], Fraction | None] = {}

    def of(self, node: ClusterNode) -> Fraction | None:
        """Return what `card_price` returns."""
        key = node.labels.get(_INSTANCE_TYPE), node.labels.get(_REGION)
        if key not in self._known:
            self._known[key] = card_price(self._catalog, node)
        return self._known[key]


def card_price(catalog: Catalog, node: ClusterNode) -> Fraction | None:
    """Return the list price of one card of *node*, by its instance type; None when not known."""
    name = node.labels.get(_INSTANCE_TYPE)
    if name is None:
        return None
    try:
        instance = catalog.instance(name)
        region = node.labels.get(_REGION)
        price = catalog.price(name, region=region, kind=PriceKind.ON_DEMAND)
    except InputError:
        return None
    if price is None or instance.gpu_count < 1:
        return None
    return Fraction(Decimal(price.usd_per_hour)) / instance.gpu_count
