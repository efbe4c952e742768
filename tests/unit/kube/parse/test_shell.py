"""Tests of reading shell text into the commands that it runs."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.kube.parse.shell import commands
from rightslice.kube.parse.shell_words import is_unknown, readable, script_of

PLAIN = st.lists(st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1),
                 min_size=2, max_size=6)  # fmt: skip


@given(words=PLAIN)
@settings(max_examples=200, derandomize=True)
def test_what_shlex_quotes_is_read_back_unchanged(words: list[str]) -> None:
    """Quoting every word and reading the line is the identity."""
    line = ["run", *words]
    assert commands(shlex.join(line), {}) == [line]


@given(script=st.text(max_size=200))
@settings(max_examples=300, derandomize=True)
def test_any_text_is_read_without_an_error(script: str) -> None:
    """Half-open quotes, braces and here-documents are read to their end."""
    assert isinstance(commands(script, {"A": "b c"}), list)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("a b; c && d || e | f & g", [["a", "b"], ["c"], ["d"], ["e"], ["f"], ["g"]]),
        ("a \\\n  b 'c d' \"e f\" # g", [["a", "b", "c d", "e f"]]),
        ("a > out 2>&1 < in b", [["a", "b"]]),
        ("X='a b'; run $X \"$X\"", [["run", "a", "b", "a b"]]),
        ("X=a run; run ${X}${Y:-z}", [["run"], ["run", "az"]]),
        ("A=(x 'y z'); A+=(w); run \"${A[@]}\"", [["run", "x", "y z", "w"]]),
        ("export A=1 B=2; run $A$B", [["run", "12"]]),
        ("if a; then b; else c; fi", [["a"], ["b"], ["c"]]),
        ("for i in 1 2; do run $i; done", [["run", "1,2"]]),
        ("bash -c 'run x; run y'", [["run", "x"], ["run", "y"]]),
        ("f() { run $1; }; f z", [["run", "z"]]),
        ("run $((2*3+1))", [["run", "7"]]),
        ("cat <<E\nnot run\nE\nrun", [["cat"], ["run"]]),
        ("bash <<'E'\nrun a\nE", [["bash"], ["run", "a"]]),
        ("(run a) & { run b; }", [["run", "a"], ["run", "b"]]),
    ],
)
def test_scripts_become_their_simple_commands(script: str, expected: list[list[str]]) -> None:
    """Lists, quotes, variables, loops, functions and here-documents are understood."""
    assert commands(script, {}) == expected


def test_what_only_a_running_shell_knows_is_marked() -> None:
    """An unset variable and a command's output are unknown, and shown as they stand."""
    (line,) = commands("run $HOST $(nproc)", {})
    assert [is_unknown(word) for word in line] == [False, True, True]
    assert readable(line[1]) == "$HOST"


def test_a_function_that_calls_itself_ends() -> None:
    """Recursion is bounded."""
    assert commands("f() { f; f; f; f; run; }; f", {}).count(["run"]) < 300


def test_the_script_of_a_shell_is_found_behind_wrappers() -> None:
    """Options before and after -c, and programs before the shell, do not hide it."""
    assert script_of(["tini", "--", "bash", "-euo", "pipefail", "-c", "run", "a0", "x"]) == (
        "run", ["x"],
    )  # fmt: skip
    assert script_of(["bash", "/start.sh"]) is None
