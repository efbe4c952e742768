"""The shipped constants are one value, read once."""

from __future__ import annotations

import pytest

from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import fitted_constants


def test_they_are_read_once() -> None:
    """Every caller shares one value."""
    assert fitted_constants() is fitted_constants()


@pytest.mark.parametrize("release", Catalog().engines(), ids=lambda release: release.version)
def test_every_release_has_its_era(release: object) -> None:
    """No engine of the catalogue is without step-time constants."""
    engine = next(one for one in Catalog().engines() if one is release)
    assert fitted_constants().era(engine).era == engine.era
