"""Models from their objects."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from rightslice.core.catalog.model import Model
from rightslice.edge.catalog_files import Catalog
from rightslice.entry.operator.models import FoundModel, find_model
from rightslice.kube.crd.condition import ConditionStatus

NOW = "2026-11-22T12:00:00Z"
CONFIG = """{
 "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 2048,
 "intermediate_size": 8192, "num_attention_heads": 32, "num_hidden_layers": 16,
 "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128256,
 "max_position_embeddings": 131072, "torch_dtype": "bfloat16", "tie_word_embeddings": true,
 "hidden_act": "silu", "rms_norm_eps": 1e-05, "rope_theta": 500000.0
}"""


async def _files(_namespace: str, name: str) -> Mapping[str, str] | None:
    return {"config.json": CONFIG, "broken.json": "{"} if name == "ours" else None


async def _found(spec: Mapping[str, object]) -> FoundModel:
    given = {"metadata": {"namespace": "n", "name": "m", "generation": 3}, "spec": spec}
    return await find_model(given, Catalog(), _files, NOW)


async def test_a_source_that_the_catalogue_knows_is_enough() -> None:
    """The status tells what was read."""
    found = await _found({"source": "facebook/opt-1.3b"})
    assert (found.status.family, found.status.parameters) == ("opt", "1.32 B")
    assert found.status.conditions[0].status is ConditionStatus.TRUE


async def test_a_config_map_tells_an_unknown_model() -> None:
    """Its name is the source, whatever the config is called."""
    spec = {"source": "registry/ours", "architecture": {"configMap": {"name": "ours"}}}
    found = await _found(spec)
    assert isinstance(found.model, Model)
    assert found.model.name == "registry/ours"


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"source": "facebook/opt-1.4b"}, "did you mean"),
        ({"source": "/etc/passwd"}, "is a place, not a name"),
        ({"source": "a/b", "architecture": {"configMap": {"name": "x"}}}, "no ConfigMap x in n"),
        (
            {"source": "a/b", "architecture": {"configMap": {"name": "ours", "key": "k"}}},
            "has no k",
        ),
        (
            {
                "source": "a/b",
                "architecture": {"configMap": {"name": "ours", "key": "broken.json"}},
            },
            "is not JSON",
        ),
        ({"source": "a/b", "architecture": {"config": {"model_type": "llama"}}}, "is missing"),
        ({"source": "a/b", "architecture": {}}, "give one of"),
        ({}, "source: is missing"),
    ],
)
async def test_what_cannot_be_read_is_a_condition(spec: Mapping[str, object], says: str) -> None:
    """It says what to change; the model is not used."""
    found = await _found(spec)
    assert isinstance(found.model, str)
    assert says in found.status.conditions[0].message
