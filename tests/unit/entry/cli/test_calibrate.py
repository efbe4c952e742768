"""`rightslice calibrate`: points in, a file out that the other verbs use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rightslice.entry.cli.app import run
from rightslice.entry.cli.console import Exit

MODEL = ["calibrate", "llama-3.1-8b", "--gpu", "H100-80GB"]
HEADER = "concurrency,input_len,output_len,tpot_ms,ttft_ms\n"
SLOW = HEADER + "1,1024,128,9,60\n32,1024,128,26,300\n64,1024,128,40,500\n"
LOAD_ASKED = ["--input", "1024", "--output", "128"]
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
    ask = ["fit", "llama-3.1-8b", "--input", "1024", *LOAD, "--tpot", "25ms"]
    ask += ["--offers", "H100-80GB:3g.40gb", "--confidence", "50"]
    assert run(ask) == Exit.DONE
    assert run([*ask, "--calibrations", str(tmp_path / "own")]) == Exit.NO
    ask[ask.index("25ms")] = "90ms"
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


def advised(capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    """Return what calibrate advises, as JSON."""
    assert run([*MODEL, "--advise", "2", "--output", "json", *more]) == Exit.DONE
    found: dict[str, Any] = json.loads(capsys.readouterr().out)["next_points"]
    return found


def test_advice_is_command_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """As many as asked for, all different, each complete, and the server they need."""
    assert run([*MODEL, "--advise", "3"]) == Exit.DONE
    lines = capsys.readouterr().out.splitlines()
    benches = [line for line in lines if line.startswith("vllm bench serve")]
    assert len(set(benches)) == 3
    assert all("--save-result --result-filename tp1-c" in line for line in benches)
    assert len({line.split("--seed ")[1][0] for line in benches}) == 3
    assert "vllm serve meta-llama/Llama-3.1-8B" in lines


def test_advice_serves_the_choice_of_an_offer(capsys: pytest.CaptureFixture[str]) -> None:
    """With a load and a target, the offers that may hold it are at stake, and tell more sure."""
    found = advised(capsys, *LOAD_ASKED, "--concurrency", "64", "--tpot", "24ms")
    assert "which offer" in found["decision"]
    names = [item["name"] for item in found["uncertainties"]]
    assert "H100-SXM-80GB" in names
    for item in found["uncertainties"]:
        assert item["chance_wrong_after"] <= item["chance_wrong_before"] + 1e-6
        assert item["band_ratio_after"] <= item["band_ratio_before"]


def test_advice_serves_a_capacity(capsys: pytest.CaptureFixture[str]) -> None:
    """With a target and lengths alone, the largest concurrency is at stake."""
    found = advised(capsys, *LOAD_ASKED, "--tpot", "24ms")
    (item,) = found["uncertainties"]
    assert item["quantity"] == "capacity"
    assert item["band_ratio_after"] < item["band_ratio_before"]


def test_ranks_are_a_dimension_of_the_advice(capsys: pytest.CaptureFixture[str]) -> None:
    """Where offers of several cards are at stake, points on several cards may be asked for."""
    wide = ["--tpot", "11ms", "--concurrency", "64"]
    found = advised(capsys, *LOAD_ASKED, *wide)
    assert any(" x2" in item["name"] for item in found["uncertainties"])
    ranks = {point["tensor_parallel"] for point in found["points"]}
    assert ranks - {1}
    serving = [point["serve_command"] for point in found["points"]]
    assert any("--tensor-parallel-size" in line for line in serving)


def test_one_new_point_one_update(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is measured is not asked for again, whether given now or stored."""
    first = advised(capsys)["points"][0]
    row = ",".join(str(first[key]) for key in ("concurrency", "input_tokens", "output_tokens"))
    points = write(tmp_path, HEADER + f"{row},18,200\n")
    given = advised(capsys, "--points", points)["points"]
    out = tmp_path / "own" / "a.json"
    run([*MODEL, "--points", points, "--out", str(out)])
    capsys.readouterr()
    stored = advised(capsys, "--calibrations", str(out.parent))["points"]
    assert first not in given
    assert stored == given


def test_new_points_join_those_stored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Points stored for the board are fitted with the new ones; a file given twice counts once."""
    first, out = write(tmp_path, SLOW), str(tmp_path / "own" / "a.json")
    run([*MODEL, "--points", first, "--out", out])
    more = write(tmp_path, HEADER + "8,4096,256,30,900\n", "more.csv")
    capsys.readouterr()
    ask = [*MODEL, "--calibrations", str(tmp_path / "own"), "--output", "json"]
    run([*ask, "--points", first, "--points", more])
    found = json.loads(capsys.readouterr().out)["calibration"]["points"]
    assert [point["concurrency"] for point in found] == [1, 32, 64, 8]


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (["--concurrency", "8", "--tpot", "30ms"], "a load has lengths"),
        (["--input", "64", "--output", "64", "--concurrency", "8"], "needs a target"),
        (["--output", "64"], "give --input, too"),
        (["--input", "64"], "--output takes the output tokens once"),
    ],
)
def test_half_a_decision_is_refused(
    capsys: pytest.CaptureFixture[str], more: list[str], complaint: str
) -> None:
    """A load without lengths or target, and lengths of one side only."""
    assert run([*MODEL, "--advise", "1", *more]) == Exit.BAD_INPUT
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        ("gpu", "L4", "was measured on L4"),
        ("gpu", "no-such-board", "points.csv:2: gpu: unknown GPU"),
        ("engine_version", "0.7.0", "give --engine-version 0.7.0"),
        ("engine_version", "nightly", "points.csv:2"),
    ],
)
def test_points_of_other_servers_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], column: str, value: str, complaint: str
) -> None:
    """Another board or another age of the engine: nothing is stored."""
    text = HEADER.replace("\n", f",{column}\n") + f"1,1024,128,9,60,{value}\n"
    out = tmp_path / "own.json"
    asked = [*MODEL, "--points", write(tmp_path, text), "--out", str(out)]
    assert run(asked) == Exit.BAD_INPUT
    assert complaint in capsys.readouterr().err
    assert not out.exists()


def test_a_calibration_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The constants, their evidence, and the points that were not used."""
    points = write(tmp_path, SLOW + "1,1024,128,1,60\n")
    assert run([*MODEL, "--points", points, "--output", "json"]) == Exit.DONE
    found = json.loads(capsys.readouterr().out)
    assert len(found["calibration"]["points"]) == 3
    assert "faster than the memory bandwidth" in found["not_used"][0]["reason"]
    assert found["next_points"] is None


@pytest.mark.parametrize("more", [[], ["--advise", "1", "--out", "x.json"]])
def test_nothing_to_do_is_refused(capsys: pytest.CaptureFixture[str], more: list[str]) -> None:
    """Neither points nor advice, or a file without points."""
    assert run([*MODEL, *more]) == Exit.BAD_INPUT
    assert "--points" in capsys.readouterr().err


def test_a_mode_of_sharing_is_calibrated_for_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Points taken beside busy neighbours let ``share`` promise that mode, and that one only."""
    slow = write(tmp_path, HEADER + "1,128,128,16,40\n8,128,128,20,90\n32,128,128,30,250\n")
    stored = tmp_path / "cal"
    stored.mkdir()
    made = ["calibrate", "opt-1.3b", "--gpu", "L4", "--sharing", "mps/2", "--points", slow]
    assert run([*made, "--out", str(stored / "pair.json")]) == 0
    asked = ["--input", "128", "--output", "128", "--concurrency", "4", "--tpot", "40ms"]
    more = ["--isolation", "none", "--calibrations", str(stored), "--output", "json"]
    capsys.readouterr()
    assert run(["share", "opt-1.3b", "--offers", "L4", *asked, *more]) == 0
    given = json.loads(capsys.readouterr().out)
    assert given["recommended"]["offer"].startswith("L4-24GB MPS 1/2")
    assert [row["is_measured"] for row in given["rows"] if row["offer"]] == [True, True, False]


@pytest.mark.parametrize("sharing", ["mps", "half/2", "time/x", "mps/1"])
def test_a_mode_that_does_not_exist_is_refused(
    sharing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2 with how it is written."""
    assert run(["calibrate", "opt-1.3b", "--gpu", "L4", "--sharing", sharing, "--advise", "1"]) == 2
    said = "at least 2" if sharing == "mps/1" else "write mps/2"
    assert said in capsys.readouterr().err
