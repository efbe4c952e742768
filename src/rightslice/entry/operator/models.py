"""A Model object -> the core's model and the object's status; its ConfigMap is read here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from rightslice.core.catalog.model import Model
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster.models import model_of, spec_of
from rightslice.kube.crd.condition import Condition, ConditionStatus, carried_over
from rightslice.kube.crd.decode import decode
from rightslice.kube.crd.model import ModelSpec, ModelStatus
from rightslice.kube.parse.decoded import at

ReadFiles = Callable[[str, str], Awaitable[Mapping[str, str] | None]]
"""The files of a ConfigMap (namespace, name); None when there is none."""


@dataclass(frozen=True, kw_only=True)
class FoundModel:
    """What came of a Model object; `model` is a text where it cannot be used."""

    model: Model | str
    status: ModelStatus


async def find_model(
    given: Mapping[str, object], catalog: Catalog, files: ReadFiles, now: str
) -> FoundModel:
    """Return the model of a decoded Model object, and its status; never raises for its content."""
    spec = spec_of(given)
    texts: dict[str, Mapping[str, str] | None] = {}
    architecture = None if spec.value is None else spec.value.architecture
    if architecture is not None and architecture.config_map is not None:
        name = architecture.config_map.name
        texts[name] = await files(str(at(given, "metadata", "namespace") or ""), name)
    model = model_of(given, catalog, lambda _, name: texts.get(name), spec)
    return FoundModel(model=model, status=_status(given, model, spec.value, now))


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
