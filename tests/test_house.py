"""The size budget and the names of the house, measured on every module."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
TEXTS = sorted(
    path
    for folder in ("src", "tests", "docs", "examples", "benchmarks", "requirements", "changelog.d")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".py", ".toml", ".md", ".yaml", ".txt", ".csv", ".json"}
)
LONGEST_FILE, LONGEST_FUNCTION, USUAL_FUNCTION, MOST_PARAMETERS = 400, 60, 30, 5
ODDS_AND_ENDS = re.compile(r"(^|_)(utils?|managers?|common|base|helpers?|misc)(_|$)", re.IGNORECASE)
REGISTRY = re.compile(
    r"https?://[^\s)\"']*(pypi\.org|pythonhosted\.org|npmjs|proxy\.golang\.org|crates\.io"
    r"|anaconda\.org|rubygems\.org)"
)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def _functions(path: Path) -> list[Function]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def _length(function: Function) -> int:
    """Return the lines of *function* without decorators and docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    text = function.body[0]
    return lines - ((text.end_lineno or text.lineno) - text.lineno + 1)


def _parameters(function: Function) -> int:
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return len([one for one in given if one.arg not in ("self", "cls")])


def _shown(path: Path, function: Function) -> str:
    return f"{path.relative_to(ROOT)}:{function.lineno} {function.name}"


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short(path: Path) -> None:
    """No file over 400 lines, no function over 60."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE
    long = [_shown(path, one) for one in _functions(path) if _length(one) > LONGEST_FUNCTION]
    assert long == []


def test_nearly_all_functions_are_under_thirty_lines() -> None:
    """95 in 100, over all modules."""
    lengths = [_length(function) for path in SOURCES for function in _functions(path)]
    assert sum(length < USUAL_FUNCTION for length in lengths) >= 0.95 * len(lengths)


def test_the_core_takes_few_parameters() -> None:
    """More than five means a missing value object; keyword-only ones count."""
    many = [
        _shown(path, function)
        for path in SOURCES
        if "core" in path.parts
        for function in _functions(path)
        if _parameters(function) > MOST_PARAMETERS
    ]
    assert many == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_answers(path: Path) -> None:
    """A docstring opens every module."""
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_nothing_is_named_for_odds_and_ends() -> None:
    """No utils, managers, common, base or helpers: modules, classes and functions are nouns."""
    named = [path.stem for path in SOURCES] + [path.parent.name for path in SOURCES]
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        defined = (node for node in ast.walk(tree) if isinstance(node, Function | ast.ClassDef))
        named += [node.name for node in defined]
    assert [name for name in named if ODDS_AND_ENDS.search(name)] == []


def test_nothing_links_to_a_package_registry() -> None:
    """The project names packages, not the hosts that serve them."""
    found = [
        str(path.relative_to(ROOT))
        for path in [*TEXTS, ROOT / "README.md", ROOT / "pyproject.toml", ROOT / "Makefile"]
        if REGISTRY.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []
