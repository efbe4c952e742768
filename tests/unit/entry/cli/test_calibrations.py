"""What stands behind an answer is said: points, age, distance, and what was not used."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from rightslice.core.fit.constants import FittedConstants
from rightslice.core.perf.calibration import Calibration, architecture_of
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import fitted_constants
from rightslice.entry.cli.calibrations import Server, calibration_lines

CATALOG = Catalog()
LLAMA = CATALOG.model("meta-llama/Llama-3.1-8B-Instruct")
ENGINE = CATALOG.engine(None)
TODAY = dt.date(2026, 11, 22)
MADE = Calibration(
    model=architecture_of(LLAMA),
    gpu="H100-SXM-80GB",
    engine_version=ENGINE.version,
    era=ENGINE.era,
    date="2026-11-20",
    points=(),
    constants=fitted_constants().perf[ENGINE.era],
)


def with_calibrations(*known: Calibration) -> FittedConstants:
    """Return the shipped constants with calibrations."""
    return replace(fitted_constants(), calibrations=known)


def server(gpu: str, name: str = "", version: str | None = None) -> Server:
    """Return Llama on a board."""
    return Server(name=name, model=LLAMA, engine=CATALOG.engine(version), gpu=gpu)


def test_a_calibration_of_the_same_board() -> None:
    """Its age in days, and that it is of this board."""
    (line,) = calibration_lines(with_calibrations(MADE), (server("H100-SXM-80GB", "chat"),), TODAY)
    assert "2026-11-20 (2 days old) for chat: same board" in line


def test_another_board_has_a_wider_band() -> None:
    """One calibration, used for two workloads at two distances, has a line for each."""
    asked = (server("H100-SXM-80GB", "chat"), server("H200-SXM-141GB", "search"))
    near, far = calibration_lines(with_calibrations(MADE), asked, TODAY)
    assert "for chat: same board" in near
    assert "for search: made on H100-SXM-80GB, band wider on H200-SXM-141GB" in far


def test_what_is_not_used_has_its_reason() -> None:
    """Another age of the engine, another model, and one that a later one replaces."""
    later = replace(MADE, date="2026-11-22")
    foreign = replace(MADE, model="Qwen/Qwen3-32B")
    lines = tuple(
        calibration_lines(
            with_calibrations(MADE, later, foreign), (server("H100-SXM-80GB"),), TODAY
        )
    )
    assert [line.split(":")[0] for line in lines].count("constants") == 1
    assert "not used" in lines[0]
    assert "nearer or later" in lines[0]
    assert "(today): same board" in lines[1]
    assert "made for Qwen/Qwen3-32B" in lines[2]


def test_a_calibration_of_another_age_is_refused_aloud() -> None:
    """Its host work is another, so it must be measured again."""
    (line,) = calibration_lines(
        with_calibrations(MADE), (server("H100-SXM-80GB", version="0.7.0"),), TODAY
    )
    assert "measure again" in line


def test_a_fleet_without_its_model() -> None:
    """Of many workloads none is singled out."""
    foreign = replace(MADE, model="Qwen/Qwen3-32B")
    asked = (server("H100-SXM-80GB", "chat"), server("H200-SXM-141GB", "search"))
    (line,) = calibration_lines(with_calibrations(foreign), asked, TODAY)
    assert line.endswith("no workload serves Qwen/Qwen3-32B")


def test_ages_that_are_odd() -> None:
    """A date ahead of the clock is said, one that is no date is left out."""
    for date, text in (("2026-11-23", "(in the future)"), ("2026-11-21", "(1 day old)")):
        (line,) = calibration_lines(
            with_calibrations(replace(MADE, date=date)), (server("H100-SXM-80GB"),), TODAY
        )
        assert text in line
    (line,) = calibration_lines(
        with_calibrations(replace(MADE, date="autumn")), (server("H100-SXM-80GB"),), TODAY
    )
    assert "autumn: same board" in line
