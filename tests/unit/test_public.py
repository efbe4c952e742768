"""The public surface is what is listed, and importing it costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rightslice

PUBLIC = ["Catalog", "__version__", "curve", "fit", "pack", "plan", "predict", "size"]
HEAVY = ("numpy", "scipy", "rich", "yaml", "typer", "msgspec", "importlib.metadata")


def test_the_surface_is_held_to_this_list() -> None:
    """A name that is added or taken away changes this list on purpose."""
    assert rightslice.__all__ == PUBLIC
    assert dir(rightslice) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_listed_name_is_there(name: str) -> None:
    """Each name loads when it is asked for."""
    assert getattr(rightslice, name)


def test_an_unlisted_name_is_an_attribute_error() -> None:
    """A misspelt name fails as Python names do."""
    with pytest.raises(AttributeError, match="no attribute 'plam'"):
        rightslice.plam  # noqa: B018 - the access is what is tested


def test_import_loads_nothing_heavy() -> None:
    """Only what is used is loaded: no numpy, scipy, rich or yaml at import."""
    code = f"import sys, rightslice; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
