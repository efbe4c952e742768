"""The fleet file's schema: valid, described, and agreeing with the example."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import msgspec
import pytest
import yaml

from rightslice.edge.fleet_schema import FleetFile, PricesFile

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize("shape", [FleetFile, PricesFile])
def test_the_schema_is_one(shape: type) -> None:
    """It passes the meta-schema of its draft."""
    jsonschema.Draft202012Validator.check_schema(msgspec.json.schema(shape))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("**/fleet*.yaml")), ids=lambda p: p.name)
def test_the_examples_pass_it(path: Path) -> None:
    """What editors check is what we read."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(msgspec.json.schema(FleetFile)).validate(data)


def test_every_shape_is_described() -> None:
    """Each object says what it is."""
    components = msgspec.json.schema_components([FleetFile, PricesFile])[1]
    assert all(shape.get("description") for shape in components.values())
