"""The columns that are fitted say the same as the prediction of each point."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.share import Exclusive
from rightslice.core.catalog.traffic import ClosedLoop, Traffic
from rightslice.core.perf.calibrate import calibrate
from rightslice.core.perf.fitting import NAMES, features_of, tpot
from rightslice.core.perf.observation import (
    Observation,
    TpotKind,
    doubt_as_measured,
    tpot_as_measured,
)
from rightslice.core.perf.result import PerfConstants
from rightslice.core.perf.work import ServedAs
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.perf_constants import load_constants

CATALOG = Catalog()


def observed(kind: TpotKind, sequences: float = 48, parallel: int = 4) -> Observation:
    """Return a point of Qwen3-30B-A3B on four H100, measured as *kind* says."""
    traffic = Traffic(
        load=ClosedLoop(concurrency=1), input=Lengths.fixed(700), output=Lengths.fixed(40)
    )
    return Observation(
        row=0,
        source="test",
        engine="vllm",
        era="2026",
        model=CATALOG.model("Qwen/Qwen3-30B-A3B"),
        device=device_of(CATALOG.gpu("H100-SXM-80GB"), Exclusive()),
        served=ServedAs(tensor_parallel=parallel),
        sequences=sequences,
        traffic=traffic,
        chunk_tokens=8192,
        is_eager=False,
        tpot_kind=kind,
        is_static_ttft=False,
        is_vague=False,
        tpot_seconds=0.02,
        ttft_seconds=None,
    )


def values_of(constants: PerfConstants) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the fitted constants in the order of the columns."""
    return np.array([getattr(constants, name) for name in NAMES])


@pytest.mark.parametrize("kind", TpotKind)
@pytest.mark.parametrize("sequences", [1, 48])
def test_columns_say_what_the_prediction_says(kind: TpotKind, sequences: int) -> None:
    """However TPOT is measured, alone and among others."""
    point, constants = observed(kind, sequences), load_constants()["2026"]
    fitted = tpot(features_of([point], constants), values_of(constants))
    assert fitted[0] == pytest.approx(tpot_as_measured(point, constants), rel=1e-9)


@pytest.mark.parametrize("era", ["2024", "2026"])
def test_a_measured_point_is_known_to_its_noise(era: str) -> None:
    """The band at a point follows the constants by the slopes by which they were fitted."""
    point = observed(TpotKind.CLOSED_LOOP)
    after = calibrate([point], load_constants()[era]).constants
    assert doubt_as_measured(point, after).tpot < 0.03


def test_a_constant_of_zero_stays_without_effect(constants: PerfConstants) -> None:
    """An era that says nothing of a cost is calibrated without it."""
    bare = replace(constants, prompt_seconds_per_layer=0.0, host_seconds_per_context_token=0.0)
    after = calibrate([observed(TpotKind.CLOSED_LOOP)], bare).constants
    assert after.prompt_seconds_per_layer == pytest.approx(0.0, abs=1e-12)
    assert after.host_seconds_per_context_token == pytest.approx(0.0, abs=1e-12)
