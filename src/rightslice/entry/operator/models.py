"""A Model object -> the core's model and the object's status; its ConfigMap is read here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from rightslice.core.catalog.model import Model
from rightslice.core.perf.calibration import Calibration
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster.models import read_model, spec_of
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
    calibrations: tuple[Calibration, ...] = ()
    """Measured for it: they come before the constants that are shipped."""


async def find_model(
    given: Mapping[str, object], catalog: Catalog, files: ReadFiles, now: str
) -> FoundModel:
    """Return the model of a decoded Model object, and its status; never raises for its content."""
    spec = spec_of(given)
    namespace = str(at(given, "metadata", "namespace") or "")
    names = () if spec.value is None else _config_maps(spec.value)
    texts = {name: await files(namespace, name) for name in names}
    found = read_model(given, catalog, lambda _, name: texts.get(name))
    status = _status(given, found.model, found.calibrations, now)
    return FoundModel(model=found.model, status=status, calibrations=found.calibrations)


def _config_maps(spec: ModelSpec) -> list[str]:
    """Return the ConfigMaps that a Model names, each once."""
    architecture = spec.architecture
    named = [one.name for one in spec.calibrations]
    if architecture is not None and architecture.config_map is not None:
        named.append(architecture.config_map.name)
    return sorted(set(named))


def _status(
    given: Mapping[str, object], model: Model | str, calibrations: Sequence[Calibration], now: str
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
    return ModelStatus(
        observed_generation=seen,
        family=model.family,
        parameters=f"{model.parameters / 1e9:.2f} B",
        quantization=model.quantization,
        longest_context=model.max_position,
        calibrated=tuple(_measured(one) for one in calibrations),
        assumed=model.assumptions[:32],
        conditions=conditions,
    )


def _measured(one: Calibration) -> str:
    return f"{one.gpu}, vLLM {one.engine_version}, {one.date}, {len(one.points)} points"
