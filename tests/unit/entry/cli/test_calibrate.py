"""`rightslice calibrate`: points in, a file out that the other verbs use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rightslice.entry.cli.app import run
from rightslice.entry.cli.console import Exit

MODEL = ["calibrate", "llama-3.1-8b", "--gpu", "H100-80GB"]
HEADER = "concurrency,input_len,output_len,tpot_ms,ttft_ms\n"
SLOW = HEADER + "1,1024,128,9,60\n32,1024,128,26,300\n64,1024,128,40,500\n"
PREDICT = ["predict", "llama-3.1-8b", "--gpu", "H100-80GB", "--input", "1024"]
LOAD = ["--output", "128", "--concurrency", "16"]


def write(folder: Path, text: str, name: str = "points.csv") -> str:
    """Write a file of points and return its path."""
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def tpot(capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, float]:
    """Return the mean TPOT that predict answers."""
    run([*PREDICT, *LOAD, "--output", "json", *more])
    found: dict[str, float] = json.loads(capsys.readouterr().out)["prediction"]["tpot"]["mean"]
    return found


def test_predict_uses_what_was_calibrated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server measured slower is predicted slower, with a narrower band."""
    out = tmp_path / "own" / "llama.json"
    assert run([*MODEL, "--points", write(tmp_path, SLOW), "--out", str(out)]) == Exit.DONE
    assert "--calibrations" in capsys.readouterr().out
    before, after = tpot(capsys), tpot(capsys, "--calibrations", str(out.parent))
    assert after["expected"] > before["expected"]
    assert after["high"] / after["low"] < before["high"] / before["low"]


def test_fit_decides_by_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A target that the era's constants hold on a slice is missed where measurements say so."""
    run([*MODEL, "--points", write(tmp_path, SLOW), "--out", str(tmp_path / "own" / "a.json")])
    ask = ["fit", "llama-3.1-8b", "--input", "1024", *LOAD, "--tpot", "28ms"]
    ask += ["--offers", "H100-80GB:3g.40gb", "--confidence", "50"]
    assert run(ask) == Exit.DONE
    assert run([*ask, "--calibrations", str(tmp_path / "own")]) == Exit.NO
    ask[ask.index("28ms")] = "90ms"
    assert run([*ask, "--calibrations", str(tmp_path / "own")]) == Exit.DONE
    assert "constants: calibrated with 3 points" in capsys.readouterr().out


def test_impossible_points_are_refused_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Faster than the memory, and more at once than run: nothing is stored."""
    out = tmp_path / "own.json"
    points = write(tmp_path, HEADER + "1,1024,128,1,60\n5000,1024,128,90,500\n")
    assert run([*MODEL, "--points", points, "--out", str(out)]) == Exit.BAD_INPUT
    said = capsys.readouterr().err
    assert "points.csv:2 is not used: TPOT 1 ms is faster than the memory bandwidth" in said
    assert "points.csv:3 is not used: 5,000 at once do not run together" in said
    assert not out.exists()


@pytest.mark.parametrize(
    ("models", "complaint"),
    [
        (("meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen3-32B"), "one model at a time"),
        (("Qwen/Qwen3-32B",), "which is not"),
    ],
)
def test_points_of_other_models_are_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    models: tuple[str, ...],
    complaint: str,
) -> None:
    """Mixed models, and one that is not the model named."""
    rows = "".join(f"1,1024,128,9,60,{model}\n" for model in models)
    points = write(tmp_path, HEADER.replace("\n", ",model\n") + rows)
    assert run([*MODEL, "--points", points]) == Exit.BAD_INPUT
    assert complaint in capsys.readouterr().err


def test_advice_is_command_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """As many as asked for, all different, each complete."""
    assert run([*MODEL, "--advise", "3"]) == Exit.DONE
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("vllm ")]
    assert len(set(lines)) == 3
    assert all("--save-result" in line and "--max-concurrency" in line for line in lines)


@pytest.mark.parametrize("more", [[], ["--advise", "1", "--out", "x.json"]])
def test_nothing_to_do_is_refused(capsys: pytest.CaptureFixture[str], more: list[str]) -> None:
    """Neither points nor advice, or a file without points."""
    assert run([*MODEL, *more]) == Exit.BAD_INPUT
    assert "--points" in capsys.readouterr().err
