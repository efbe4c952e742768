"""The pages tell the truth: commands and Python in them run, and show what they really print."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import NamedTuple

import pytest
import typer
import typer.core

import rightslice
from rightslice.entry.cli.app import command_line
from tools.docs.transcript import CUT, ROOT, output_of

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
OURS = ("$ rightslice", "$ kubectl rightslice")
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Shown(NamedTuple):
    """A command of a page and what the page shows of its output."""

    command: str
    lines: list[str]


def commands_of(page: Path) -> list[Shown]:
    """Return every command of *page* that is ours: of the command line, or of the plugin."""
    blocks = CONSOLE.findall(page.read_text(encoding="utf-8"))
    return [_command(block) for block in blocks if block.startswith(OURS)]


def _command(block: str) -> Shown:
    lines = block.splitlines()
    end = next(index for index, line in enumerate(lines) if not line.endswith("\\"))
    command = "\n".join(lines[: end + 1]).removeprefix("$ ")
    return Shown(command, lines[end + 1 :])


def shows(lines: list[str], output: list[str]) -> bool:
    """Whether *lines* are *output*, but for the parts that ``...`` stands for, in order."""
    whole, found = "\n" + "\n".join(output) + "\n", 0
    parts = ("\n" + "\n".join(lines) + "\n").split(f"\n{CUT}\n")
    for part in parts:
        found = whole.find(f"\n{part.strip(chr(10))}\n" if part.strip() else "", found)
        if found < 0:
            return False
    return len(parts) > 1 or lines == output


PAGES_WITH_COMMANDS = [page for page in PAGES if commands_of(page)]
PAGES_WITH_PYTHON = [page for page in PAGES if PYTHON.search(page.read_text(encoding="utf-8"))]


@pytest.mark.xdist_group("documentation")
@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS, ids=lambda page: page.stem)
def test_commands_print_what_the_page_shows(page: Path) -> None:
    """Every command of the page, run now, prints what the page shows of it."""
    wrong = [
        shown.command
        for shown in commands_of(page)
        if not shows(shown.lines, output_of(shown.command))
    ]
    assert wrong == [], "run `make golden` and look at what changed"


@pytest.mark.parametrize("page", PAGES_WITH_PYTHON, ids=lambda page: page.stem)
def test_python_gives_what_the_page_shows(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python blocks of the page, in order, are doctests that pass."""
    monkeypatch.chdir(ROOT)
    source = "\n".join(PYTHON.findall(page.read_text(encoding="utf-8")))
    test = doctest.DocTestParser().get_doctest(source, {}, page.stem, str(page), 0)
    result = doctest.DocTestRunner().run(test)
    assert result.attempted > 0
    assert result.failed == 0


def _long_options() -> dict[str, list[str]]:
    """Return the long options of every command, by its name."""
    root = typer.main.get_command(command_line())
    assert isinstance(root, typer.core.TyperGroup)
    commands = dict(root.commands)
    for name, verb in root.commands.items():
        if isinstance(verb, typer.core.TyperGroup):
            commands |= {f"{name} {subject}": command for subject, command in verb.commands.items()}
    return {
        name: [option for param in command.params for option in param.opts if option[:2] == "--"]
        for name, command in commands.items()
    }


OPTIONS = _long_options()


@pytest.mark.parametrize("command", OPTIONS)
def test_every_option_is_documented(command: str) -> None:
    """The command-line reference has a section for the command, with each of its options."""
    text = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    _, heading, rest = text.partition(f" rightslice {command}\n")
    section = rest.split("\n```\n", 1)[0]
    assert heading, f"no section on {command}"
    assert [option for option in OPTIONS[command] if option not in section] == []


@pytest.mark.parametrize("name", rightslice.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    """The library reference names everything that the package lists."""
    assert f"`rightslice.{name}`" in (ROOT / "docs/reference/library.md").read_text("utf-8")


def test_every_page_is_in_the_navigation() -> None:
    """No page is written and then not found."""
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [str(page.relative_to(ROOT / "docs")) for page in PAGES[1:]]
    assert [page for page in pages if page not in navigation] == []


def test_the_readme_is_short() -> None:
    """Under 150 lines, the generated ones included."""
    assert len(PAGES[0].read_text(encoding="utf-8").splitlines()) < 150


def test_an_output_that_differs_is_found_out() -> None:
    """Dots stand for any lines, and for nothing else."""
    output = ["a", "b", "c", "d"]
    assert shows(["a", "...", "c", "..."], output)
    assert not shows(["a", "...", "x", "..."], output)
    assert not shows(["c", "...", "a", "..."], output)
    assert not shows(["a", "b", "c"], output)
