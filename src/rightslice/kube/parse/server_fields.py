"""A server's flags -> the typed fields of the answer; what cannot be read is refused by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from rightslice.kube.parse.flags import Flags
from rightslice.kube.parse.notes import Notes

Field = int | float | str | bool | None

_WHOLE: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_SCALED: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)([kKmMgG])", re.ASCII)
_SCALES: Final = {"k": 1000, "m": 1000**2, "g": 1000**3, "K": 1024, "M": 1024**2, "G": 1024**3}
"""vLLM's human_readable_int (vllm/engine/arg_utils.py): lower case decimal, upper case binary."""
_SHARE: Final = re.compile(r"[0-9]{0,3}\.?[0-9]{1,9}", re.ASCII)


def typed_fields(flags: Flags, notes: Notes) -> dict[str, Field]:
    """Return the columns that *flags* fill."""
    found: dict[str, Field] = {}
    for name, (flag, read) in _FIELDS.items():
        value = flags.get(flag)
        found[name] = None if value is None else read(name, value.strip(), notes)
    for flag, note in flags.notes:
        notes.assume(_FIELD_OF.get(flag, "flags"), note)
    if "enable_lora" in found and flags.get("lora-modules") and not found["enable_lora"]:
        notes.refuse("enable_lora", "--lora-modules is given without --enable-lora")
    return found


def whole(name: str, value: str, notes: Notes) -> int | None:
    """Return a whole number as vLLM reads it (``32k``, ``32K``), None with a refusal otherwise."""
    known = notes.known(name, value)
    if known is None:
        return None
    if _WHOLE.fullmatch(known) and int(known) >= 1:
        return int(known)
    scaled = _SCALED.fullmatch(known)
    if scaled is not None:
        number = int(float(scaled[1]) * _SCALES[scaled[2]])
        notes.assume(name, f"{known} is {number}, as vLLM reads it")
        return number
    notes.refuse(name, f"{known[:60]!r} is not a whole number of at least 1")
    return None


def _share(name: str, value: str, notes: Notes) -> float | None:
    known = notes.known(name, value)
    if known is None:
        return None
    number = float(known) if _SHARE.fullmatch(known) else 0.0
    if 0 < number <= 1:
        return number
    notes.refuse(name, f"{known[:60]!r} is not more than 0 and at most 1")
    return None


def _word(name: str, value: str, notes: Notes) -> str | None:
    return notes.known(name, value) or None


def _switch(_name: str, value: str, _notes: Notes) -> bool | None:
    return True if value.lower() in ("true", "1", "yes", "on") else None


_FIELDS: Final[dict[str, tuple[str, Callable[[str, str, Notes], Field]]]] = {
    "tensor_parallel": ("tensor-parallel-size", whole),
    "pipeline_parallel": ("pipeline-parallel-size", whole),
    "max_model_len": ("max-model-len", whole),
    "max_num_seqs": ("max-num-seqs", whole),
    "max_num_batched_tokens": ("max-num-batched-tokens", whole),
    "gpu_memory_utilization": ("gpu-memory-utilization", _share),
    "dtype": ("dtype", _word),
    "quantization": ("quantization", _word),
    "kv_cache_dtype": ("kv-cache-dtype", _word),
    "enforce_eager": ("enforce-eager", _switch),
    "enable_lora": ("enable-lora", _switch),
}
_FIELD_OF: Final = {flag: name for name, (flag, _) in _FIELDS.items()} | {"model": "model"}
