"""A Model object -> the core's model, from the catalogue, a ConfigMap or its own config."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from rightslice.core.catalog.model import Model, ModelName
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.huggingface import read_config
from rightslice.errors import InputError
from rightslice.kube.crd.condition import Condition, ConditionStatus, carried_over
from rightslice.kube.crd.decode import decode
from rightslice.kube.crd.model import ModelSpec, ModelStatus
from rightslice.kube.parse.decoded import at, mapping

ReadFiles = Callable[[str, str], Awaitable[Mapping[str, str] | None]]
"""The files of a ConfigMap (namespace, name); None when there is none."""
_PLACES: Final = ("/", ".", "~")
_QUANTIZATION: Final = "hf_quant_config.json"


@dataclass(frozen=True, kw_only=True)
class FoundModel:
    """What came of a Model object; `model` is a text where it cannot be used."""

    model: Model | str
    status: ModelStatus


async def find_model(
    given: Mapping[str, object], catalog: Catalog, files: ReadFiles, now: str
) -> FoundModel:
    """Return the model of a decoded Model object, and its status; never raises for its content."""
    spec = decode(ModelSpec, given.get("spec"))
    namespace = str(at(given, "metadata", "namespace") or "")
    try:
        read = None if spec.value is None else await _read(spec.value, namespace, catalog, files)
        model: Model | str = read or "; ".join(spec.problems)
    except InputError as error:
        model = f"model {at(given, 'metadata', 'name')}: {error}"
    return FoundModel(model=model, status=_status(given, model, spec.value, now))


async def _read(spec: ModelSpec, namespace: str, catalog: Catalog, files: ReadFiles) -> Model:
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
        texts = await files(namespace, one.name)
        if texts is None:
            raise InputError(f"there is no ConfigMap {one.name} in {namespace}; make it")
        if one.key not in texts:
            raise InputError(f"ConfigMap {one.name} has no {one.key}; add the file, or name it")
        where = f"ConfigMap {one.name}: {one.key}"
        found = read_config(texts[one.key], where=where, quant_text=texts.get(_QUANTIZATION))
    else:
        raise InputError("give one of catalog, configMap and config")
    return replace(found, name=ModelName(spec.source))


def _status(
    given: Mapping[str, object], model: Model | str, spec: ModelSpec | None, now: str
) -> ModelStatus:
    generation = at(given, "metadata", "generation")
    seen = generation if isinstance(generation, int) else 0
    is_read = not isinstance(model, str)
    condition = Condition(
        type="Read",
        status=ConditionStatus.TRUE if is_read else ConditionStatus.FALSE,
        reason="Read" if is_read else "NotRead",
        message="" if is_read else str(model),
        observed_generation=seen,
    )
    before = decode(ModelStatus, given.get("status") or {}).value or ModelStatus()
    conditions = carried_over([condition], before.conditions, now)
    if isinstance(model, str):
        return ModelStatus(observed_generation=seen, conditions=conditions)
    unread = ("calibrations are not read yet",) if spec is not None and spec.calibrations else ()
    return ModelStatus(
        observed_generation=seen,
        family=model.family,
        parameters=f"{model.parameters / 1e9:.2f} B",
        quantization=model.quantization,
        longest_context=model.max_position,
        assumed=(*model.assumptions, *unread)[:32],
        conditions=conditions,
    )


def config_files(given: object) -> Mapping[str, str]:
    """Return the files of a decoded ConfigMap."""
    data = mapping(at(given, "data"))
    return {name: value for name, value in data.items() if isinstance(value, str)}
