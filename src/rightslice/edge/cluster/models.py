"""A Model object -> the core's model: from the catalogue, a ConfigMap or its own config."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from rightslice.core.catalog.model import Model, ModelName
from rightslice.core.perf.calibration import Calibration, architecture_of
from rightslice.edge.calibration_files import parse_calibration
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


@dataclass(frozen=True, kw_only=True)
class ReadModel:
    """What came of a Model object; `model` is a text where it cannot be used."""

    model: Model | str
    calibrations: tuple[Calibration, ...] = ()
    """Measured for it: they come before the constants that are shipped."""


def read_model(given: Mapping[str, object], catalog: Catalog, files: Files) -> ReadModel:
    """Return what a decoded Model object is; never raises for its content."""
    spec = spec_of(given)
    model = model_of(given, catalog, files, spec)
    if isinstance(model, str) or spec.value is None:
        return ReadModel(model=model)
    found = calibrations_of(given, spec.value, model, files)
    if isinstance(found, str):
        return ReadModel(model=found)
    return ReadModel(model=model, calibrations=found)


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
        texts, where = _files(one.name, one.key, namespace, files)
        found = read_config(texts[one.key], where=where, quant_text=texts.get(QUANTIZATION_FILE))
    else:
        raise InputError("give one of catalog, configMap and config")
    return replace(found, name=ModelName(spec.source))


def _files(name: str, key: str, namespace: str, files: Files) -> tuple[Mapping[str, str], str]:
    """Return the files of a ConfigMap that has *key*, and what the file is called in messages."""
    texts = files(namespace, name)
    if texts is None:
        raise InputError(f"there is no ConfigMap {name} in {namespace}; make it")
    if key not in texts:
        raise InputError(f"ConfigMap {name} has no {key}; add the file, or name it")
    return texts, f"ConfigMap {name}: {key}"


def calibrations_of(
    given: Mapping[str, object], spec: ModelSpec, model: Model, files: Files
) -> tuple[Calibration, ...] | str:
    """Return the calibrations of a decoded Model object; a text says why they cannot be used."""
    namespace = str(at(given, "metadata", "namespace") or "")
    found = []
    for index, one in enumerate(spec.calibrations):
        try:
            texts, where = _files(one.name, one.key, namespace, files)
            found.append(_of_model(parse_calibration(texts[one.key], where), spec, model, where))
        except InputError as error:
            return f"model {at(given, 'metadata', 'name')}: calibrations[{index}]: {error}"
    return tuple(found)


def _of_model(found: Calibration, spec: ModelSpec, model: Model, where: str) -> Calibration:
    """Return *found* under the name of *model*, which its source may not be called by."""
    names = {architecture_of(model), spec.source}
    if spec.architecture is not None and spec.architecture.catalog is not None:
        names.add(spec.architecture.catalog)
    if found.model not in names:
        raise InputError(
            f"{where}: was made for {found.model}, and this Model is {architecture_of(model)};"
            " calibrate it, or leave the file out"
        )
    return replace(found, model=architecture_of(model))


def config_files(given: object) -> Mapping[str, str]:
    """Return the files of a decoded ConfigMap."""
    data = mapping(at(given, "data"))
    return {name: value for name, value in data.items() if isinstance(value, str)}
