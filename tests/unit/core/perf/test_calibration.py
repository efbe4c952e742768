"""A calibration serves its model: its own board as measured, others with more doubt."""

from __future__ import annotations

from dataclasses import replace

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.share import Exclusive
from rightslice.core.perf.bands import doubt_on
from rightslice.core.perf.calibration import (
    Calibration,
    architecture_of,
    nearest,
    serving,
    standing_of,
)
from rightslice.core.perf.result import PerfConstants
from rightslice.edge.catalog_files import Catalog

CATALOG = Catalog()
LLAMA = CATALOG.model("meta-llama/Llama-3.1-8B-Instruct")
NEWEST = CATALOG.engine(None)
H100, H200 = (CATALOG.gpu(name) for name in ("H100-SXM-80GB", "H200-SXM-141GB"))


def made(
    constants: PerfConstants, gpu: str = "H100-SXM-80GB", date: str = "2026-01"
) -> Calibration:
    """Return a calibration without its evidence."""
    return Calibration(
        model=architecture_of(LLAMA),
        gpu=gpu,
        engine_version="0.33.0",
        era="2026",
        date=date,
        points=(),
        constants=replace(constants, fitted_gpus=(gpu,), source=date),
    )


def test_only_its_model_and_era_are_served(constants: PerfConstants) -> None:
    """Another model, or another era of the engine, keeps the shipped constants."""
    known = (made(constants),)
    other = CATALOG.model("Qwen/Qwen3-32B")
    served = nearest(known, LLAMA, NEWEST, "H100-SXM-80GB")
    assert served is not None
    assert replace(served, calibrated_by=None) == known[0].constants
    assert nearest(known, other, NEWEST, "H100-SXM-80GB") is None
    assert nearest(known, LLAMA, CATALOG.engine("0.7.0"), "H100-SXM-80GB") is None


def test_a_prediction_names_its_calibration_and_how_far_it_is(constants: PerfConstants) -> None:
    """File, points, release, board and distance; one object each time, for caches."""
    known = (replace(made(constants), file="llama.json"),)
    near, far = (nearest(known, LLAMA, NEWEST, gpu.name) for gpu in (H100, H200))
    assert near is nearest(known, LLAMA, NEWEST, H100.name)
    assert near is not None
    assert far is not None
    assert near.calibrated_by is not None
    assert far.calibrated_by is not None
    assert (near.calibrated_by.file, near.calibrated_by.points) == ("llama.json", 0)
    assert near.calibrated_by.distance == "same board"
    assert far.calibrated_by.distance == f"made on {H100.name}, band wider on {H200.name}"


def test_another_board_is_less_sure(constants: PerfConstants) -> None:
    """Constants carried to a board that was not measured widen the band there."""
    known = (made(constants),)
    here, there = (
        doubt_on(device_of(gpu, Exclusive()), served).tpot
        for gpu in (H100, H200)
        if (served := nearest(known, LLAMA, NEWEST, gpu.name)) is not None
    )
    assert here < there


def test_the_own_board_comes_first_then_the_latest(constants: PerfConstants) -> None:
    """An older calibration of the board beats a newer one of another board."""
    known = (
        made(constants, date="2026-01"),
        made(constants, date="2026-02"),
        made(constants, "H200-SXM-141GB", "2026-03"),
    )
    own = nearest(known, LLAMA, NEWEST, "H100-SXM-80GB")
    carried = nearest(known, LLAMA, NEWEST, "A100-SXM-80GB")
    assert own is not None
    assert carried is not None
    assert (own.source, carried.source) == ("2026-02", "2026-03")


def test_another_release_of_the_same_age_is_less_sure(constants: PerfConstants) -> None:
    """The band widens, and the distance says why; the own release comes first."""
    own = made(constants)
    other = replace(own, engine_version="0.30.0", date="2026-12")
    served = nearest([other], LLAMA, NEWEST, "H100-SXM-80GB")
    assert served is not None
    assert served.log_sd_tpot > constants.log_sd_tpot
    told = standing_of(other, LLAMA, NEWEST, "H100-SXM-80GB").distance
    assert "made with vLLM 0.30.0, band wider" in told
    assert serving([other, own], LLAMA, NEWEST, "H100-SXM-80GB") is own


def test_what_does_not_serve_says_why(constants: PerfConstants) -> None:
    """Another model and another age of the engine are refused, each with its reason."""
    own = made(constants)
    old = standing_of(own, LLAMA, CATALOG.engine("0.7.0"), "H100-SXM-80GB")
    other = standing_of(own, CATALOG.model("Qwen/Qwen3-32B"), NEWEST, "H100-SXM-80GB")
    assert (old.serves, other.serves) == (False, False)
    assert "measure again" in old.distance
    assert "not Qwen/Qwen3-32B" in other.distance
    assert standing_of(own, LLAMA, NEWEST, "H100-SXM-80GB").distance == "same board"


def test_what_shared_cards_gave_serves_them_only(constants: PerfConstants) -> None:
    """On its board, in its way of sharing; it says so where it is not used."""
    pair = made(replace(constants, measured_sharing="mps/2"))
    assert serving([pair], LLAMA, NEWEST, "H100-SXM-80GB") is None
    assert serving([pair], LLAMA, NEWEST, "H100-SXM-80GB", "mps/2") is pair
    assert serving([pair], LLAMA, NEWEST, "H200-SXM-141GB", "mps/2") is None
    standing = standing_of(pair, LLAMA, NEWEST, "H100-SXM-80GB")
    assert (standing.serves, standing.distance) == (False, "made on cards shared by mps/2")
