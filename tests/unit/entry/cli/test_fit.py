"""``fit`` names the offer, its price and flags, or the largest that falls short."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rightslice.entry.cli.app import run

BASE = ["fit", "facebook/opt-1.3b", "--input", "128", "--output", "128", "--concurrency", "64"]
TALK = "A100-40GB:1g.5gb,A100-40GB:2g.10gb,A100-40GB:3g.20gb,A100-40GB:whole"
Capture = pytest.CaptureFixture[str]


def answer(capsys: Capture, *more: str) -> dict[str, Any]:
    """Return the JSON answer of one command line."""
    run([*BASE, *more, "--output", "json"])
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


def test_the_offer_to_take_is_named(capsys: Capture) -> None:
    """Offer, price with its date, and the flags to set stand first."""
    assert run([*BASE, "--tpot", "1s", "--offers", TALK]) == 0
    text = capsys.readouterr().out
    for part in ("take ", "price", "/h", "--max-num-seqs", "other offers, cheapest first"):
        assert part in text


def test_when_none_holds_the_largest_is_named(capsys: Capture) -> None:
    """Exit 4 with the largest offer, what it would hold, and what would turn it."""
    assert run([*BASE, "--tpot", "1us", "--offers", TALK]) == 4
    text = " ".join(capsys.readouterr().out.split())
    for part in ("no offer holds", "The largest of them", "A100-SXM-40GB", "What would turn it"):
        assert part in text


def test_output_is_both_tokens_and_form(capsys: Capture) -> None:
    """``--output 128 --output json`` is one question and its machine form."""
    given = answer(capsys, "--tpot", "1s", "--offers", TALK)
    assert given["kind"] == "Recommendation"
    assert given["question"]["traffic"]["output"]["mean"] == 128


def test_every_offer_is_in_the_json(capsys: Capture) -> None:
    """Nothing is left out of the machine form."""
    given = answer(capsys, "--tpot", "1s", "--offers", TALK)
    assert len(given["others"]) + 1 == len(TALK.split(","))


def test_all_lists_what_is_too_small(capsys: Capture) -> None:
    """Without ``--all`` the hopeless offers are only counted."""
    more = ["--tpot", "1s", "--offers", "A100-40GB,H100-80GB,L4"]
    run([*BASE, *more])
    short = capsys.readouterr().out
    run([*BASE, *more, "--all"])
    assert len(capsys.readouterr().out.splitlines()) >= len(short.splitlines()) - 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--tpot", "1s", "--confidence", "20"), "confidence 0.2"),
        (("--tpot", "1s", "--confidence", "x"), "--confidence: 'x'"),
        (("--tpot", "1s", "--max-replicas", "0"), "--max-replicas"),
        (("--tpot", "1s", "--isolation", "soft"), "--isolation"),
        (("--percentile", "95"), "--percentile needs a target"),
    ],
)
def test_mistakes_name_their_option(options: tuple[str, ...], said: str, capsys: Capture) -> None:
    """Each mistake exits with 2 and says which option it is."""
    assert run([*BASE, *options]) == 2
    assert said in capsys.readouterr().err


def test_99_9_percent_is_a_confidence(capsys: Capture) -> None:
    """The most that may be asked for can be written as a percentage."""
    assert answer(capsys, "--tpot", "1s", "--confidence", "99.9%", "--offers", TALK)["question"]


def test_the_frontier_is_drawn_with_target_and_choice(capsys: Capture) -> None:
    """Price across, latency upwards; the offer taken is on the line."""
    assert run([*BASE, "--tpot", "30ms", "--offers", "A100-40GB,L4"]) == 0
    text = capsys.readouterr().out
    for part in (
        "mean TPOT (at most, at 90% confidence) against price",
        "●",
        "╌ target 30 ms",
        "/h",
    ):
        assert part in text


def test_the_frontier_is_in_the_json(capsys: Capture) -> None:
    """Cheapest and slowest first, each dearer and faster than the one before."""
    points = answer(capsys, "--tpot", "30ms", "--offers", "A100-40GB,L4")["frontier"]["points"]
    assert len(points) > 2
    prices, latencies = ([p[name] for p in points] for name in ("usd_per_hour", "upper_seconds"))
    assert prices == sorted(set(prices))
    assert latencies == sorted(set(latencies), reverse=True)


def test_without_isolation_shares_are_offered_too(capsys: Capture) -> None:
    """They are taken at the point estimate only, and refused as unmeasured above it."""
    more = ["--tpot", "200ms", "--offers", "L4", "--isolation", "none"]
    sure = answer(capsys, *more)
    refused = {other["outcome"].get("constraint") for other in sure["others"]}
    assert "unmeasured" in refused
    assert "1/" in (sure["at_point_estimate"] or "")
    even = answer(capsys, *more, "--confidence", "50%")
    assert "1/" in even["chosen"]["offer"]["name"]
