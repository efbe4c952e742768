"""How much of what manifests say is read right, and how fast a pod is read.

    .venv/bin/python benchmarks/manifest_accuracy.py [--labels FOLDER] [--rounds N]

FOLDER holds manifests and a `labels.json`: a list of objects with `file` and the fields of
docs/reference/manifests.md; `accept` may list, by field, further answers that are right. Without
it, the hand-written cases of the tests are read. A file counts as its vLLM server, or as the
container that is labelled.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from rightslice.edge.manifest_files import decode_yaml, read_manifests
from rightslice.errors import InputError
from rightslice.kube.parse.parse import parse_objects, parse_pod
from rightslice.kube.parse.values import COLUMNS, columns

CASES: Final = Path(__file__).parents[1] / "tests" / "data" / "manifests" / "cases.yaml"
FIELDS: Final = (*(name for name in COLUMNS if name != "model_how"), "load", "slo")
Label = Mapping[str, Any]
Pair = tuple[str, list[object], Label]


def from_cases(path: Path) -> Iterator[Pair]:
    """Yield name, objects and the wanted fields of the tests' own table."""
    for case in yaml.safe_load(path.read_text(encoding="utf-8")):
        if case["want"] is not None:
            objects = case["of"] if isinstance(case["of"], list) else [case["of"]]
            yield case["name"], objects, case["want"]


def from_folder(folder: Path) -> Iterator[Pair]:
    """Yield name, objects and labels of a folder of manifests."""
    for label in json.loads((folder / "labels.json").read_text(encoding="utf-8")):
        yield label["file"], read_manifests(folder / label["file"]), label


def read(objects: Sequence[object], label: Label) -> Mapping[str, Any]:
    """Return what is read of *objects*: the server, or the container that *label* names."""
    found: list[Mapping[str, Any]] = [
        columns(one) for one in parse_objects(objects, decode=decode_yaml)
    ]
    servers = [one for one in found if one["is_vllm_server"]]
    named = [one for one in found if one["container"] == label.get("container")]
    return next(iter([*servers, *named, *found]), {})


def is_right(name: str, answer: Any, label: Label) -> bool:  # noqa: ANN401 - a field of any type
    """Whether *answer* is the label of field *name*, or one that is accepted."""
    accepted = label.get("accept", {})
    if answer == label[name] or answer in accepted.get(name, []):
        return True
    if not isinstance(answer, dict) or not isinstance(label[name], dict):
        return False
    return all(
        answer[part] == wanted or answer[part] in accepted.get(f"{name}.{part}", [])
        for part, wanted in label[name].items()
    )


def milliseconds_a_pod(pairs: Sequence[Pair], rounds: int) -> list[float]:
    """Return the time that each first object takes, the least of *rounds*."""
    times = []
    for _, objects, _ in pairs:
        try:
            parse_pod(objects[0])
        except InputError:
            continue
        took = []
        for _ in range(rounds):
            start = time.perf_counter()
            parse_pod(objects[0])
            took.append(1000 * (time.perf_counter() - start))
        times.append(min(took))
    return times


def main() -> None:
    """Print the fields that are wrong, their share, and the time."""
    options = argparse.ArgumentParser(description="Score the reading of manifests.")
    options.add_argument("--labels", type=Path, help="folder with manifests and labels.json")
    options.add_argument("--rounds", type=int, default=5, help="timings of each object")
    given = options.parse_args()
    pairs = list(from_cases(CASES) if given.labels is None else from_folder(given.labels))
    total = right = false_servers = 0
    for name, objects, label in pairs:
        answer = read(objects, label)
        false_servers += bool(answer.get("is_vllm_server")) and label.get("is_vllm_server") is False
        for field in (one for one in FIELDS if one in label):
            total += 1
            fits = is_right(field, answer.get(field), label)
            right += fits
            if not fits:
                print(f"{name}: {field}: {answer.get(field)!r}, labelled {label[field]!r}")
    times = milliseconds_a_pod(pairs, given.rounds)
    print(f"{len(pairs)} manifests, {total} labelled fields: {100 * right / total:.1f} % right")
    print(f"taken for a server though it is none: {false_servers}")
    print(f"ms an object: median {statistics.median(times):.2f}, largest {max(times):.2f}")


if __name__ == "__main__":
    main()
