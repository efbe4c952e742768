"""Calibration moves constants towards what was measured, and knows what it does not know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.share import Exclusive
from rightslice.core.catalog.traffic import ClosedLoop, Traffic
from rightslice.core.perf.advice import advise
from rightslice.core.perf.calibrate import calibrate
from rightslice.core.perf.observation import (
    Observation,
    TpotKind,
    doubt_as_measured,
    tpot_as_measured,
    ttft_as_measured,
)
from rightslice.core.perf.result import PerfConstants
from rightslice.core.perf.work import ServedAs
from rightslice.edge.catalog_files import Catalog

CATALOG = Catalog()


def point(clients: int, inputs: int = 512, outputs: int = 128) -> Observation:
    """Return a point of Llama-3.1-8B on an H100, not measured yet."""
    traffic = Traffic(
        load=ClosedLoop(concurrency=clients),
        input=Lengths.fixed(inputs),
        output=Lengths.fixed(outputs),
    )
    return Observation(
        row=clients,
        source="test",
        engine="vllm",
        era="2026",
        model=CATALOG.model("meta-llama/Llama-3.1-8B-Instruct"),
        device=device_of(CATALOG.gpu("H100-SXM-80GB"), Exclusive()),
        served=ServedAs(),
        sequences=clients,
        traffic=traffic,
        chunk_tokens=8192,
        is_eager=False,
        tpot_kind=TpotKind.CLOSED_LOOP,
        is_static_ttft=False,
        is_vague=False,
        tpot_seconds=None,
        ttft_seconds=None,
    )


def measured(points: Sequence[Observation], truth: PerfConstants) -> list[Observation]:
    """Return *points* as a server with the constants *truth* would show them."""
    return [
        replace(
            item,
            tpot_seconds=tpot_as_measured(item, truth),
            ttft_seconds=ttft_as_measured(item, truth),
        )
        for item in points
    ]


def test_measuring_what_was_expected_changes_nothing(constants: PerfConstants) -> None:
    """Points that lie on the prediction leave it where it is, and narrow the band."""
    seen = measured([point(1), point(64)], constants)
    after = calibrate(seen, constants).constants
    for clients in (2, 32, 128):
        assert tpot_as_measured(point(clients), after) == pytest.approx(
            tpot_as_measured(point(clients), constants), rel=1e-3
        )
        before = doubt_as_measured(point(clients), constants).tpot
        assert doubt_as_measured(point(clients), after).tpot < before


def test_a_slower_server_is_found(constants: PerfConstants) -> None:
    """Three points of a server with twice the overhead and prefill predict its other points."""
    truth = replace(constants, overhead_seconds_per_layer=120e-6, prefill_ratio=2.6)
    seen = measured([point(1), point(64), point(32, 4096)], truth)
    after = calibrate(seen, constants)
    assert max(abs(residual) for residual in after.residuals) < 0.05
    for other in (point(8), point(128), point(16, 2048)):
        assert tpot_as_measured(other, after.constants) == pytest.approx(
            tpot_as_measured(other, truth), rel=0.08
        )


def test_one_wild_point_is_not_believed(constants: PerfConstants) -> None:
    """A point three times too slow hardly moves what four others agree on."""
    seen = measured([point(clients) for clients in (1, 4, 16, 64, 128)], constants)
    assert seen[2].tpot_seconds is not None
    seen[2] = replace(seen[2], tpot_seconds=3 * seen[2].tpot_seconds)
    after = calibrate(seen, constants).constants
    assert tpot_as_measured(point(32), after) == pytest.approx(
        tpot_as_measured(point(32), constants), rel=0.05
    )


def test_bands_are_wider_far_from_what_was_measured(constants: PerfConstants) -> None:
    """After points of short prompts, a long prompt is less sure than a short one."""
    after = calibrate(measured([point(1), point(64, 128)], constants), constants).constants
    near, far = (doubt_as_measured(item, after).tpot for item in (point(32, 128), point(64, 4096)))
    assert near < far


def test_ttft_follows_its_own_points(constants: PerfConstants) -> None:
    """A server whose first token takes longer is calibrated apart from its TPOT."""
    seen = [
        replace(item, ttft_seconds=1.5 * (item.ttft_seconds or 0.0))
        for item in measured([point(1), point(8), point(64)], constants)
    ]
    after = calibrate(seen, constants).constants
    assert 1.2 < after.ttft_ratio < 1.5


def test_ttft_points_narrow_its_band(constants: PerfConstants) -> None:
    """First tokens as expected leave less doubt about first tokens, those far off leave more."""
    seen = measured([point(1), point(16), point(64)], constants)
    near = calibrate(seen, constants).constants.log_sd_ttft
    off = [
        replace(p, ttft_seconds=(p.ttft_seconds or 1) * k)
        for p, k in zip(seen, (1, 9, 1 / 9), strict=True)
    ]
    assert near < 0.9 * constants.log_sd_ttft
    assert calibrate(off, constants).constants.log_sd_ttft > constants.log_sd_ttft


def test_advice_spreads_points(constants: PerfConstants) -> None:
    """The points asked for differ, and one that is known already is not asked for again."""
    offered = [point(clients, inputs) for clients in (1, 8, 64, 128) for inputs in (128, 4096)]
    chosen = advise(offered, offered, constants, 3)
    assert len(set(chosen)) == 3
    after = calibrate(measured([offered[chosen[0]]], constants), constants).constants
    assert advise(offered, offered, after, 1)[0] != chosen[0]


def test_advice_minds_what_will_be_asked(constants: PerfConstants) -> None:
    """For loads of one client the single client is measured, not the crowd."""
    offered = [point(1), point(128, 4096)]
    assert advise(offered, [point(1), point(2)], constants, 1) == (0,)
