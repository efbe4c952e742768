"""``Model``: what is served. Where its weights are, and where its architecture is read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from rightslice.kube.crd.condition import Condition
from rightslice.kube.crd.shape import Rule, Shape
from rightslice.kube.crd.texts import ObjectName


@dataclass(frozen=True, kw_only=True)
class ConfigMapKey:
    """One file in a ConfigMap of the same namespace."""

    name: ObjectName
    """The ConfigMap."""
    key: Annotated[str, Shape(longest=253)] = "config.json"
    """The file in it."""


@dataclass(frozen=True, kw_only=True)
class CalibrationKey:
    """One calibration in a ConfigMap of the same namespace."""

    name: ObjectName
    """The ConfigMap."""
    key: Annotated[str, Shape(longest=253)] = "calibration.json"
    """The file in it, as `rightslice calibrate --out` wrote it."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Where the facts that decide memory and speed come from."""

    __rules__: ClassVar[tuple[Rule, ...]] = (
        Rule(
            holds="[has(self.catalog), has(self.configMap), has(self.config)]"
            ".filter(given, given).size() == 1",
            message="give exactly one of catalog (a name that the catalogue knows), configMap (that"
            " holds config.json) and config (its content)",
        ),
    )

    catalog: Annotated[str, Shape(longest=253)] | None = None
    """A model that the built-in catalogue knows: ``meta-llama/Llama-3.1-8B-Instruct``."""
    config_map: ConfigMapKey | None = None
    """The ConfigMap that holds the checkpoint's config.json (hf_quant_config.json beside it)."""
    config: Annotated[Mapping[str, object], Shape(is_free_form=True)] | None = None
    """The content of config.json itself."""


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A model that can be served."""

    __rules__: ClassVar[tuple[Rule, ...]] = (
        Rule(
            holds="self.source == oldSelf.source",
            message="source cannot change: other weights are another Model; make one beside it",
        ),
    )

    source: Annotated[
        str,
        Shape(
            longest=512,
            rules=(
                Rule(
                    holds=r"self.matches('^[A-Za-z0-9/][-A-Za-z0-9_./:@+=]*$')",
                    message="must be what vLLM loads: a Hugging Face id, as in facebook/opt-1.3b,"
                    " or a path or URI without spaces",
                ),
            ),
        ),
    ]
    """What vLLM loads: a Hugging Face id, or a path that the server's pod has."""
    architecture: Architecture | None = None
    """Absent: the catalogue's entry for source."""
    licence: Annotated[str, Shape(longest=253)] | None = None
    """The licence of the weights, for those who look: nothing is decided by it."""
    calibrations: Annotated[tuple[CalibrationKey, ...], Shape(longest=16)] = ()
    """Files that `rightslice calibrate` wrote for this model, one board each."""


@dataclass(frozen=True, kw_only=True)
class ModelStatus:
    """What was read of the model."""

    observed_generation: int = 0
    """The generation of the spec that the rest speaks of."""
    family: Annotated[str, Shape(longest=63)] | None = None
    """``model_type`` of its config.json."""
    parameters: Annotated[str, Shape(longest=24)] | None = None
    """How many, in words: ``8.03 B``."""
    quantization: Annotated[str, Shape(longest=63)] | None = None
    """How the checkpoint's weights are stored, where they are quantized."""
    longest_context: int | None = None
    """Tokens that the config allows."""
    calibrated: Annotated[tuple[str, ...], Shape(longest=16)] = ()
    """What its calibrations were measured on: board, release, day and points."""
    assumed: Annotated[tuple[str, ...], Shape(longest=32)] = ()
    """What was taken for granted because the config does not say it."""
    conditions: Annotated[tuple[Condition, ...], Shape(longest=8, key="type")] = ()
    """``Read``: whether the architecture and the calibrations could be read."""
