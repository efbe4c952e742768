"""``share`` compares the ways to hold a card in one table and says which to take."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rightslice.entry.cli.app import run

BASE = ["share", "facebook/opt-1.3b", "--input", "128", "--output", "128", "--concurrency", "4"]
Capture = pytest.CaptureFixture[str]


def _text(capsys: Capture, *more: str) -> str:
    run([*BASE, "--tpot", "40ms", *more])
    return " ".join(capsys.readouterr().out.split())


def test_every_mode_has_a_row(capsys: Capture) -> None:
    """What is unmeasured is marked, and what a board lacks is said."""
    text = _text(capsys, "--offers", "A100-40GB,L4")
    for part in ("exclusive whole", "MIG 1g.5gb", "MIG + MPS", "time-slicing turn 1/",
                 "L4-24GB has no MIG", "* unmeasured: the worst case", "take A100-SXM-40GB 1g.5gb",
                 "needs the device plugin's MPS daemon"):  # fmt: skip
        assert part in text


def test_a_share_is_taken_by_those_who_ask_for_even_chances(capsys: Capture) -> None:
    """Without isolation and at the point estimate."""
    text = _text(capsys, "--offers", "L4", "--isolation", "none", "--confidence", "50%")
    assert "take L4-24GB MPS 1/" in text
    assert "holds the load at 50% confidence" in text


def test_neighbours_that_hold_too_much_are_told(capsys: Capture) -> None:
    """With how much less would do."""
    more = ("--isolation", "none", "--confidence", "50%", "--neighbours", "20GiB")
    text = _text(capsys, "--offers", "L4", *more)
    assert "starts while neighbours hold at most" in text


def test_the_json_has_a_row_a_mode(capsys: Capture) -> None:
    """With bands, outcome and what a server needs at start."""
    assert run([*BASE, "--tpot", "40ms", "--offers", "L4", "--output", "json"]) == 0
    given: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert given["kind"] == "SharingAdvice"
    assert [row["mode"] for row in given["rows"]] == [
        "exclusive", "MIG", "MIG + MPS", "MPS", "time-slicing",
    ]  # fmt: skip
    turns = given["rows"][-1]
    assert turns["outcome"]["constraint"] == "isolation"
    assert turns["tpot"]["low"] < turns["tpot"]["expected"] < turns["tpot"]["high"]
    assert turns["start"]["kv_cache_memory_bytes"] > 0


def test_what_no_mode_holds_is_a_no(capsys: Capture) -> None:
    """Exit 4, and each row says what it misses."""
    assert run([*BASE, "--tpot", "1us", "--offers", "L4"]) == 4
    text = " ".join(capsys.readouterr().out.split())
    assert "take none of them" in text
    assert "TPOT:" in text


@pytest.mark.parametrize(("more", "said"), [
    (["--offers", "L4"], "share needs a target"),
    (["--offers", "L5", "--tpot", "40ms"], "unknown GPU"),
    (["--offers", "L4", "--tpot", "40ms", "--neighbours", "x"], "--neighbours"),
])  # fmt: skip
def test_mistakes_are_named(capsys: Capture, more: list[str], said: str) -> None:
    """Exit 2 with what would be right."""
    assert run([*BASE, *more]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
