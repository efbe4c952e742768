"""Tests of the options that several verbs share."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from rightslice.core.catalog.server import ServerConfig
from rightslice.entry.cli.options import (
    ModelArgument,
    accepts_server_flags,
    parse_flag_bytes,
    parse_utilization,
)
from rightslice.errors import InputError

app = typer.Typer()
seen: list[tuple[str, ServerConfig]] = []


@app.command()
@accepts_server_flags
def show(model: ModelArgument, *, server: ServerConfig, extra: bool = False) -> int:
    """Remember what was given."""
    seen.append((model, server))
    return 4 if extra else 0


def test_flags_arrive_as_one_server_config() -> None:
    """Every vLLM flag is an option, and the command gets them as one value."""
    flags = ["--max-model-len", "8Ki", "--gpu-memory-utilization", "0.95", "--enforce-eager"]
    result = CliRunner().invoke(app, ["opt-1.3b", *flags, "--kv-cache-memory-bytes", "2GiB"])
    assert result.exit_code == 0, result.output
    assert seen.pop() == (
        "opt-1.3b",
        ServerConfig(
            max_model_len=8192,
            gpu_memory_utilization=0.95,
            enforce_eager=True,
            kv_cache_memory_bytes=2 * 1024**3,
        ),
    )


def test_without_flags_vllm_decides() -> None:
    """A flag that is not given stays None, so that the release's default holds."""
    assert CliRunner().invoke(app, ["opt-1.3b"]).exit_code == 0
    assert seen.pop() == ("opt-1.3b", ServerConfig())


def test_lora_flags_say_slots_and_rank() -> None:
    """``--enable-lora`` alone is one adapter of rank 16, as in vLLM."""
    flags = ["opt-1.3b", "--enable-lora"]
    assert CliRunner().invoke(app, flags).exit_code == 0
    assert seen.pop()[1] == ServerConfig(max_loras=1, max_lora_rank=16)
    more = [*flags, "--max-loras", "4", "--max-lora-rank", "64"]
    assert CliRunner().invoke(app, more).exit_code == 0
    assert seen.pop()[1] == ServerConfig(max_loras=4, max_lora_rank=64)


def test_lora_slots_need_lora() -> None:
    """Slots without ``--enable-lora`` are a slip, said at once."""
    result = CliRunner().invoke(app, ["opt-1.3b", "--max-loras", "4"])
    assert isinstance(result.exception, InputError)
    assert "--max-loras 4 needs --enable-lora" in str(result.exception)


def test_a_bare_number_of_bytes_is_bytes() -> None:
    """As in vLLM itself, bytes need no unit; a unit may be written."""
    assert parse_flag_bytes("1073741824") == parse_flag_bytes("1GiB")


@pytest.mark.parametrize("text", ["90", "1.5", "x", "150%"])
def test_a_utilization_beyond_one_is_refused(text: str) -> None:
    """The flag is a share of one: a bare 90 would be a mistake."""
    with pytest.raises(InputError):
        parse_utilization(text)
