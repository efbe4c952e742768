"""Damaged fleet files are refused with file, line and field, or planned; never half, never a trace.

The damage is done to trees (keys lost, renamed, of another type, subtrees swapped) and to text
(characters lost, put in, doubled; the file cut short).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

Checked = Callable[..., Any]
Tree = Any  # what YAML and JSON hold: dicts, lists and scalars, all the way down
FUZZ = settings.get_profile("fuzz")
EXAMPLE = Path(__file__).parents[2] / "examples" / "gpu-as-a-service" / "fleet.yaml"
SMALL = """\
apiVersion: rightslice.dev/v1alpha1
kind: Fleet
metadata: {name: small}
spec:
  confidence: 90%
  nodes:
    - {name: a30, count: 1, gpus: {model: A30, count: 1}, mig: mixed}
    - {name: lab, count: 1, instanceType: g5.xlarge, timeSlicing: {replicas: 2}}
  teams:
    - {name: team-a, quota: {gpus: 2, usdPerHour: 10, resources: {nvidia.com/gpu: 2}}}
  workloads:
    - name: opt
      team: team-a
      model: facebook/opt-1.3b
      engine: {version: 0.6.3}
      flags: {maxModelLen: 2048, maxNumSeqs: 64, gpuMemoryUtilization: 0.9}
      load: {concurrency: 4}
      input: 128
      output: uniform(64, 128)
      prefixCacheHit: 10%
      slo: {tpot: 30ms, ttft: 1s, tpotPercentile: 95}
      replicas: {min: 1, max: 2}
      priority: 5
      isolation: none
"""
ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2, 3, 64, 10**6, 10**9, 10**30, -(10**30), 0.5, -0.1, 1e-300,
    1e300,
    float("nan"), float("inf"), float("-inf"), "", " ", "0", "-1", "nan", "inf", "1e999", "50%",
    "100%", "0%", "30ms", "0ms", "1e400s", "5/s", "1/h", "80GiB", "1e30GiB", "mean", "p99", "p100",
    "uniform(1,2)", "uniform(9,1)", "lognormal(1,9)", "lognormal(512,0.8)", "x.csv:y",
    "./config.json",
    "/", ".", "..", "\u0000", "ünïcödé ☃", "\u202eabc", "[/]", "[bold]x[/bold]", "a" * 5000,
    "2026-11-22",
    "none", "mixed", "single", "H100-80GB", "A30", "L4", "p4d.24xlarge", "g5.48xlarge", "phi-2",
    "facebook/opt-125m", "0.19.0", "9999.0", [], {}, [1], [[]], {"a": 1}, {"name": "x"}, "3/0",
    "1/3",
]  # fmt: skip
KEYS = [
    "name", "nmae", "", "spec", "count", "gpus", "mig", "rate", "concurrency", "tpot", "max", "min",
    "memory", "vcpus", "region", "capacityType", "timeSlicing", "instanceType", "quota", "<<",
    "[/]",
    "a.b[0]", "ünï", "k" * 3000, "dtype", "blockSize", "quantization", "kvCacheDtype",
    "enforceEager",
    "tensorParallelSize", "pipelineParallelSize", "kvCacheMemoryBytes", "maxNumBatchedTokens",
]  # fmt: skip
EXTREMES: dict[str, list[Any]] = {
    "spec.confidence": ["50%", 0.999, "99.9%", 51, "100%"],
    "spec.nodes.0.count": [1, 3, 40],
    "spec.nodes.0.gpus.model": ["A30", "H200", "A100-40GB", "L4", "B200", "MI300X", "T4",
    "V100-32GB"],
    "spec.nodes.0.gpus.count": [1, 8, 100],
    "spec.nodes.0.gpus.memory": [None, "1GiB", "23GiB", "1B", "9e9GiB", "0GiB"],
    "spec.nodes.0.mig": ["none", "single", "mixed"],
    "spec.nodes.1.instanceType": ["g5.xlarge", "p5.48xlarge", "g6.12xlarge", "a2-highgpu-1g"],
    "spec.nodes.1.timeSlicing.replicas": [2, 64, 65],
    "spec.nodes.1.region": [None, "us-east-1", "nowhere"],
    "spec.nodes.1.capacityType": ["on-demand", "spot"],
    "spec.nodes.1.vcpus": [None, 1, 100_000],
    "spec.nodes.1.memory": [None, "1B", "1TiB"],
    "spec.teams.0.quota.gpus": [0, "1/7", 1e9, 2],
    "spec.teams.0.quota.usdPerHour": [0, 0.01, "$1.50", 1_000_000],
    "spec.workloads.0.model": ["facebook/opt-1.3b", "llama-3.1-405b", "mixtral-8x7b", "phi-2"],
    "spec.workloads.0.engine.version": ["0.6.3", "0.33.0", "0.10.0", "0.99.0", None],
    "spec.workloads.0.flags.maxModelLen": [1, 16, 2048, 100_000_000, None],
    "spec.workloads.0.flags.maxNumSeqs": [1, 100_000, None],
    "spec.workloads.0.flags.maxNumBatchedTokens": [1, 64, 100_000_000, None],
    "spec.workloads.0.flags.gpuMemoryUtilization": [1e-9, 0.01, 1, None],
    "spec.workloads.0.flags.tensorParallelSize": [1, 2, 3, 8, 1024, 100_000, None],
    "spec.workloads.0.flags.pipelineParallelSize": [1, 2, 100_000],
    "spec.workloads.0.flags.kvCacheMemoryBytes": ["1B", "10GiB", "1000TiB", None],
    "spec.workloads.0.flags.blockSize": [1, 7, 16, 100_000],
    "spec.workloads.0.flags.dtype": ["auto", "float32", "half"],
    "spec.workloads.0.flags.quantization": ["fp8", "awq", "nonsense", ""],
    "spec.workloads.0.flags.kvCacheDtype": ["auto", "fp8", "fp8_e5m2"],
    "spec.workloads.0.flags.enforceEager": [True, False],
    "spec.workloads.0.load": [
        {"concurrency": 1}, {"concurrency": 1_000_000}, {"rate": "1e-300/s"}, {"rate": "1e17/s"},
        {"rate": "3/h"}, {"rate": "20/s"}, {"concurrency": 300},
    ],
    "spec.workloads.0.input": [
        1, 128, 100_000_000, "uniform(1,100000000)", "lognormal(1,4)", "lognormal(1e8,4)", "131072",
    ],
    "spec.workloads.0.output": [1, 2, 100_000_000, "uniform(1,2)", "lognormal(100000000,4)"],
    "spec.workloads.0.prefixCacheHit": [0, "99.999%", 0.999999999, "100%", 1e-300],
    "spec.workloads.0.slo": [
        {"tpot": "1e-300s"}, {"ttft": "1us"}, {"tpot": "9e9h"}, {"ttft": "1s",
        "ttftPercentile": "mean"},
        {"tpot": "20ms", "tpotPercentile": 99.9}, {"ttft": "1h", "ttftPercentile": 50},
    ],
    "spec.workloads.0.replicas": [{"min": 1, "max": 100_000}, {"min": 100_000}, {"min": 3,
    "max": 2}, {}],
    "spec.workloads.0.priority": [-1_000_000_000, 1_000_000_000],
    "spec.workloads.0.isolation": ["hardware", "none"],
}  # fmt: skip
"""Values that the schema takes, or nearly: what is wrong or absurd in them shows only deeper."""
SPLINTERS = [
    "", " ", "\n", "\t", ":", "- ", "[", "]", "{", "}", "'", '"', "#", "&a ", "*a", "!!", "!x ",
    "|",
    ">", "%", "@", "`", "---\n", "...\n", "\u0000", "\ufeff", "é", "\ud7ff", "? ", "<<: ", "  ",
    "\r",
    "!!bool ", "!!int ", "!!float ", "!!timestamp ", "!!binary ", "!!set ",
    "!!python/name:os.system ",
    "!!null ", "!!str ", "!!omap ", "0x", "1_0", "0b", "190:20:30", "9" * 5000, ",", "\\", "\x85",
]  # fmt: skip


def places(tree: Tree, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value under *tree*."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield (*at, key)
        if isinstance(value, dict | list):
            yield from places(value, (*at, key))


def parent(tree: Tree, path: tuple[Any, ...]) -> Tree:
    """Return what holds the value at *path*."""
    for key in path[:-1]:
        tree = tree[key]
    return tree


def damage(tree: Tree, draw: st.DrawFn) -> None:
    """Do one thing to one place of *tree*."""
    everywhere = list(places(tree))
    path = everywhere[draw(st.integers(0, len(everywhere) - 1))]
    holder, key = parent(tree, path), path[-1]
    match draw(
        st.sampled_from(["set", "set", "set", "delete", "rename", "swap", "wrap", "double"])
    ):
        case "set":
            holder[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
        case "delete":
            del holder[key]
        case "rename" if isinstance(holder, dict):
            holder[draw(st.sampled_from(KEYS))] = holder.pop(key)
        case "swap":
            other = everywhere[draw(st.integers(0, len(everywhere) - 1))]
            there = parent(tree, other)
            one, two = copy.deepcopy(holder[key]), copy.deepcopy(there[other[-1]])
            holder[key], there[other[-1]] = two, one
        case "wrap":
            holder[key] = [holder[key]]
        case _ if isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        case _:
            holder[draw(st.sampled_from(KEYS))] = copy.deepcopy(draw(st.sampled_from(ODD)))


@st.composite
def damaged_trees(draw: st.DrawFn, text: str) -> str:
    """Draw the YAML text of a fleet with one to three things done to its tree."""
    tree = yaml.safe_load(text)
    for _ in range(draw(st.integers(1, 3))):
        if isinstance(tree, dict) and tree:
            damage(tree, draw)
    written: str = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    return written


@st.composite
def damaged_texts(draw: st.DrawFn, text: str) -> str:
    """Draw the text of a fleet with characters lost, put in or doubled, or its end cut off."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        end = min(len(text), at + draw(st.sampled_from([0, 0, 0, 1, 1, 2, 5, 40])))
        piece = draw(st.sampled_from([*SPLINTERS, text[at:end] * 2]))
        text = text[:at] + piece + text[end:]
    return text[: draw(st.integers(0, len(text)))] if draw(st.integers(0, 9)) == 0 else text


@st.composite
def extreme_trees(draw: st.DrawFn) -> str:
    """Draw the YAML text of a fleet with one to six fields at an extreme of what they may be."""
    tree = yaml.safe_load(SMALL)
    for path in draw(st.lists(st.sampled_from(sorted(EXTREMES)), min_size=1, max_size=6)):
        *above, last = path.split(".")
        holder = tree
        for key in above:
            holder = holder[int(key)] if isinstance(holder, list) else holder.setdefault(key, {})
        holder[last] = copy.deepcopy(draw(st.sampled_from(EXTREMES[path])))
    written: str = yaml.safe_dump(tree, sort_keys=False)
    return written


def leaves(folder: Path) -> list[str]:
    """Return the names of what is in *folder* beside the fleet file."""
    return sorted(path.name for path in folder.iterdir() if path.name != "fleet.yaml")


def plan_it(checked: Checked, folder: Path, text: str) -> None:
    """Plan *text*, with manifests; check the answer and what was written."""
    (folder / "fleet.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    answer = checked(
        "plan", "fleet.yaml", "--write", "out", "--time-limit", "0.5", names=["fleet.yaml"]
    )
    if answer.code in (2, 3):
        assert re.search(r"fleet\.yaml(:\d+)?: ", answer.err)
    assert leaves(folder) in ([], ["out"])
    if (folder / "out").exists():
        assert (folder / "out" / "README.md").stat().st_size > 0
        assert answer.code in (0, 4)
        for path in sorted((folder / "out").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        (folder / "out").rmdir()


@pytest.mark.fuzz
@settings(FUZZ, max_examples=1200)
@given(text=damaged_trees(SMALL))
def test_damaged_small_fleets(checked: Checked, folder: Path, text: str) -> None:
    """A small fleet with a damaged tree is refused with its line, or planned."""
    plan_it(checked, folder, text)


@pytest.mark.fuzz
@settings(FUZZ, max_examples=1000)
@given(text=damaged_texts(SMALL))
def test_damaged_text(checked: Checked, folder: Path, text: str) -> None:
    """A small fleet with damaged text is refused with its line, or planned."""
    plan_it(checked, folder, text)


@pytest.mark.fuzz
@settings(FUZZ, max_examples=600)
@given(text=extreme_trees())
def test_extreme_fleets(checked: Checked, folder: Path, text: str) -> None:
    """A fleet with values at the edge of sense is refused, answered with no, or planned."""
    plan_it(checked, folder, text)


@pytest.mark.fuzz
@settings(FUZZ, max_examples=300)
@given(text=damaged_trees(EXAMPLE.read_text(encoding="utf-8")))
def test_damaged_examples(checked: Checked, folder: Path, text: str) -> None:
    """The example fleet with a damaged tree is refused with its line, or planned."""
    plan_it(checked, folder, text)
