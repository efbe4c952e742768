"""What writes the pages' output: cut where asked, tidy, and the same on every day."""

from __future__ import annotations

import pytest

from tools.docs.transcript import cut, output_of, session, tidy


def test_a_cut_output_says_that_it_is_cut() -> None:
    """Lines that are left out are three dots, at the start and at the end."""
    assert cut(["a", "b", "c", "d"], "b", "c") == ["...", "b", "c", "..."]


def test_an_uncut_output_is_whole() -> None:
    """Without limits nothing is left out."""
    assert cut(["a", "b"], None, None) == ["a", "b"]


def test_a_line_that_is_not_there_is_an_error() -> None:
    """A page whose output has changed fails instead of showing something else."""
    with pytest.raises(ValueError, match="no line of the output has 'x'"):
        cut(["a"], "x", None)


def test_the_age_of_a_price_is_left_out() -> None:
    """What depends on the day would make pages stale overnight."""
    text = "a  \nnote: the price of p5.48xlarge is 190 days old (2026-07-20): check it\n\n"
    assert tidy(text) == ["a"]


def test_a_command_prints_as_into_a_pipe() -> None:
    """The command runs in this process, errors included."""
    assert output_of("rightslice size nothing-like-it --gpu L4")[0].startswith("error: unknown")


def test_only_the_product_is_run() -> None:
    """A page cannot make the generator run anything else."""
    with pytest.raises(ValueError, match="only rightslice"):
        output_of("ls")


def test_a_session_shows_prompts_and_results(capsys: pytest.CaptureFixture[str]) -> None:
    """Statements stand behind prompts, values below them, names last from one to the next."""
    names: dict[str, object] = {}
    session("x = 2\nx + 1", names)
    assert capsys.readouterr().out == "```python\n>>> x = 2\n>>> x + 1\n3\n```\n"
