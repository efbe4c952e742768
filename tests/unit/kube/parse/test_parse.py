"""Tests of reading manifests that others wrote, on a table of cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from rightslice.edge.manifest_files import decode_yaml
from rightslice.errors import InputError
from rightslice.kube.parse.parse import parse_objects, parse_pod
from rightslice.kube.parse.values import columns

Case = dict[str, Any]
CASES = cast(
    "list[Case]",
    yaml.safe_load(
        (Path(__file__).parents[3] / "data" / "manifests" / "cases.yaml").read_text("utf-8")
    ),
)


def _read(case: Case) -> dict[str, Any] | None:
    objects = case["of"] if isinstance(case["of"], list) else [case["of"]]
    found = [columns(one) for one in parse_objects(objects, decode=decode_yaml)]
    servers = [one for one in found if one["is_vllm_server"]]
    return cast("dict[str, Any] | None", next(iter([*servers, *found]), None))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_each_case_is_read_as_a_careful_reader_would(case: Case) -> None:
    """The named fields are as they should be, and what cannot be read is refused by name."""
    read = _read(case)
    if case["want"] is None:
        assert read is None
        return
    assert read is not None
    assert {name: read[name] for name in case["want"]} == case["want"]
    assert set(case.get("refused", ())) <= set(read["refused"])


def test_nothing_is_refused_that_a_manifest_does_not_say() -> None:
    """A silent field is null without a refusal."""
    pod = {"spec": {"containers": [{"name": "v", "command": ["vllm", "serve", "a/b"]}]}}
    parsed = parse_pod(pod)
    assert (parsed.model, parsed.max_model_len, parsed.refused) == ("a/b", None, {})


@pytest.mark.parametrize("given", [None, [], "text", 7, {}, {"kind": "Service", "spec": {}}])
def test_what_holds_no_container_is_said_to_be_wrong(given: object) -> None:
    """The webhook's entry refuses what is no pod, with a message that says what is wanted."""
    with pytest.raises(InputError, match="wanted"):
        parse_pod(given)


def test_an_object_that_refers_to_itself_ends() -> None:
    """YAML aliases can make a loop; reading stops with an error instead of hanging."""
    loop: dict[str, Any] = {"kind": "Deployment"}
    loop["spec"] = [loop] * 20
    with pytest.raises(InputError, match="parts"):
        parse_objects([loop])
