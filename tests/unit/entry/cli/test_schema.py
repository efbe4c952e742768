"""``schema`` prints valid JSON Schemas, and examples of the files satisfy theirs."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from rightslice.entry.cli.app import run
from rightslice.entry.cli.schema import Subject

EXAMPLE = Path(__file__).parents[4] / "examples" / "gpu-as-a-service" / "fleet.yaml"
Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("subject", Subject)
def test_each_schema_is_a_schema(subject: Subject, capsys: Capture) -> None:
    """Each subject's schema is valid draft 2020-12, which it names."""
    assert run(["schema", subject.value]) == 0
    printed = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(printed)
    assert printed["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_example_fleet_satisfies_the_fleet_schema(capsys: Capture) -> None:
    """An editor with the schema finds nothing to say of the example."""
    assert run(["schema", "fleet"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.validate(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")), schema)


def test_a_misspelt_field_violates_the_fleet_schema(capsys: Capture) -> None:
    """An editor underlines what the command line would refuse."""
    run(["schema", "fleet"])
    schema = json.loads(capsys.readouterr().out)
    fleet = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    fleet["spec"]["workloads"][0]["modle"] = "x"
    with pytest.raises(jsonschema.ValidationError, match="modle"):
        jsonschema.validate(fleet, schema)


def test_an_unknown_subject_names_the_known_ones(capsys: Capture) -> None:
    """Bad input says what would be right."""
    assert run(["schema", "flet"]) == 2
    assert "'fleet', 'prices', 'size'" in capsys.readouterr().err
