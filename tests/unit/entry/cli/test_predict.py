"""`predict` prints what the library returns, and says no with the load that would be held."""

from __future__ import annotations

import json

import pytest
import typer

from rightslice.entry.cli import predict
from rightslice.errors import InputError

BASE = ["facebook/opt-1.3b", "--gpu", "A100-40GB", "--input", "128", "--output", "128"]


def run(*more: str) -> int:
    """Run the verb alone."""
    app = typer.Typer()
    predict.register(app)
    code: int = app(args=[*BASE, *more], standalone_mode=False)
    return code


def test_a_held_load_is_shown_with_its_parts(capsys: pytest.CaptureFixture[str]) -> None:
    """The table holds latencies, parts, capacity, knee and the curve."""
    assert run("--concurrency", "16", "--tpot", "30ms") == 0
    text = capsys.readouterr().out
    for expected in ("TPOT", "kv cache", "Capacity:", "Knee:", "◆", "This load is held"):
        assert expected in text


def test_a_load_that_queues_is_a_no(capsys: pytest.CaptureFixture[str]) -> None:
    """Clients beyond max-num-seqs exit with 4 and the largest load that is held."""
    assert run("--concurrency", "64", "--max-num-seqs", "8") == 4
    text = " ".join(capsys.readouterr().out.split())
    assert "56 requests would queue" in text
    assert "8 concurrent expected" in text


def test_a_model_that_does_not_fit_is_a_no(capsys: pytest.CaptureFixture[str]) -> None:
    """The reason of sizing is printed."""
    assert run("--concurrency", "1", "--gpu-memory", "2GiB") == 4
    assert "does not fit" in capsys.readouterr().out


def test_a_rate_beyond_the_stable_one_is_a_no(capsys: pytest.CaptureFixture[str]) -> None:
    """Rates are promised up to 85 % of the stable rate."""
    assert run("--rate", "1000/s", "--no-plot") == 4
    assert "largest stable rate" in capsys.readouterr().out


def test_json_is_the_outlook(capsys: pytest.CaptureFixture[str]) -> None:
    """The second use of --output names the form."""
    assert run("--rate", "2/s", "--output", "json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["kind"] == "Outlook"
    assert answer["prediction"]["tpot"]["mean"]["expected"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give either --concurrency"),
        (("--concurrency", "4", "--rate", "1/s"), "give either --concurrency"),
        (("--concurrency", "4", "--output", "64"), "--output takes the output tokens once"),
        (("--concurrency", "0"), "at least 1"),
        (("--concurrency", "4", "--percentile", "95"), "needs a target"),
    ],
)
def test_mistakes_say_what_is_right(options: tuple[str, ...], message: str) -> None:
    """Each mistake is bad input with a hint."""
    with pytest.raises(InputError, match=message):
        run(*options)
