"""Answers as JSON: every one validates against its own schema, and holds no NaN or infinity."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cache, cached_property
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, NewType

import jsonschema
import pytest

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive
from rightslice.core.catalog.traffic import OpenLoop
from rightslice.core.fit.result import Recommendation
from rightslice.core.packing.offline import DoesNotFit, Packing, pack
from rightslice.core.perf.predict import outlook
from rightslice.core.perf.result import Outlook
from rightslice.core.plan.plan import plan
from rightslice.core.plan.result import Plan
from rightslice.core.sizing.memory import size
from rightslice.core.sizing.result import SizeAnswer, Sizing
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import fitted_constants
from rightslice.edge.fleet_file import read_fleet
from rightslice.records import json_schema, to_json

EXAMPLE = Path(__file__).parents[2] / "examples" / "gpu-as-a-service" / "fleet.yaml"
CONSTANTS = fitted_constants()


@cache
def _plan() -> Plan:
    fleet = read_fleet(EXAMPLE, catalog=Catalog(), own_prices={})
    return plan(fleet, constants=CONSTANTS, today=dt.date(2026, 11, 22))


def _sizing(model: str, gpu: str) -> Sizing:
    return size(
        Catalog().model(model), device_of(Catalog().gpu(gpu), Exclusive()), ServerConfig(),
        engine=Catalog().engine(None), coefficients=CONSTANTS.memory,
    )  # fmt: skip


def _outlook(rate: float) -> Outlook:
    asked = _plan().workloads[0].workload
    traffic = replace(asked.traffic, load=OpenLoop(requests_per_second=rate))
    sizing = _sizing("facebook/opt-1.3b", "A10G-24GB")
    return outlook(sizing, traffic, asked.slo, constants=CONSTANTS.era(asked.engine))


def _recommendations() -> list[Recommendation]:
    small = read_fleet(EXAMPLE, catalog=Catalog(), own_prices={})
    nodes = tuple(node for node in small.nodes if node.name == "g5")
    short = plan(replace(small, nodes=nodes), constants=CONSTANTS, today=dt.date(2026, 11, 22))
    return [item.recommendation for item in (*_plan().workloads, *short.workloads)]


def _pack(count: int) -> Packing | DoesNotFit:
    grid = Catalog().mig_gpu("A100-40GB")
    return pack(grid, {ProfileName("1g.5gb"): count}, 1)


def _size_answer(model: str, gpu: str) -> SizeAnswer:
    return SizeAnswer(
        sizing=_sizing(model, gpu), fix=None, other_fixes=(), solved=None, comparison=()
    )


def _checked(value: object, root: type | UnionType) -> object:
    schema: Any = json_schema(root, title="answer")
    jsonschema.Draft202012Validator.check_schema(schema)
    text = json.dumps(to_json(value), allow_nan=False)
    jsonschema.Draft202012Validator(schema).validate(json.loads(text))
    return json.loads(text)


def test_a_plan_validates() -> None:
    """The example's plan, whole."""
    answer: Any = _checked(_plan(), Plan)
    assert answer["kind"] == "Plan"
    assert len(answer["workloads"]) == 11


def test_every_recommendation_validates() -> None:
    """Those that hold, and those of which none does."""
    answers: list[Any] = [_checked(found, Recommendation) for found in _recommendations()]
    assert {answer["answer"] for answer in answers} == {"holds", "none holds"}


@pytest.mark.parametrize("rate", [0.01, 1e6])
def test_an_outlook_validates(rate: float) -> None:
    """A settled server, and one whose queue never ends: what is infinite is null."""
    answer: Any = _checked(_outlook(rate), Outlook)
    mean = answer["prediction"]["ttft"]["mean"]["expected"]
    assert (mean is None) == (rate > 1)


@pytest.mark.parametrize("model", ["facebook/opt-1.3b", "meta-llama/Llama-3.1-70B"])
def test_a_size_validates(model: str) -> None:
    """What fits, and what does not."""
    assert _checked(_size_answer(model, "A10G-24GB"), SizeAnswer)


@pytest.mark.parametrize("count", [3, 30])
def test_a_packing_validates(count: int) -> None:
    """Slices that one card holds, and more than it can."""
    assert _checked(_pack(count), Packing | DoesNotFit)


def test_every_object_says_its_class() -> None:
    """A definition is called by its class, and no field hides the name."""
    for root in (Plan, Recommendation, Outlook, SizeAnswer, Packing | DoesNotFit):
        schema: Any = json_schema(root, title="x")
        for name, shape in schema["$defs"].items():
            assert shape["properties"]["kind"] == {"const": name}
            assert shape["required"] == list(shape["properties"])


class Colour(Enum):
    """A value of each kind."""

    RED = "red"


Label = NewType("Label", str)


@dataclass(frozen=True)
class Thing:
    """Something with every kind of field.

    More text that a schema does not need.
    """

    name: Label
    day: dt.date | None
    colour: Colour
    ratio: Fraction
    price: Decimal
    counts: Mapping[Colour, int]
    spreads: tuple[float, ...]
    among: frozenset[str]
    next: Thing | None


@dataclass(frozen=True)
class Shown:
    """Only what it lists."""

    __record__: ClassVar = ("double", "half")

    number: int

    @property
    def double(self) -> int:
        """Twice the number."""
        return self.number * 2

    @cached_property
    def half(self) -> float:
        """Half of it."""
        return self.number / 2


def _thing(spread: float, follower: Thing | None) -> Thing:
    return Thing(
        Label("a"), dt.date(2026, 1, 2), Colour.RED, Fraction(1, 4), Decimal("0.5"),
        {Colour.RED: 1}, (spread,), frozenset("x"), follower,
    )  # fmt: skip


def test_each_kind_of_value() -> None:
    """Enums, dates, fractions, mappings and nested values in their JSON form."""
    assert to_json(_thing(1.5, None)) == {
        "kind": "Thing", "name": "a", "day": "2026-01-02", "colour": "red", "ratio": 0.25,
        "price": 0.5, "counts": {"red": 1}, "spreads": [1.5], "among": ["x"], "next": None,
    }  # fmt: skip


@pytest.mark.parametrize("spread", [1.5, math.inf, -math.inf, math.nan])
def test_what_is_not_finite_is_null_and_valid(spread: float) -> None:
    """Also inside a list; a class that refers to itself is described once."""
    value: Any = _checked(_thing(spread, _thing(0.0, None)), Thing)
    assert value["spreads"] == [spread if math.isfinite(spread) else None]


def test_a_record_shows_what_it_lists() -> None:
    """Properties and cached properties, and nothing else."""
    assert _checked(Shown(3), Shown) == {"kind": "Shown", "double": 6, "half": 1.5}


def test_what_has_no_form_is_our_own_mistake() -> None:
    """A value or a type without a JSON form fails loudly."""
    with pytest.raises(TypeError, match="object has no JSON form"):
        to_json(object())
    with pytest.raises(TypeError, match="has no JSON schema"):
        json_schema(object, title="x")
