"""What the points asked for are worth: how often a target is judged wrongly after measuring them.

    .venv/bin/python benchmarks/perf_advice.py [--servers 25] [--points 2] [--seed 1]

Servers are drawn from the prior of the era: constants apart as those of public series are, and 2 %
from run to run. Each has four loads, each with a target near what is predicted. Whether the target
is met is judged by the prediction without a point, after points that serve all loads (`--advise`
without a load), and after as many that serve this very decision. These are servers as the model
sees them: the figures compare ways to choose points and say nothing about the model's own error.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.share import Exclusive
from rightslice.core.catalog.traffic import ClosedLoop, Traffic
from rightslice.core.perf.advice import Stake, advise_for
from rightslice.core.perf.calibrate import SERVER_SD, calibrate
from rightslice.core.perf.fitting import NAMES
from rightslice.core.perf.observation import Observation, TpotKind, tpot_as_measured
from rightslice.core.perf.result import PerfConstants
from rightslice.core.perf.work import ServedAs
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.perf_constants import load_constants

ERA: Final = "2026"
MODEL, BOARD = "meta-llama/Llama-3.1-8B-Instruct", "H100-SXM-80GB"
LENGTHS: Final = ((128, 128), (1024, 128), (4096, 256), (512, 1024))
LOADS: Final = ((64, 1024, 128), (16, 4096, 256), (96, 512, 1024), (8, 128, 128))
MOST: Final = 128
"""Clients of the largest point offered."""
RUN_SD: Final = 0.02
NEAR_SD: Final = 0.05
"""How far targets lie from what is predicted, in logs."""


def point(catalog: Catalog, clients: int, inputs: int, outputs: int) -> Observation:
    """Return a load, not measured."""
    return Observation(
        row=0,
        source="drawn",
        engine="vllm",
        era=ERA,
        model=catalog.model(MODEL),
        device=device_of(catalog.gpu(BOARD), Exclusive()),
        served=ServedAs(),
        sequences=clients,
        traffic=Traffic(
            load=ClosedLoop(concurrency=clients),
            input=Lengths.fixed(inputs),
            output=Lengths.fixed(outputs),
        ),
        chunk_tokens=8192,
        is_eager=False,
        tpot_kind=TpotKind.CLOSED_LOOP,
        is_static_ttft=False,
        is_vague=False,
        tpot_seconds=None,
        ttft_seconds=None,
    )


def servers(prior: PerfConstants, count: int, draw: np.random.Generator) -> Iterator[PerfConstants]:
    """Yield servers of the era."""
    for _ in range(count):
        moved = draw.normal(0, 1, len(NAMES)) * np.array(SERVER_SD)
        values = {
            name: getattr(prior, name) * math.exp(offset)
            for name, offset in zip(NAMES, moved, strict=True)
        }
        yield replace(prior, **values)


def judged(
    chosen: Sequence[Observation],
    truth: PerfConstants,
    prior: PerfConstants,
    draw: np.random.Generator,
) -> PerfConstants:
    """Return the constants after the points *chosen* were measured on the server *truth*."""
    if not chosen:
        return prior
    seen = [
        replace(item, tpot_seconds=tpot_as_measured(item, truth) * math.exp(draw.normal(0, RUN_SD)))
        for item in chosen
    ]
    return calibrate(seen, prior).constants


def main() -> int:
    """Draw servers, judge their targets, print how often wrongly."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--servers", type=int, default=25)
    parser.add_argument("--points", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    catalog, prior = Catalog(), load_constants()[ERA]
    draw = np.random.default_rng(arguments.seed)
    doublings = [1 << power for power in range(MOST.bit_length())]
    offered = [point(catalog, n, *lengths) for lengths in LENGTHS for n in doublings]
    stakes = [Stake(name=str(load), point=point(catalog, *load), log_margin=0.0) for load in LOADS]
    general = [Stake(name="", point=item, log_margin=None) for item in offered]
    every = advise_for(general, offered, (), prior, arguments.points).chosen
    own = [advise_for([stake], offered, (), prior, arguments.points).chosen for stake in stakes]
    wrong: Counter[str] = Counter()
    for truth in servers(prior, arguments.servers, draw):
        for stake, chosen in zip(stakes, own, strict=True):
            guess = tpot_as_measured(stake.point, prior)
            target = guess * math.exp(draw.normal(0, NEAR_SD))
            holds = tpot_as_measured(stake.point, truth) <= target
            ways: dict[str, tuple[int, ...]] = {
                "no point": (),
                f"{arguments.points} points for all loads": every,
                f"{arguments.points} points for the decision": chosen,
            }
            for way, indices in ways.items():
                after = judged([offered[i] for i in indices], truth, prior, draw)
                wrong[way] += (tpot_as_measured(stake.point, after) <= target) != holds
    total = arguments.servers * len(LOADS)
    print(f"targets judged wrongly, of {total:,} near what is predicted")
    for way, count in wrong.items():
        print(f"{way:<32}{count / total:>8.1%}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
