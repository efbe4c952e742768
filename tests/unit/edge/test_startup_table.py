"""Tests of reading tables of real start-ups."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rightslice.edge.startup_table import (
    find_config,
    find_device,
    find_engine,
    find_model,
    is_inconsistent,
    phase_named,
    server_of,
    with_carried_remarks,
)


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


@pytest.mark.parametrize(
    "place", ["a__b.json", "A__B.json", "b.json", "a__b/config.json", "a/b/config.json"]
)
def test_folders_of_configs_come_in_several_forms(tmp_path: Path, place: str) -> None:
    """A file a model, or a folder a model; the file's letter case does not matter."""
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}", encoding="utf-8")
    assert find_config("a/b", tmp_path) == path


def test_a_folder_is_never_left() -> None:
    """A name that climbs out of the folder finds nothing."""
    assert find_config("../a", Path()) is None


@pytest.mark.parametrize("cell", ["nan", "inf", "-5", "0", "1e300", "abc", " "])
def test_cells_that_vllm_would_not_take_are_empty(cell: str) -> None:
    """Impossible figures leave the default, like empty cells."""
    row = dict.fromkeys(("tp", "max_model_len", "gpu_memory_utilization", "max_loras"), cell)
    assert server_of(row) == server_of({})


def test_slices_and_several_boards_are_read() -> None:
    """A slice is named as torch names it; a board may stand in brackets or be counted."""
    names = ("NVIDIA H100 80GB HBM3 MIG 3g.40gb", "2x DGX Spark (GB10)", "4x H100")
    found = [find_device({"gpu": name})[0].label for name in names]
    assert found == ["H100-SXM-80GB 3g.40gb", "GB10-128GB", "H100-SXM-80GB"]


def test_unknown_boards_have_the_memory_of_their_row() -> None:
    """Nothing but its memory is known of a board that the catalogue lacks; without it, nothing."""
    device, known = find_device({"gpu": "Weird 9000", "gpu_mem_gib": "33.5"})
    assert (known, device.memory_bytes, device.gpu.compute_capability) == (True, 33.5 * 2**30, None)
    assert not find_device({"gpu": "Weird 9000"})[1]


def test_releases_beyond_the_catalogue_are_its_ends() -> None:
    """What is older than every known release is the oldest, what is newer the newest."""
    versions = [find_engine({"vllm_version": text}).version for text in ("0.2.7", "0.99.0")]
    assert versions == ["0.6", "0.33.0"]


def test_an_unknown_architecture_is_none() -> None:
    """Rows of unknown models are counted, not guessed."""
    assert find_model({"hf_id": "nobody/nothing"}, None) is None


@pytest.mark.parametrize(
    ("row", "phase"),
    [
        ({"notes": "CUDA out of memory occurred when warming up sampler"}, "sampler warm-up"),
        ({"notes": "ValueError: 4.54 GiB KV cache is needed"}, "cache"),
        ({"notes": "Free memory on device cuda:1 is less than desired"}, "load"),
        ({"notes": "V0", "kv_tokens": "23648", "max_model_len": "29000"}, "cache"),
        ({"notes": "", "kv_cache_gib": "-2.14"}, "cache"),
        ({"notes": "out of memory"}, None),
    ],
)
def test_phases_are_read_from_remarks_and_figures(row: dict[str, str], phase: str | None) -> None:
    """What a failed start said or what its pool held names the phase; else none is made up."""
    found = phase_named(row)
    assert (found.value if found else None) == phase


def test_remarks_that_point_above_are_carried_down() -> None:
    """A row "as above" takes the release of the row before."""
    rows = with_carried_remarks([{"notes": "dev of 0.6.5"}, {"notes": "as above, -tp 2"}])
    assert find_engine(rows[1]).version == "0.6.5"


def test_lora_is_read_from_remarks_or_columns() -> None:
    """Remarks turn one slot on; a server that serves without has none; columns win."""
    on, off = "LoRA enabled (weights include LoRA slots)", "this one serves without LoRA"
    assert server_of({"notes": on}).max_loras == 1
    assert server_of({"notes": f"{on}; {off}"}).max_loras == 0
    stated = server_of({"max_loras": "2", "max_lora_rank": "16"})
    assert (stated.max_loras, stated.max_lora_rank) == (2, 16)


def test_rows_that_contradict_themselves_say_so() -> None:
    """Only the table's own words leave a row out."""
    assert is_inconsistent({"notes": "CAUTION: the four terms sum to 0.95"})
    assert not is_inconsistent({"notes": "document table (not a raw log)"})
