"""What is written is read again; what is no calibration is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rightslice.core.perf.anchors import Anchors, Place
from rightslice.core.perf.calibration import Calibration, MeasuredPoint
from rightslice.edge.calibration_files import read_calibrations, write_calibration
from rightslice.edge.perf_constants import load_constants
from rightslice.errors import InputError

POINT = MeasuredPoint(
    source="run.json, record 1",
    concurrency=32.0,
    input_tokens=1024.0,
    output_tokens=128.0,
    tensor_parallel=1,
    tpot_seconds=0.014,
    ttft_seconds=None,
    residual=0.01,
)
ANCHORS = Anchors(
    places=(Place(0.0, 7.0, 5.0, 0.0, 0.7),),
    slopes=((0.1,) * 7,),
    pulls=(0.5,),
    inverse=((2.0,),),
    spread=((0.1,) * 7,) * 7,
    scale=1.0,
)
CALIBRATION = Calibration(
    model="meta-llama/Llama-3.1-8B-Instruct",
    gpu="H100-SXM-80GB",
    engine_version="0.33.0",
    era="2026",
    date="2026-11-22",
    points=(POINT,),
    constants=replace(load_constants()["2026"], anchors=ANCHORS),
)


def test_a_calibration_survives_its_file(tmp_path: Path) -> None:
    """Every figure is read as it was written."""
    write_calibration(tmp_path / "one.json", CALIBRATION)
    assert read_calibrations(tmp_path) == (replace(CALIBRATION, file="one.json"),)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"kind": "Calibration"', '"kind": "Plan"', "is no calibration"),
        ('"version": 2', '"version": 1', "has version 1, this release reads 2"),
        ('"gpu"', '"board"', "not a calibration: 'gpu'"),
        ('"weight_ratio": 1', '"weight_ratio": NaN, "x": 1', "nan is not a finite number"),
        ("}\n", "", "cannot be read as JSON"),
    ],
)
def test_files_that_are_none_are_named(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    """Another kind, another version, a missing field, NaN, and half a file."""
    path = tmp_path / "one.json"
    write_calibration(path, CALIBRATION)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=rf"one\.json: .*{complaint}"):
        read_calibrations(tmp_path)


def test_a_folder_is_wanted(tmp_path: Path) -> None:
    """A file or nothing is refused with what would be right."""
    with pytest.raises(InputError, match="is no folder; give the one that holds"):
        read_calibrations(tmp_path / "none")
