"""Specs of ModelDeployments, good and fuzzed."""

from __future__ import annotations

import random
from copy import deepcopy
from typing import Any

_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 3.5, 10**12, 2**63 - 1, "", " ", "0ms", "0.0s", "30", "30 ms",
    "30ms", "p95", "p49", "p100", "100%", "90%", "49%", "-5%", "NaN", "inf", "5/s", "0/s",
    "300/min", "999999999/s", "uniform(900,100)", "uniform(1,2)", "lognormal(512,3.9)",
    "lognormal(0,1)", "512", "8k", "8Ki", "1e9", "--max-model-len=1", "--tensor-parallel-size=2",
    "--gpu-memory-utilization=7", "--kv-cache-dtype=fp8", "--speculative-config={}", "\u0000",
    "0.1", "v0.19.0", "99.99", "llama", "hardware", "none", "enforce", "a" * 300, [], {}, [[]],
    {"min": 3, "max": 2}, {"tpot": "1us"}, {"concurrency": 10**6}, {"rate": "0.000001/s"},
    ["--max-num-seqs=0"], ["--dtype=float8"], {"version": "0.1"}, {"flags": ["--x=" + "y" * 2000]},
)  # fmt: skip


def spec(**changed: object) -> dict[str, Any]:
    """Return a good spec: the talk's model and load, with *changed* fields."""
    return {
        "model": "opt",
        "load": {"concurrency": 64},
        "input": 128,
        "output": 128,
        "slo": {"tpot": "30ms"},
        **changed,
    }


def fuzzed(seed: int) -> dict[str, Any]:
    """Return a good spec with one to four places of it made odd."""
    chosen = random.Random(seed)  # noqa: S311 - repeatable, not secret
    found = spec(
        replicas={"min": 1, "max": 4}, engine={"version": "0.19.0", "flags": []},
        prefixCacheHit="10%", priority=1, isolation="hardware", confidence="90%", mode="advise",
    )  # fmt: skip
    found["slo"] = {"tpot": "30ms", "ttft": "2s", "percentile": "p95"}
    for _ in range(chosen.randint(1, 4)):
        _change(found, chosen)
    return found


def _change(found: dict[str, Any], chosen: random.Random) -> None:
    name = chosen.choice(sorted(found) or ["x"])
    inner = found.get(name)
    if isinstance(inner, dict) and chosen.random() < 0.7:
        _change(inner, chosen)
    elif chosen.random() < 0.15:
        found.pop(name, None)
    elif name == "flags" and chosen.random() < 0.6:
        found[name] = [deepcopy(chosen.choice(_ODD)) for _ in range(chosen.randint(1, 3))]
    else:
        found[name] = deepcopy(chosen.choice(_ODD))
