"""Ten thousand damaged pods: an answer, or an InputError that says what is wanted; never else.

In process and from one seed. Values of every kind are put in every place of pods from the table of
cases: nulls, numbers huge and negative, lists, objects, half-open shell text, odd characters.
"""

from __future__ import annotations

import contextlib
import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rightslice.edge.catalog_files import Catalog
from rightslice.edge.manifest_files import decode_yaml
from rightslice.errors import InputError
from rightslice.kube.parse.parse import parse_objects, parse_pod
from rightslice.kube.parse.question import Asked, Lookups, NotAsked, question_of
from rightslice.kube.parse.values import Parsed, columns
from rightslice.records import to_json

CASES = yaml.safe_load(
    (Path(__file__).parents[1] / "data" / "manifests" / "cases.yaml").read_text("utf-8")
)
ROUNDS = 10_000
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**63, 10**400, 1e308, float("nan"), float("inf"), 0.5, "", " ",
    "\x00", "\ue000x", "\ud800", "é", "$", "${", "$(", "$((", "$((1+", "`", "'", '"', "\\", "<<",
    "<<E",
    "a() {", "(", "A=(", "${X:-${X:-", "for i in 1", "--", "-", "=", "--model", "--model=",
    "--max-model-len=99999999999999999999", "--gpu-memory-utilization=.", "1e9", "٣", "²",
    "vllm serve", "vllm serve a/b --max-num-seqs ²", "sh -c 'sh -c \"vllm serve\"'",
    "X=$X$X$X; " * 40 + "vllm serve $X", "f() { f; }; f", 'eval "$0"', [], {}, [[]], [None],
    {"a": None}, {1: 2}, [{}], ["-c"], ["vllm", "serve"], "x" * 5000,
)  # fmt: skip


def _spots(value: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - decoded YAML is of any type
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(entries):
        yield value, key
        if isinstance(item, dict | list):
            yield from _spots(item)


def _damaged(chance: random.Random) -> list[Any]:
    case = copy.deepcopy(chance.choice(CASES)["of"])
    objects = case if isinstance(case, list) else [case]
    for _ in range(chance.choice((1, 1, 2, 4))):
        holder, key = chance.choice(list(_spots(objects)))
        odd = copy.deepcopy(chance.choice(ODD))
        if isinstance(holder[key], str) and isinstance(odd, str) and chance.random() < 0.6:
            at = chance.randrange(len(holder[key]) + 1)
            odd = holder[key][:at] + odd + holder[key][at:]
        holder[key] = odd
    return objects


def _of_pod(objects: list[Any]) -> list[Parsed]:
    return [parse_pod(objects[0])]


def _of_file(objects: list[Any]) -> list[Parsed]:
    return parse_objects(objects, decode=decode_yaml)


def _answers(objects: list[Any]) -> Iterator[Parsed]:
    for read in (_of_pod, _of_file):
        with contextlib.suppress(InputError):
            yield from read(objects)


@pytest.mark.fuzz
def test_every_damaged_manifest_gets_an_answer_or_an_input_error() -> None:
    """Reading, asking and printing never raise anything but InputError."""
    chance, catalog, answers = random.Random(7), Catalog(), 0  # noqa: S311 - damage, no secret
    lookups = Lookups(model=catalog.model, engine=catalog.engine)
    for _ in range(ROUNDS):
        objects = _damaged(chance)
        for parsed in _answers(objects):
            answers += 1
            to_json(columns(parsed))
            assert isinstance(question_of(parsed, lookups), Asked | NotAsked)
    assert answers > ROUNDS / 2
