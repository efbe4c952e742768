"""Models by name: the built-in table, the rules for quantized checkpoints, and local configs.

The table (`data/models.toml`) holds the keys that the family rules read, a source for each, and
which other ids share an architecture. Quantized checkpoints of known publishers are found by the
suffix of their name; the model says which rule was applied. A local folder is read as it is.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from rightslice.core.catalog.model import Model, ModelName
from rightslice.core.catalog.source import Source
from rightslice.edge.data_files import read_toml
from rightslice.edge.huggingface.config import LARGEST_CONTEXT, Fields, parse_object
from rightslice.edge.huggingface.reading import read_config, read_fields
from rightslice.errors import InputError, UnknownNameError


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """One model of the built-in table, not yet built."""

    name: ModelName
    aliases: tuple[str, ...]
    """Short names, and other ids with the same architecture."""
    family: str
    source: Source


class _Row(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    id: str
    config: str
    source: str
    short: tuple[str, ...] = ()
    same: tuple[str, ...] = ()


class _Derived(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    id: str
    base: str
    quantization: str
    short: tuple[str, ...] = ()


class _Suffix(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    text: str
    quantization: str


class _Table(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    sources: Mapping[str, dict[str, str]]
    model: tuple[_Row, ...]
    quantization: Mapping[str, str]
    publishers: tuple[str, ...]
    suffix: tuple[_Suffix, ...]
    derived: tuple[_Derived, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What a name stands for."""

    name: str
    row: _Row
    quantization: str | None = None
    assumption: str | None = None


_CONFIG: Final = "config.json"
_QUANTIZATION: Final = "hf_quant_config.json"
_INDEX: Final = "model.safetensors.index.json"


@cache
def _table() -> _Table:
    return msgspec.convert(read_toml("models.toml"), _Table)


@cache
def _names() -> Mapping[str, _Found]:
    """Every name of the table in lower case."""
    table = _table()
    names: dict[str, _Found] = {}
    for row in table.model:
        found = _Found(name=row.id, row=row)
        names.update(dict.fromkeys(_spellings(row.id, row.short), found))
        for other in row.same:
            same = _Found(
                name=other, row=row, assumption=f"{other} has the architecture of {row.id}"
            )
            names.update(dict.fromkeys(_spellings(other, ()), same))
    for derived in table.derived:
        found = _quantized(
            names[derived.base.lower()], derived.id, derived.quantization,
            f"{derived.id} is listed as {derived.base} quantized as {derived.quantization}",
        )  # fmt: skip
        names.update(dict.fromkeys(_spellings(derived.id, derived.short), found))
    return names


def _spellings(identity: str, short: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.lower() for name in (identity, identity.rpartition("/")[2], *short))


def _quantized(base: _Found, name: str, quantization: str, assumption: str) -> _Found:
    return _Found(name=name, row=base.row, quantization=quantization, assumption=assumption)


def load_models() -> tuple[ModelEntry, ...]:
    """Return the models of the built-in table, none of them built."""
    table = _table()
    return tuple(
        ModelEntry(
            name=ModelName(row.id),
            aliases=(*row.short, *row.same),
            family=str(json.loads(row.config)["model_type"]),
            source=_source(row),
        )
        for row in table.model
    )


def _source(row: _Row) -> Source:
    stated = _table().sources[row.source]
    return Source(text=stated["text"], date=stated["date"])


def find_model(name: str) -> Model:
    """Return the model called *name*.

    Args:
        name: a Hugging Face id, a short name such as ``llama-3.1-8b`` (in any case), a quantized
            checkpoint's id, or the path of a ``config.json`` or of the folder that holds it.

    Raises:
        UnknownNameError: when the table has no such model; near matches are named.
        InputError: when a local file cannot be read; a FieldError when a key in it is wrong.
    """
    path = _local(name)
    return _read_path(path) if path is not None else _find_listed(name.strip())


@cache
def _find_listed(name: str) -> Model:
    found = _names().get(name.lower()) or _by_suffix(name)
    if found is None:
        raise UnknownNameError("model", name, [_cased(*item) for item in _names().items()])
    return _built(found)


def _cased(spelling: str, found: _Found) -> str:
    """Return a lower-case *spelling* as its publisher writes it."""
    return found.name[-len(spelling) :] if found.name.lower().endswith(spelling) else spelling


def _by_suffix(name: str) -> _Found | None:
    publisher, slash, model = name.lower().rpartition("/")
    if slash and publisher not in _table().publishers:
        return None
    known = _names().get(model)
    if known is not None:
        return dataclasses.replace(
            known, name=name, assumption=f"{name} is taken for {known.name} of the same name"
        )
    for suffix in _table().suffix:
        base = _names().get(model.removesuffix(suffix.text)) if suffix.text in model else None
        if base is not None and base.quantization is None:
            return _quantized(
                base, name, suffix.quantization,
                f"{name} is taken for {base.name} quantized as {suffix.quantization},"
                f" because its name ends in {suffix.text}",
            )  # fmt: skip
    return None


@cache
def _built_row(identity: str, quantization: str | None) -> Model:
    row = _names()[identity.lower()].row
    values = json.loads(row.config)
    if quantization is not None:
        values["quantization_config"] = json.loads(_table().quantization[quantization])
    model = read_fields(Fields(values, where=row.id), None)
    return dataclasses.replace(model, source=_source(row))


def _built(found: _Found) -> Model:
    model = _built_row(found.row.id, found.quantization)
    if found.assumption is None:
        return model
    return dataclasses.replace(
        model,
        name=ModelName(found.name),
        base=ModelName(found.row.id),
        assumptions=(*model.assumptions, found.assumption),
    )


def _local(name: str) -> Path | None:
    """Return the config that *name* is a path of; None when it is not a path."""
    path = Path(name).expanduser()
    try:
        if (path / _CONFIG).is_file():
            return path / _CONFIG
        if path.suffix == ".json" and path.is_file():
            return path
    except (OSError, ValueError):
        return None
    if name.startswith(("/", "./", "../", "~")) or path.suffix == ".json":
        raise InputError(f"{name}: there is no {_CONFIG} there; give the file or its folder")
    return None


def _read_path(path: Path) -> Model:
    model = read_config(_text(path), where=str(path), quant_text=_text_beside(path))
    index = path.parent / _INDEX
    if not index.is_file():
        return model
    metadata = parse_object(_text(index), where=str(index)).section_or_none("metadata")
    if metadata is None:
        return model
    size = metadata.integer_or_none("total_size", limits=(1, LARGEST_CONTEXT**2))
    return dataclasses.replace(model, checkpoint_bytes=size)


def _text_beside(path: Path) -> str | None:
    sidecar = path.parent / _QUANTIZATION
    return _text(sidecar) if path.name == _CONFIG and sidecar.is_file() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text: {error}") from error
