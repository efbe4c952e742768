"""Tests of reading tables of real start-ups."""

from __future__ import annotations

import json
from pathlib import Path

from rightslice.edge.startup_table import find_device, find_engine, find_model, server_of


def test_empty_cells_leave_the_default() -> None:
    """What a source does not state is left to vLLM."""
    server = server_of({"max_num_seqs": "", "tp": "2", "dtype": "bfloat16", "quantization": "awq"})
    assert (server.max_num_seqs, server.tensor_parallel, server.dtype) == (None, 2, "bfloat16")
    assert server.quantization is None


def test_the_release_may_stand_in_the_remarks() -> None:
    """A version in the remarks is used, an era stands for its first release."""
    rows = ({"notes": "image v0.11.0"}, {"notes": "V0; exact checkpoint unknown"})
    assert [find_engine(row).version for row in rows] == ["0.11.0", "0.6.6"]


def test_memory_as_logged_overrides_the_catalogue() -> None:
    """The device has the total that the log states."""
    device, known = find_device({"gpu": "NVIDIA L4", "gpu_mem_gib": "22.16"})
    assert known
    assert round(device.memory_bytes / 2**30, 2) == 22.16


def test_a_config_beside_wins_over_the_catalogue(tmp_path: Path) -> None:
    """Configs in the folder are named by publisher and model."""
    config = {
        "model_type": "llama", "hidden_size": 64, "intermediate_size": 128,
        "num_attention_heads": 4, "num_hidden_layers": 2, "num_key_value_heads": 2,
        "vocab_size": 128, "max_position_embeddings": 64, "torch_dtype": "bfloat16",
    }  # fmt: skip
    (tmp_path / "a__b.json").write_text(json.dumps(config), encoding="utf-8")
    found = find_model({"hf_id": "a/b"}, tmp_path)
    assert found is not None
    assert len(found.layers) == 2


def test_an_unknown_architecture_is_none() -> None:
    """Rows of unknown models are counted, not guessed."""
    assert find_model({"hf_id": "nobody/nothing"}, None) is None
