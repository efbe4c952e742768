"""Models by name, by rule and by path."""

from __future__ import annotations

import csv
import json
import statistics
from pathlib import Path

import pytest

from rightslice.core.catalog.gpu import MatmulDtype
from rightslice.core.catalog.model import Model, Part
from rightslice.edge.huggingface import find_model, load_models
from rightslice.errors import InputError, UnknownNameError

COUNTS = Path(__file__).parents[3] / "data" / "parameter_counts.csv"
LLAMA = {
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 4, "vocab_size": 100, "max_position_embeddings": 32,
}  # fmt: skip


def stated_counts() -> list[dict[str, str]]:
    """Return the exact counts that ship with the tests."""
    with COUNTS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def formats(model: Model, part: Part) -> set[str]:
    """Return the names of the formats of one part."""
    return {group.format.name for group in model.groups if group.part is part}


def test_counts_agree_with_the_exact_ones() -> None:
    """Every count is within 0.05 % of the exact one, and half of them are exact."""
    errors = [
        abs(find_model(row["hf_id"]).parameters / int(row["total_params"]) - 1)
        for row in stated_counts()
    ]
    assert (max(errors) < 0.0005, statistics.median(errors)) == (True, 0.0)


def test_text_counts_leave_the_vision_tower_out() -> None:
    """The language model of a model that sees is counted apart."""
    wrong = [
        row["hf_id"]
        for row in stated_counts()
        if abs(find_model(row["hf_id"]).text_parameters / int(row["text_params"]) - 1) > 0.0005
    ]
    assert wrong == []


def test_every_entry_of_the_table_can_be_built() -> None:
    """No entry has a key that its family rule refuses, and each has a source with its date."""
    entries = load_models()
    models = [find_model(entry.name) for entry in entries]
    assert len(models) >= 60
    assert all(model.source.text and model.source.date for model in models)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("ibm-granite/granite-7b-base", 6_738_415_616),
        ("GRANITE-7B-BASE", 6_738_415_616),
        ("opt-1.3b", 1_315_758_080),
        ("llama-3-8b", 8_030_261_248),
        ("meta-llama/Meta-Llama-3-8B-Instruct", 8_030_261_248),
        ("gemma-3-27b", 27_432_406_640),
        ("qwen2.5-vl-7b", 8_292_166_656),
        ("llama-4-scout", 108_641_793_536),
        ("deepseek-ai/DeepSeek-R1", 671_026_419_200),
    ],
)
def test_names_find_the_model(name: str, count: int) -> None:
    """Ids, short names and other ids of the same architecture are found in any case."""
    assert find_model(name).parameters == pytest.approx(count, rel=1e-6)


def test_a_float32_checkpoint_is_loaded_in_sixteen_bits() -> None:
    """The stored dtype stays on record; the formats are those that vLLM loads."""
    model = find_model("granite-7b-base")
    bytes_ = {group.format.bytes_per_parameter for group in model.groups}
    assert (model.checkpoint_dtype, bytes_) == ("float32", {2.0})


def test_int8_weights_multiply_in_sixteen_bits() -> None:
    """A w8a16 checkpoint halves the linear layers and leaves the arithmetic alone."""
    model = find_model("mistral-7b-w8a16")
    linear = next(group for group in model.groups if group.part is Part.MLP)
    assert linear.format.matmul is MatmulDtype.FP16
    assert linear.format.bytes_per_parameter == pytest.approx(1.0, rel=1e-3)
    assert formats(model, Part.LM_HEAD) == {"bf16"}


@pytest.mark.parametrize(
    ("name", "base", "format_name"),
    [
        ("RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", "Llama-3.1-70B-Instruct", "fp8"),
        ("neuralmagic/Meta-Llama-3.1-8B-Instruct-quantized.w4a16", "Llama-3.1-8B-Instruct", "int4"),
        ("RedHatAI/Qwen2.5-7B-Instruct-quantized.w8a8", "Qwen2.5-7B-Instruct", "int8"),
        ("unsloth/mistral-7b-instruct-v0.3-bnb-4bit", "Mistral-7B-Instruct-v0.3", "nf4"),
        ("Qwen/Qwen2.5-7B-Instruct-AWQ", "Qwen2.5-7B-Instruct", "int4"),
    ],
)
def test_suffixes_say_how_a_checkpoint_is_quantized(name: str, base: str, format_name: str) -> None:
    """A publisher's quantized checkpoint is found by its suffix, and the model says by which."""
    model = find_model(name)
    assert model.name == name
    assert str(model.base).endswith(base)
    assert name in model.assumptions[-1]
    assert formats(model, Part.MLP) == {format_name}


def test_an_unknown_publisher_is_not_guessed() -> None:
    """Someone else's model of the same name may be anything."""
    with pytest.raises(UnknownNameError, match="unknown model 'me/Qwen"):
        find_model("me/Qwen2.5-7B-Instruct")


def test_near_matches_are_named() -> None:
    """A slip of the pen is met with the right name."""
    with pytest.raises(UnknownNameError, match=r"did you mean .*Qwen/Qwen3-8B"):
        find_model("Qwen/Qwen3-8C")


def test_a_folder_is_read_with_its_sidecars(tmp_path: Path) -> None:
    """A local checkpoint brings its quantization and the exact size of its files."""
    quantization = {"quantization": {"quant_algo": "FP8", "exclude_modules": ["lm_head"]}}
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    (tmp_path / "hf_quant_config.json").write_text(json.dumps(quantization))
    (tmp_path / "model.safetensors.index.json").write_text('{"metadata": {"total_size": 12345}}')
    model = find_model(str(tmp_path))
    assert (model.quantization, model.checkpoint_bytes) == ("modelopt", 12345)


def test_a_missing_file_says_what_is_needed(tmp_path: Path) -> None:
    """A path that leads nowhere is told from an unknown name."""
    with pytest.raises(InputError, match=r"there is no config\.json there"):
        find_model(str(tmp_path / "nowhere"))


def test_models_are_built_once() -> None:
    """Asking twice gives the same value."""
    assert find_model("qwen3-8b") is find_model("qwen3-8b")
