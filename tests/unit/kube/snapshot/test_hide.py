"""What looks like a secret is hidden, and nothing that a plan needs."""

from __future__ import annotations

import pytest

from rightslice.kube.snapshot.hide import HIDDEN, Hider


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("vllm serve m --api-key abc --port 80", f"vllm serve m --api-key {HIDDEN} --port 80"),
        ("--hf-token=abc", f"--hf-token={HIDDEN}"),
        ("export HF_TOKEN='a b'; vllm serve m", f"export HF_TOKEN={HIDDEN}; vllm serve m"),
        ("https://me:pass@host/x", f"https://me:{HIDDEN}@host/x"),
        ("use hf_abcdefghijklmnop now", f"use {HIDDEN} now"),
        ("Authorization: Bearer abcdefghij", f"Authorization: Bearer {HIDDEN}"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc", HIDDEN),
    ],
)
def test_secrets_in_text_are_hidden(given: str, shown: str) -> None:
    """Flags, assignments, URLs and well-known shapes; the place is kept."""
    hider = Hider()
    assert hider.hide(given, "Pod a/b") == shown
    assert hider.places == ["Pod a/b"]


@pytest.mark.parametrize(
    "given",
    [
        "vllm serve m --max-num-batched-tokens 8192 --tokenizer-mode slow",
        "--random-input-len=128 --max-concurrency=64",
        "--api-key $(API_KEY)",
        'HF_TOKEN="$HF_TOKEN" vllm serve m',
        "lmsys/sk-8b",
        "acme/risk-assessment-model-v2-instruct",
    ],
)
def test_what_a_plan_reads_stays(given: str) -> None:
    """Token counts, lengths and references to variables are no secrets."""
    hider = Hider()
    assert hider.hide(given, "x") == given
    assert hider.places == []


def test_variables_are_hidden_by_their_names() -> None:
    """A literal value under a secret's name is hidden; a reference to a Secret stays."""
    literal = {"name": "HF_TOKEN", "value": "abc"}
    held = {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf", "key": "token"}}}
    other = {"name": "TPOT", "value": "30"}
    hider = Hider()
    shown = hider.hide({"env": [literal, held, other]}, "Pod a/b vllm")
    assert shown == {"env": [{**literal, "value": HIDDEN}, held, other]}
    assert hider.places == ["Pod a/b vllm env HF_TOKEN"]


def test_a_flag_and_its_value_may_be_two_arguments() -> None:
    """The argument after ``--api-key`` is hidden; hiding again changes nothing."""
    hider = Hider()
    shown = hider.hide(["--model", "m", "--api-key", "abc"], "x")
    assert shown == ["--model", "m", "--api-key", HIDDEN]
    assert Hider().hide(shown, "x") == shown


def test_long_texts_take_no_long_time() -> None:
    """A hundred thousand dashes or letters are read in one pass."""
    for letter in ("-", "a", "_", "://"):
        assert Hider().hide(letter * 100_000, "x") == letter * 100_000
