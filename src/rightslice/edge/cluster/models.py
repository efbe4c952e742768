"""A Model object -> the core's model: from the catalogue, a ConfigMap or its own config."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from rightslice.core.catalog.model import Model, ModelName
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.huggingface import read_config
from rightslice.errors import InputError
from rightslice.kube.crd.decode import Decoded, decode
from rightslice.kube.crd.model import ModelSpec
from rightslice.kube.parse.decoded import at, mapping
from rightslice.kube.snapshot.value import QUANTIZATION_FILE

Files = Callable[[str, str], Mapping[str, str] | None]
"""The files of a ConfigMap (namespace, name); None when there is none."""
_PLACES: Final = ("/", ".", "~")


def model_of(
    given: Mapping[str, object], catalog: Catalog, files: Files, spec: Decoded[ModelSpec]
) -> Model | str:
    """Return the model of a decoded Model object; a text says why it cannot be used."""
    if spec.value is None:
        return "; ".join(spec.problems)
    namespace = str(at(given, "metadata", "namespace") or "")
    try:
        return _read(spec.value, namespace, catalog, files)
    except InputError as error:
        return f"model {at(given, 'metadata', 'name')}: {error}"


def spec_of(given: Mapping[str, object]) -> Decoded[ModelSpec]:
    """Return what a decoded Model object asks for, or what is wrong with it."""
    return decode(ModelSpec, given.get("spec"))


def _read(spec: ModelSpec, namespace: str, catalog: Catalog, files: Files) -> Model:
    given = spec.architecture
    if given is None or given.catalog is not None:
        name = spec.source if given is None or given.catalog is None else given.catalog
        if name.startswith(_PLACES) or "://" in name or name.endswith(".json"):
            raise InputError(
                f"{name} is a place, not a name that the catalogue knows; give"
                " architecture.catalog, architecture.configMap or architecture.config"
            )
        found = catalog.model(name)
    elif given.config is not None:
        found = read_config(json.dumps(given.config), where="architecture.config")
    elif given.config_map is not None:
        one = given.config_map
        texts = files(namespace, one.name)
        if texts is None:
            raise InputError(f"there is no ConfigMap {one.name} in {namespace}; make it")
        if one.key not in texts:
            raise InputError(f"ConfigMap {one.name} has no {one.key}; add the file, or name it")
        where = f"ConfigMap {one.name}: {one.key}"
        found = read_config(texts[one.key], where=where, quant_text=texts.get(QUANTIZATION_FILE))
    else:
        raise InputError("give one of catalog, configMap and config")
    return replace(found, name=ModelName(spec.source))


def config_files(given: object) -> Mapping[str, str]:
    """Return the files of a decoded ConfigMap."""
    data = mapping(at(given, "data"))
    return {name: value for name, value in data.items() if isinstance(value, str)}
