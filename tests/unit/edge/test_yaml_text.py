"""Tests of YAML text."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rightslice.edge.yaml_text import dump_yaml
from rightslice.kube.manifest import Manifest
from rightslice.records import Json

texts = st.text(st.characters(exclude_categories=["Cs"]))
values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(documents=st.lists(st.dictionaries(texts, values, min_size=1), min_size=1, max_size=3))
def test_reading_gives_back_what_was_written(documents: list[Manifest]) -> None:
    """Parse and dump are inverse, whatever the text holds."""
    assert list(yaml.safe_load_all(dump_yaml(documents))) == documents


@pytest.mark.parametrize("text", ["y", "No", "on", "1e3", "0x1f", "1_000", "12:30", "", "~", "1.0"])
def test_doubtful_text_is_quoted(text: str) -> None:
    """YAML 1.1 readers take more words for booleans and numbers than ours does."""
    assert dump_yaml([{"value": text}]) == f'value: "{text}"\n'


@pytest.mark.parametrize("text", ["--port=8000", "meta-llama/Llama-3.1-8B", "nvidia.com/gpu"])
def test_plain_text_stays_plain(text: str) -> None:
    """Quotes appear only where they are needed."""
    assert dump_yaml([{"value": text}]) == f"value: {text}\n"


def test_lines_of_text_stay_lines() -> None:
    """A text of several lines is written as a block, for people to read."""
    assert dump_yaml([{"value": "first\nsecond\n"}]) == "value: |\n  first\n  second\n"


def test_keys_keep_their_order() -> None:
    """People read apiVersion, kind, metadata, spec."""
    manifest: Manifest = {"apiVersion": "v1", "kind": "Service", "metadata": {}, "spec": {}}
    assert dump_yaml([manifest]).startswith("apiVersion: v1\nkind: Service\n")
