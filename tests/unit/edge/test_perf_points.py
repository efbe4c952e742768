"""Measured rows become points that are predicted in the way they were measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rightslice.core.perf.fitting import fit_tpot, fit_without, prior_of
from rightslice.core.perf.observation import TpotKind, tpot_as_measured
from rightslice.edge.perf_constants import load_constants
from rightslice.edge.perf_points import Unread, era_of, read_points, read_rows
from rightslice.errors import InputError

HEADER = (
    "source,model,hf_id,gpu,mig_profile,gpu_count,tp,weight_dtype,kv_dtype,engine,engine_version,"
    "concurrency,input_len,output_len,tpot_ms,ttft_ms,output_tok_s,notes\n"
)
ROW = (
    "s,llama,meta-llama/Llama-3.1-8B-Instruct,H100-SXM-80GB,,1,1,{dtype},,vllm,0.11.1,{c},512,128,"
    "{tpot},,,tpot_def={kind}\n"
)


def write(path: Path, *rows: str) -> Path:
    """Write a file of measured rows."""
    file = path / "points.csv"
    file.write_text(HEADER + "".join(rows), encoding="utf-8")
    return file


def test_a_static_batch_counts_its_prompts(tmp_path: Path) -> None:
    """The same server takes longer where TPOT includes the prefill."""
    kinds = ("decode_step", "batch_e2e/128_INCLUDES_PREFILL")
    rows = [ROW.format(dtype="bf16", c=16, tpot=10, kind=kind) for kind in kinds]
    step, batch = read_points(write(tmp_path, *rows))
    constants = load_constants()["2026"]
    assert (step.tpot_kind, batch.tpot_kind) == (TpotKind.DECODE_STEP, TpotKind.STATIC_BATCH)
    assert tpot_as_measured(batch, constants) > tpot_as_measured(step, constants)


def test_stored_formats_shrink_the_step(tmp_path: Path) -> None:
    """FP8 weights of a 16-bit architecture are read in half the time."""
    rows = [ROW.format(dtype=d, c=1, tpot=9, kind="decode_step") for d in ("bf16", "fp8")]
    wide, narrow = (
        tpot_as_measured(point, load_constants()["2026"])
        for point in read_points(write(tmp_path, *rows))
    )
    assert 0.5 < narrow / wide < 0.8


def test_a_fit_recovers_a_faster_host(tmp_path: Path) -> None:
    """Points made with half the overhead pull the fitted overhead down."""
    rows = [ROW.format(dtype="bf16", c=c, tpot=9, kind="decode_step") for c in (1, 2, 4, 8, 16)]
    truth = replace(prior_of("2026"), overhead_seconds_per_layer=32e-6)
    points = [
        replace(point, tpot_seconds=tpot_as_measured(point, truth))
        for point in read_points(write(tmp_path, *rows))
    ]
    fitted = fit_tpot(points, prior_of("2026"))
    assert 25e-6 < fitted.overhead_seconds_per_layer < 50e-6


@pytest.mark.parametrize(
    ("engine", "version", "era"),
    [
        ("vllm", "0.7.3", "2024"),
        ("vllm", "0.11.1", "2025"),
        ("vllm", "0.12.0", "2026"),
        ("vllm", "", "2026"),
        ("vllm", "2023", "vllm-2023"),
        ("trtllm", "1.0.0rc3", "trtllm-2025"),
        ("tgis", "2023-10", "tgis-2023"),
    ],
)
def test_eras(engine: str, version: str, era: str) -> None:
    """Only vLLM 0.6 and newer uses the plain years."""
    assert era_of(engine, version) == era


def test_rows_set_aside_are_never_fitted(tmp_path: Path) -> None:
    """A row marked as far from every model moves no constant."""
    row = ROW.format(dtype="bf16", c=8, tpot=90, kind="decode_step;set_aside")
    (point,) = read_points(write(tmp_path, row))
    assert point.is_set_aside
    fitted = fit_without([point], prior_of("2026"), [1])
    assert fitted[1] == prior_of("2026")


def test_bad_cells_name_their_line(tmp_path: Path) -> None:
    """A cell that is no number is named with file and line."""
    row = ROW.format(dtype="bf16", c="many", tpot=10, kind="decode_step")
    with pytest.raises(InputError, match=r"points.csv:2: not a measured point"):
        read_points(write(tmp_path, row))


def test_every_release_has_constants() -> None:
    """Each era that the catalogue names is shipped."""
    assert {"2024", "2025", "2026"} <= set(load_constants())


def test_every_row_is_answered_for(tmp_path: Path) -> None:
    """Unknown names and lengths are told, bad times count as not measured, the rest are points."""
    good = ROW.format(dtype="bf16", c=8, tpot="{}", kind="decode_step")
    rows = [good.format(10), good.format(0), good.format("nan"), good.format(-1)]
    rows += [
        good.format(9).replace("H100-SXM-80GB", "Z9000"),
        good.format(9).replace("llama/", "x/"),
    ]
    rows += [good.format(9).replace(",8,512,", ",0,512,"), good.format(9).replace(",512,", ",,")]
    found = read_rows(write(tmp_path, *rows))
    assert [isinstance(row, Unread) for row in found] == [False] * 4 + [True] * 4
    assert [row.tpot_seconds for row in found if not isinstance(row, Unread)] == [
        0.01,
        None,
        None,
        None,
    ]


def test_points_to_fit_have_times_above_zero(tmp_path: Path) -> None:
    """A table that constants are fitted on is refused with the row of a time of zero."""
    with pytest.raises(InputError, match=r"csv:2.*a time of 0 ms"):
        read_points(write(tmp_path, ROW.format(dtype="bf16", c=1, tpot=0, kind="decode_step")))
