"""Models from their objects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from rightslice.core.catalog.model import Model
from rightslice.core.perf.calibration import Calibration, MeasuredPoint
from rightslice.edge.calibration_files import write_calibration
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.perf_constants import load_constants
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


def _calibration(tmp_path: Path, model: str) -> str:
    path = tmp_path / "one.json"
    constants = load_constants()["2026"]
    point = MeasuredPoint(
        source="run.json", concurrency=32.0, input_tokens=1024.0, output_tokens=128.0,
        tensor_parallel=1, tpot_seconds=0.014, ttft_seconds=None, residual=0.01,
    )  # fmt: skip
    found = Calibration(
        model=model, gpu="H100-SXM-80GB", engine_version="0.33.0", era="2026", date="2026-11-22",
        points=(point,), constants=constants,
    )  # fmt: skip
    write_calibration(path, found)
    return path.read_text(encoding="utf-8")


async def _calibrated(texts: Mapping[str, str], **spec: object) -> FoundModel:
    async def files(_namespace: str, name: str) -> Mapping[str, str] | None:
        return texts if name == "measured" else None

    given = {"source": "facebook/opt-1.3b", "calibrations": [{"name": "measured"}], **spec}
    body = {"metadata": {"namespace": "n", "name": "m", "generation": 3}, "spec": given}
    return await find_model(body, Catalog(), files, NOW)


async def test_a_calibration_is_read_and_told(tmp_path: Path) -> None:
    """Predictions use it, and the status says what it was measured on."""
    text = _calibration(tmp_path, "facebook/opt-1.3b")
    found = await _calibrated({"calibration.json": text})
    assert [one.gpu for one in found.calibrations] == ["H100-SXM-80GB"]
    assert found.status.calibrated == ("H100-SXM-80GB, vLLM 0.33.0, 2026-11-22, 1 points",)
    assert hash(found.calibrations)


async def test_a_calibration_serves_the_model_by_the_name_of_the_catalogue(tmp_path: Path) -> None:
    """Whatever its source is called."""
    text = _calibration(tmp_path, "facebook/opt-1.3b")
    found = await _calibrated(
        {"calibration.json": text}, source="/models/ours",
        architecture={"catalog": "facebook/opt-1.3b"},
    )  # fmt: skip
    assert [one.model for one in found.calibrations] == ["/models/ours"]


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ({}, "calibrations[0]: ConfigMap measured has no calibration.json"),
        ({"calibration.json": "{"}, "cannot be read as JSON"),
        ({"calibration.json": '{"kind": "Plan"}'}, "is no calibration"),
        ({"calibration.json": "other"}, "was made for Qwen/Qwen2.5-7B, and this Model is facebook"),
    ],
)
async def test_a_calibration_that_cannot_be_used_is_a_condition(
    texts: dict[str, str], says: str, tmp_path: Path
) -> None:
    """The model is not used without what its owner measured."""
    if texts.get("calibration.json") == "other":
        texts = {"calibration.json": _calibration(tmp_path, "Qwen/Qwen2.5-7B")}
    found = await _calibrated(texts)
    assert isinstance(found.model, str)
    assert says in found.status.conditions[0].message
