"""Placement grids that the packing tests share."""

from __future__ import annotations

import pytest

from rightslice.core.catalog.mig import MigGrid
from rightslice.edge.catalog_files import Catalog


def _grid(gpu: str) -> MigGrid:
    mig = Catalog().gpu(gpu).mig
    assert mig is not None
    return mig


@pytest.fixture(scope="session")
def a100() -> MigGrid:
    """An A100 with 40 GB: eight slots, seven compute slices."""
    return _grid("A100-40GB")


@pytest.fixture(scope="session")
def a30() -> MigGrid:
    """An A30: four slots."""
    return _grid("A30-24GB")


@pytest.fixture(scope="session")
def rtx() -> MigGrid:
    """An RTX PRO 6000: twelve units, profiles with and without media and graphics engines."""
    return _grid("RTX-PRO-6000-Blackwell-96GB")


@pytest.fixture(scope="session")
def unknown() -> MigGrid:
    """A card of which the vendor lists profiles, and nobody a placement."""
    return _grid("RTX-PRO-4500-Blackwell-32GB")
