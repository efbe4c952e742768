"""The catalogue verb prints facts with sources, and says what it does not know."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from rightslice.edge.catalog_files import Catalog
from rightslice.entry.cli import catalog
from rightslice.entry.cli.catalog_tables import draw_slots
from rightslice.errors import InputError

TABLES = ("gpus", "mig", "models", "engines", "instances")
ENTRIES = (
    ("gpus", "NVIDIA-H100-80GB-HBM3", "H100-SXM-80GB"),
    ("mig", "H100-SXM-80GB", "3g.40gb"),
    ("models", "llama-3.1-8b", "llama"),
    ("engines", "0.19.0", "vLLM 0.19.0"),
    ("instances", "p5.48xlarge", "us-east-1"),
)


@pytest.fixture
def app() -> typer.Typer:
    """Return a command line of this one verb."""
    command_line = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    catalog.register(command_line)
    command_line.callback()(lambda: None)
    return command_line


def _run(app: typer.Typer, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["catalog", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_printed_with_dates(app: typer.Typer, table: str) -> None:
    """Each list says of when its facts are, or how sure, and where the sources are shown."""
    output = _run(app, table)
    assert "2026" in output or table == "mig"
    assert f"rightslice catalog {table}" in output


@pytest.mark.parametrize("table", TABLES)
def test_every_table_fits_a_pipe(app: typer.Typer, table: str) -> None:
    """Nothing is wider than the 100 columns of a pipe."""
    assert max(len(line) for line in _run(app, table).splitlines()) <= 100


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_json(app: typer.Typer, table: str) -> None:
    """The JSON form is a list of objects that say their class."""
    entries = json.loads(_run(app, table, "--output", "json"))
    assert len(entries) == len(getattr(Catalog(), "mig_gpus" if table == "mig" else table)())
    assert all(entry["kind"] for entry in entries)


@pytest.mark.parametrize(("table", "name", "said"), ENTRIES)
def test_an_entry_shows_its_facts_and_source(
    app: typer.Typer, table: str, name: str, said: str
) -> None:
    """A name prints one entry with its source."""
    output = _run(app, table, name)
    assert said in output
    assert "source" in output.lower()


@pytest.mark.parametrize(("table", "name"), [entry[:2] for entry in ENTRIES])
def test_an_entry_is_json(app: typer.Typer, table: str, name: str) -> None:
    """The JSON form of one entry is one object."""
    assert isinstance(json.loads(_run(app, table, name, "-o", "json")), dict)


@pytest.mark.parametrize("table", TABLES)
def test_unknown_names_are_bad_input(app: typer.Typer, table: str) -> None:
    """A name that is not there is an input error, for the command line to translate."""
    name = "9" if table == "engines" else "no-such-entry"
    result = CliRunner().invoke(app, ["catalog", table, name])
    assert isinstance(result.exception, InputError)


def test_unknown_figures_are_marked(app: typer.Typer) -> None:
    """A figure that nobody states is a question mark, and the legend says so."""
    output = _run(app, "gpus", "GB10")
    assert "? TOPS" in output
    assert "not known to the catalogue" in output


@pytest.mark.parametrize(
    ("profile", "drawn"),
    [
        ("1g.10gb", "█▓█▓█▓█·"),
        ("1g.20gb", "██▓▓██▓▓"),
        ("2g.20gb", "██▓▓██··"),
        ("3g.40gb", "████▓▓▓▓"),
        ("4g.40gb", "████····"),
        ("7g.80gb", "████████"),
    ],
)
def test_slots_are_drawn(profile: str, drawn: str) -> None:
    """Each legal start takes its slots; what no start reaches stays free."""
    grid = Catalog().mig_gpu("H100-80GB")
    assert draw_slots(grid, grid.profile(profile)) == drawn


def test_unknown_starts_are_not_drawn() -> None:
    """Without a placement transcript nothing is drawn."""
    grid = Catalog().mig_gpu("RTX-PRO-5000-48GB")
    assert {draw_slots(grid, profile) for profile in grid.profiles} == {"?"}
