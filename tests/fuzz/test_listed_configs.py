"""Ten thousand damaged configs of the built-in models: an error that names the key, or an answer.

In process and from one seed: keys taken away, nulls, huge and negative numbers, truth values,
digits as text, lists, objects, and nested text configs, in every model of the table in turn.
"""

from __future__ import annotations

import copy
import json
import random
import tomllib
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.model import Model
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive
from rightslice.core.sizing.memory import size
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.huggingface.reading import read_config
from rightslice.edge.memory_coefficients import memory_coefficients
from rightslice.errors import FieldError

Tree = Any  # what JSON holds: dicts, lists and scalars, all the way down
CASES = 10_000
SIZED = 10
"""One answer in so many is sized as well."""
LARGEST = 10**15 + 1
WRONG: list[Any] = [
    None, True, False, 0, -1, -128, 1, 3, 7, 64, 10**6, 2**24, 2**24 + 1, 2**40, 10**30, 10**400,
    0.5, -0.5, 1e-9, 1e300, float("nan"), float("inf"), "", "0", "8", "4096", "-1", "float32",
    "fp8", "gptq", "full_attention", "x" * 3000, [], [0], [None], [-1], ["8"], [[]], [True], [1, 2],
    ["full_attention"], {}, {"a": {}}, {"": None}, {"text_config": {}},
]  # fmt: skip
NESTED = ("text_config", "llm_config", "language_config", "vision_config", "quantization_config")


def listed() -> tuple[dict[str, Any], ...]:
    """Return the configs of the built-in table."""
    text = resources.files("rightslice").joinpath("data/models.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    configs = [json.loads(row["config"]) for row in table["model"]]
    formats = [json.loads(config) for config in table["quantization"].values()]
    quantized = [{**configs[0], "quantization_config": config} for config in formats]
    return (*configs, *quantized)


def places(tree: Tree, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value under *tree*."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield (*at, key)
        if isinstance(value, dict | list):
            yield from places(value, (*at, key))


def damage(draw: random.Random, whole: dict[str, Any]) -> tuple[str, set[str]]:
    """Return the JSON text of *whole* with a few values changed, and the keys of the changes."""
    tree = copy.deepcopy(whole)
    touched: set[str] = set()
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        everywhere = list(places(tree))
        if not everywhere:
            break
        path = draw.choice(everywhere)
        touched.update(str(step) for step in path)
        change(draw, tree, path)
    if draw.random() < 0.05:
        nest = draw.choice(NESTED)
        touched.add(nest)
        tree = {"model_type": tree.get("model_type"), nest: draw.choice([tree, *WRONG])}
    return json.dumps(tree), touched


def change(draw: random.Random, tree: Tree, path: tuple[Any, ...]) -> None:
    """Take away, rename or replace the value at *path*."""
    holder = tree
    for step in path[:-1]:
        holder = holder[step]
    key = path[-1]
    kind = draw.choice(
        ["set", "set", "delete", "text", "list", "negative", "other", "other", "other", "other"]
    )
    value = holder[key]
    if kind == "delete":
        del holder[key]
    elif kind == "text":
        holder[key] = str(value)
    elif kind == "list":
        holder[key] = [value]
    elif kind == "negative" and isinstance(value, int):
        holder[key] = -value
    elif kind == "other" and isinstance(value, int):
        holder[key] = draw.choice([value * 2, value + 8, value // 2])
    else:
        holder[key] = copy.deepcopy(draw.choice(WRONG))


def check_answer(model: Model) -> None:
    """Assert that *model* is one that could be: no part of it is nothing or beyond all bounds."""
    assert 0 < model.text_parameters <= model.parameters < LARGEST
    assert model.layers
    assert min(model.vocab_size, model.hidden_size) > 0
    assert all(group.count >= 0 for layer in model.layers for group in layer.parameters)
    assert all(
        0 < group.format.bytes_per_parameter <= 4
        for layer in model.layers for group in layer.parameters
    )  # fmt: skip


def check_size(model: Model) -> None:
    """Assert that a sizing accounts for every byte of the device."""
    device = device_of(Catalog().gpu("H100-SXM-80GB"), Exclusive())
    sizing = size(model, device, ServerConfig(max_model_len=16), engine=Catalog().engine("0.33.0"),
                  coefficients=memory_coefficients())  # fmt: skip
    assert sum(term.size_bytes.expected for term in sizing.terms) == device.memory_bytes


def test_undamaged_configs_are_read() -> None:
    """What the damage starts from is sound."""
    for config in listed():
        check_answer(read_config(json.dumps(config), where="config.json"))


def read(text: str) -> Model | FieldError:
    """Return what *text* describes, or the refusal."""
    try:
        return read_config(text, where="config.json")
    except FieldError as error:
        return error


def check_refusal(error: FieldError, touched: set[str]) -> None:
    """Assert that a refusal is one line, and names a key that was damaged.

    A config nested where none belongs is refused with the key that is missing beside it.
    """
    assert error.where.startswith("config.json")
    assert error.field
    assert "\n" not in str(error)
    told = any(key in str(error) for key in touched) or touched & set(NESTED)
    assert told, (str(error), sorted(touched))


@pytest.mark.fuzz
def test_damaged_listed_configs() -> None:
    """Each of ten thousand is refused with the key's name, or answered with a count above zero."""
    draw, configs = random.Random(4), listed()  # noqa: S311 - repeatable cases, not secrets
    answered = 0
    for case in range(CASES):
        text, touched = damage(draw, configs[case % len(configs)])
        found = read(text)
        if isinstance(found, FieldError):
            check_refusal(found, touched)
            continue
        answered += 1
        check_answer(found)
        if answered % SIZED == 0:
            check_size(found)
    assert CASES // 10 < answered < CASES * 9 // 10
