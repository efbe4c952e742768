"""`predict --sweep` predicts each point as `predict` alone does, in tables, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.edge.benchmark_files import read_runs
from rightslice.entry.cli.app import run
from rightslice.entry.cli.console import Exit
from rightslice.entry.cli.predict_sweep import Axis, read_axes
from rightslice.errors import InputError

BASE = ["predict", "opt-1.3b", "--gpu", "A100-40GB", "--input", "128", "--output", "128"]


def swept(capsys: pytest.CaptureFixture[str], *more: str) -> list[dict[str, str]]:
    """Return the CSV of a sweep."""
    assert run([*BASE, "--export", "csv", *more]) == Exit.DONE
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


def test_each_point_is_what_predict_says(capsys: pytest.CaptureFixture[str]) -> None:
    """The sweep and the single prediction agree to six digits."""
    rows = swept(capsys, "--sweep", "concurrency=1,16,64")
    assert [row["concurrency"] for row in rows] == ["1", "16", "64"]
    run([*BASE, "--concurrency", "16", "--output", "json"])
    alone = json.loads(capsys.readouterr().out)["prediction"]["tpot"]["mean"]
    for end, key in (("", "expected"), ("_low", "low"), ("_high", "high")):
        assert float(rows[1][f"tpot{end}_ms"]) == pytest.approx(alone[key] * 1e3, rel=1e-5)


@pytest.mark.parametrize(
    ("axis", "column", "values"),
    [
        ("input-tokens=128,1k", "input_len", ["128", "1000"]),
        ("output-tokens=64..256", "output_len", ["64", "128", "256"]),
        ("tp=1,2", "tp", ["1", "2"]),
        ("gpu=L4,A100-40GB:2g.10gb", "gpu", ["L4-24GB", "A100-SXM-40GB 2g.10gb"]),
    ],
)
def test_every_axis(
    capsys: pytest.CaptureFixture[str], axis: str, column: str, values: list[str]
) -> None:
    """Lengths, ranks and boards are swept at the load given."""
    rows = swept(capsys, "--sweep", axis, "--concurrency", "8")
    assert [row[column] for row in rows] == values
    assert all(float(row["tpot_low_ms"]) < float(row["tpot_ms"]) for row in rows)


def test_rates_need_no_load(capsys: pytest.CaptureFixture[str]) -> None:
    """A rate is a load; beyond the stable one nothing is held and nothing is invented."""
    rows = swept(capsys, "--sweep", "rate=1..9:4", "--no-plot")
    assert [float(row["requests_per_second"]) for row in rows] == pytest.approx([1, 5, 9])
    assert run([*BASE, "--sweep", "rate=100000"]) == Exit.NO


def test_two_axes_make_a_grid(capsys: pytest.CaptureFixture[str]) -> None:
    """Every combination, the last axis fastest."""
    rows = swept(capsys, "--sweep", "tp=1,2", "--sweep", "concurrency=1,2,4")
    assert [(row["tp"], row["concurrency"]) for row in rows][:4] == [
        ("1", "1"), ("1", "2"), ("1", "4"), ("2", "1"),
    ]  # fmt: skip


def test_a_table_and_a_curve(capsys: pytest.CaptureFixture[str]) -> None:
    """Without values, clients double up to what memory holds; the band is shaded."""
    assert run([*BASE, "--sweep", "concurrency", "--tpot", "30ms"]) == Exit.DONE
    text = capsys.readouterr().out
    for expected in ("TPOT over concurrency", "░", "╌ TPOT target", "held"):
        assert expected in text


def test_a_file_that_calibrate_can_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The columns are those of measured points, so both tables can be joined."""
    out = tmp_path / "sweep.csv"
    assert run([*BASE, "--sweep", "concurrency=1,8", "--export", str(out)]) == Exit.DONE
    assert "written:" in capsys.readouterr().out
    runs = read_runs(out)
    assert [item.concurrency for item in runs] == [1, 8]


def test_json_is_the_sweep(capsys: pytest.CaptureFixture[str]) -> None:
    """The same rows, in base units."""
    assert run([*BASE, "--sweep", "concurrency=1,8", "--output", "json"]) == Exit.DONE
    answer = json.loads(capsys.readouterr().out)
    assert answer["kind"] == "Sweep"
    assert len(answer["rows"]) == 2


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (["--sweep", "tp=1,2"], "give a load"),
        (["--sweep", "batch=1"], "sweeps are of concurrency"),
        (["--sweep", "tp"], "give values, as in tp=1..8"),
        (["--sweep", "concurrency=8..1"], "1 is below 8"),
        (["--sweep", "concurrency=0"], "must be a whole number of at least 1"),
        (["--sweep", "concurrency=1..9999999:1"], "more than 100,000 points"),
        (["--sweep", "rate=fast"], "--sweep rate:"),
        (["--sweep", "rate=1", "--sweep", "concurrency=1"], "either concurrency or rate"),
        (["--concurrency", "8", "--export", "csv"], "give --sweep"),
    ],
)
def test_sweeps_that_are_none(
    capsys: pytest.CaptureFixture[str], more: list[str], complaint: str
) -> None:
    """The message says what would be right."""
    assert run([*BASE, *more]) == Exit.BAD_INPUT
    assert complaint in capsys.readouterr().err


@given(st.integers(1, 1000), st.integers(1, 1000))
def test_a_range_holds_both_ends(one: int, other: int) -> None:
    """Doublings start at the low end and finish at the high end, ascending."""
    low, high = sorted((one, other))
    values = [float(value) for value in read_axes([f"concurrency={low}..{high}"])[Axis.CONCURRENCY]]
    assert (values[0], values[-1]) == (low, high)
    assert values == sorted(set(values))


def test_an_axis_named_twice_is_refused() -> None:
    """It is not clear which one is meant."""
    with pytest.raises(InputError, match="each once"):
        read_axes(["tp=1", "tp=2"])
