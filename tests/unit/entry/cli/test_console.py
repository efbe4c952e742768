"""Messages are readable whatever they quote; JSON is plain data."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.entry.cli.console import complain, console, print_json, readable, warn, working

Capture = pytest.CaptureFixture[str]


@given(text=st.text(max_size=3000))
def test_messages_are_short_and_printable(text: str) -> None:
    """No character of a message moves the cursor, and no message fills the screen."""
    shown = readable(text)
    assert len(shown) < 1000
    assert all(c.isprintable() or c == "\n" for c in shown)


@given(text=st.text(st.characters(categories=["L", "N"]), max_size=150))
def test_plain_messages_are_left_alone(text: str) -> None:
    """Ordinary text is shown as it is."""
    assert readable(text) == text


def test_the_ends_of_an_endless_word_are_kept() -> None:
    """Beginning and end tell more than the middle."""
    assert readable("fleet.yaml:1: " + "k" * 5000 + "z").endswith("kkz")


def test_messages_go_to_standard_error(capsys: Capture) -> None:
    """Standard output is for answers."""
    complain("this is wrong")
    warn("know this")
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "error: this is wrong\nnote: know this\n")


def test_json_has_no_infinity(capsys: Capture) -> None:
    """What JSON cannot say is null."""
    print_json({"wait": float("inf"), "name": "é"})
    assert json.loads(capsys.readouterr().out) == {"wait": None, "name": "é"}


def test_a_pipe_gets_a_hundred_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables have one width where no terminal states its own."""
    monkeypatch.delenv("COLUMNS", raising=False)
    assert console().width == 100


def test_work_is_silent_in_a_pipe(capsys: Capture) -> None:
    """The spinner is for terminals."""
    with working("fitting"):
        pass
    shown = capsys.readouterr()
    assert shown.out + shown.err == ""
