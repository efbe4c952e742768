"""Plain data is checked against shapes, and errors say what would be right."""

from __future__ import annotations

import msgspec
import pytest

from rightslice.edge.fleet_schema import API_VERSION, FleetFile, PricesFile
from rightslice.edge.shapes import check_shape
from rightslice.edge.yaml_files import read_document
from rightslice.errors import FieldError

HEAD = f"apiVersion: {API_VERSION}\n"


def test_good_data_becomes_its_shape() -> None:
    """Fields are read under their camel-case names."""
    text = f"{HEAD}kind: Prices\nprices: [{{item: a, usdPerHour: 2}}]\n"
    assert check_shape(read_document(text, where="f"), PricesFile).prices[0].usd_per_hour == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "f:1: Expected `object`, got `array`"),
        ("null", "f:1: Expected `object`, got `null`"),
        ("kind: Prices", "missing required field `apiVersion`"),
        ("apiVersion: v1\nkind: Prices\nprices: []", "f:1: apiVersion: .* allowed: rightslice.dev"),
        (f"{HEAD}kind: Fleet\nprices: []", "f:2: kind: .* allowed: .*Prices"),
        (f"{HEAD}kind: Prices\nprice: []", "f:3: price: .*did you mean prices"),
        ('"kin\\nd": 1', "unknown field; did you mean kind"),
        ("zzz: 1", "zzz: unknown field$"),
    ],
)  # fmt: skip
def test_errors_say_what_would_be_right(text: str, said: str) -> None:
    """Line, field, and the field or value that was meant."""
    with pytest.raises(FieldError, match=said):
        check_shape(read_document(text, where="f"), PricesFile)


def test_a_bare_number_gets_an_example() -> None:
    """Where text with a unit is wanted, the message shows some."""
    document = read_document("spec: {workloads: [{slo: {tpot: 30}}]}", where="f")
    with pytest.raises(FieldError, match="got `int`; write it like 30ms"):
        check_shape(document, FleetFile)


def test_every_shape_has_a_schema() -> None:
    """Editors get a JSON Schema in which unknown fields are errors."""
    components = msgspec.json.schema_components([FleetFile, PricesFile])[1]
    assert all(shape["additionalProperties"] is False for shape in components.values())
