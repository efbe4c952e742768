"""How a checkpoint is quantized: its schemes, and which modules keep 16 bit.

Read from ``quantization_config`` (fp8, compressed-tensors, gptq, awq, bitsandbytes, mxfp4,
modelopt, fbgemm_fp8) or from ModelOpt's ``hf_quant_config.json`` beside it. Embeddings, output
head, norms, routers and encoders stay 16 bit in all of them, as vLLM loads them. Known gap: an
encoder that was quantized is counted in 16 bit.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rightslice.core.catalog.model import Part, WeightFormat
from rightslice.edge.huggingface.config import Fields
from rightslice.edge.huggingface.formats import Scheme, weight_format
from rightslice.edge.huggingface.ignore import IgnoreList
from rightslice.edge.huggingface.tensors import Tensor

_KEPT = frozenset({Part.EMBEDDING, Part.NORM, Part.ENCODER, Part.LM_HEAD})
_EVERYTHING = IgnoreList((), where="", field="")


@dataclass(frozen=True, kw_only=True)
class Target:
    """One scheme and the modules that it holds for; no targets: every linear layer."""

    scheme: Scheme
    modules: IgnoreList | None = None


@dataclass(frozen=True, kw_only=True)
class Quantization:
    """A checkpoint's number formats."""

    method: str | None = None
    targets: tuple[Target, ...] = ()
    ignore: IgnoreList = field(default_factory=lambda: _EVERYTHING)
    only_experts: bool = False
    """MXFP4 as gpt-oss ships it: nothing but the routed experts."""

    def format_of(self, tensor: Tensor, prefix: str, plain: WeightFormat) -> WeightFormat:
        """Return the format of *tensor* in the layer called *prefix*; *plain* when it is kept."""
        if not tensor.inputs or not self.targets or tensor.part in _KEPT:
            return plain
        if self.only_experts and tensor.part is not Part.EXPERT:
            return plain
        module = f"{prefix}{tensor.module}"
        if self.ignore and self.ignore.has(module):
            return plain
        for target in self.targets:
            if target.modules is None or target.modules.has(module):
                return weight_format(target.scheme, tensor.inputs)
        return plain


UNQUANTIZED = Quantization()


def read_quantization(top: Fields, sidecar: Fields | None) -> Quantization:
    """Return how the checkpoint is quantized.

    Args:
        top: the whole config.
        sidecar: ``hf_quant_config.json``, when there is one.

    Raises:
        FieldError: when the method or one of its settings is not known.
    """
    config = top.section_or_none("quantization_config", "compression_config")
    if config is None and (text := top.section_or_none("text_config")) is not None:
        config = text.section_or_none("quantization_config")
    if config is None:
        return UNQUANTIZED if sidecar is None else _modelopt(sidecar.section("quantization"))
    method = config.text_or_none("quant_method")
    if method is None:
        if config.has("quant_algo") or config.text("producer", default="") == "modelopt":
            return _modelopt(config)
        raise config.error("quant_method", f"is missing; known are {', '.join(sorted(_READERS))}")
    if method not in _READERS:
        raise config.error(
            "quant_method", f"{method!r} is not supported; known are {', '.join(sorted(_READERS))}"
        )
    return _READERS[method](config)


def _ignored(config: Fields, *keys: str) -> IgnoreList:
    entries = [entry for key in keys for entry in config.texts(key)]
    return IgnoreList(entries, where=config.where, field=f"{config.path}.{keys[0]}".lstrip("."))


def _one(method: str, scheme: Scheme, ignore: IgnoreList) -> Quantization:
    return Quantization(method=method, targets=(Target(scheme=scheme),), ignore=ignore)


def _fp8(config: Fields) -> Quantization:
    ignore = _ignored(config, "modules_to_not_convert", "ignored_layers")
    block = config.integers("weight_block_size", limits=(1, 2**16))
    if not block:
        return _one("fp8", Scheme(kind="fp8", strategy="tensor"), ignore)
    if len(block) != 2:
        raise config.error("weight_block_size", f"must hold two sizes, not {len(block)}")
    return _one("fp8", Scheme(kind="fp8", strategy="block", block=(block[0], block[1])), ignore)


def _fbgemm(config: Fields) -> Quantization:
    return _one("fbgemm_fp8", Scheme(kind="fp8"), _ignored(config, "modules_to_not_convert"))


def _gptq(config: Fields) -> Quantization:
    bits, group = _bits(config), _group(config)
    scheme = Scheme(
        kind=f"int{bits}", bits=bits, strategy="group" if group else "channel",
        group=group or 128, zeros=not config.flag("sym", default=True), weight_only=True,
    )  # fmt: skip
    return _one("gptq", scheme, _ignored(config, "modules_in_block_to_not_quantize"))


def _awq(config: Fields) -> Quantization:
    bits, group = _bits(config), _group(config)
    scheme = Scheme(
        kind=f"int{bits}", bits=bits, strategy="group" if group else "channel",
        group=group or 128, zeros=config.flag("zero_point", default=True), weight_only=True,
    )  # fmt: skip
    return _one("awq", scheme, _ignored(config, "modules_to_not_convert"))


def _bits(config: Fields) -> int:
    bits = config.integer("bits", "w_bit", default=4)
    if bits not in (2, 3, 4, 8):
        raise config.error("bits", f"must be 2, 3, 4 or 8, not {bits}")
    return bits


def _group(config: Fields) -> int | None:
    size = config.integer("group_size", "q_group_size", limits=(-1, 2**16), default=128)
    if size == 0:
        raise config.error("group_size", "must be -1 (per channel) or at least 1, not 0")
    return None if size == -1 else size


def _bitsandbytes(config: Fields) -> Quantization:
    ignore = _ignored(config, "llm_int8_skip_modules")
    if config.flag("load_in_4bit", "_load_in_4bit", default=False):
        return _one("bitsandbytes", Scheme(kind="nf4", bits=4, weight_only=True), ignore)
    return _one("bitsandbytes", Scheme(kind="int8"), ignore)


def _mxfp4(config: Fields) -> Quantization:
    return Quantization(
        method="mxfp4",
        targets=(Target(scheme=Scheme(kind="mxfp4", bits=4, weight_only=True)),),
        ignore=_ignored(config, "modules_to_not_convert"),
        only_experts=True,
    )


_MODELOPT = {
    "FP8": Scheme(kind="fp8", strategy="tensor"),
    "FP8_PER_CHANNEL_PER_TOKEN": Scheme(kind="fp8"),
    "FP8_PB_WO": Scheme(kind="fp8", strategy="block"),
    "FP8_BLOCK_SCALES": Scheme(kind="fp8", strategy="block"),
    "NVFP4": Scheme(kind="nvfp4", bits=4),
    "NVFP4_AWQ": Scheme(kind="nvfp4", bits=4),
    "W4A16_NVFP4": Scheme(kind="nvfp4", bits=4, weight_only=True),
    "W4A8_MXFP4_FP8": Scheme(kind="mxfp4", bits=4, weight_only=True),
    "MXFP4": Scheme(kind="mxfp4", bits=4, weight_only=True),
    "W4A16_AWQ": Scheme(kind="int4", bits=4, strategy="group", weight_only=True),
    "W4A8_AWQ": Scheme(kind="int4", bits=4, strategy="group", weight_only=True),
    "INT8_SQ": Scheme(kind="int8"),
}


def _modelopt(config: Fields) -> Quantization:
    inner = config.section_or_none("quantization") or config
    name = inner.text("quant_algo", default="")
    ignore = _ignored(inner, "exclude_modules", "ignore")
    if name.upper() == "MIXED_PRECISION":
        return _mixed(inner, ignore)
    if name.upper() not in _MODELOPT:
        raise inner.error(
            "quant_algo", f"{name!r} is not supported; known are {', '.join(sorted(_MODELOPT))}"
        )
    return _one("modelopt", _MODELOPT[name.upper()], ignore)


def _mixed(config: Fields, ignore: IgnoreList) -> Quantization:
    layers = config.section("quantized_layers")
    modules: dict[str, list[str]] = {}
    for module in layers.keys():  # noqa: SIM118 - Fields is no mapping; it has keys that hold a value
        name = layers.section(module).text("quant_algo", default="").upper()
        if name not in _MODELOPT:
            raise layers.error(
                module, f"quant_algo {name!r} is not known; write {', '.join(sorted(_MODELOPT))}"
            )
        modules.setdefault(name, []).append(module)
    targets = tuple(
        Target(
            scheme=_MODELOPT[name],
            modules=IgnoreList(listed, where=config.where, field="quantized_layers"),
        )
        for name, listed in modules.items()
    )
    return Quantization(method="modelopt", targets=targets, ignore=ignore)


def _compressed(config: Fields) -> Quantization:
    groups = config.section("config_groups")
    targets = tuple(_compressed_target(groups.section(name)) for name in groups.keys())  # noqa: SIM118 - Fields is no mapping
    if not targets:
        raise config.error("config_groups", "is empty; it must hold at least one group")
    specific_first = sorted(targets, key=lambda target: target.modules is None)
    return Quantization(
        method="compressed-tensors",
        targets=tuple(specific_first),
        ignore=_ignored(config, "ignore"),
    )


def _compressed_target(group: Fields) -> Target:
    names = group.texts("targets")
    everywhere = not names or "Linear" in names
    modules = (
        None if everywhere else IgnoreList(names, where=group.where, field=f"{group.path}.targets")
    )
    return Target(scheme=_compressed_scheme(group), modules=modules)


def _compressed_scheme(group: Fields) -> Scheme:
    weights = group.section("weights")
    bits = weights.integer("num_bits")
    kind = weights.text("type", default="int")
    if kind not in ("int", "float") or bits not in (4, 8):
        raise weights.error("num_bits", f"{bits} of type {kind!r} must be int or float of 4 or 8")
    weight_only = group.section_or_none("input_activations") is None
    size = weights.integer("group_size", limits=(-1, 2**16), default=-1)
    strategy = weights.text("strategy", default="group" if size > 0 else "channel")
    if kind == "float" and bits == 4:
        return Scheme(kind="mxfp4" if size == 32 else "nvfp4", bits=4, weight_only=weight_only)
    block = weights.integers("block_structure", limits=(1, 2**16)) or (128, 128)
    return Scheme(
        kind="fp8" if kind == "float" else f"int{bits}",
        bits=bits,
        strategy=_known_strategy(weights, strategy),
        group=size if size > 0 else 128,
        block=(block[0], block[-1]),
        zeros=not weights.flag("symmetric", default=True),
        weight_only=weight_only,
    )


def _known_strategy(weights: Fields, strategy: str) -> str:
    known = ("tensor", "channel", "group", "block", "tensor_group")
    if strategy not in known:
        raise weights.error("strategy", f"{strategy!r} is not known; write {', '.join(known)}")
    return "group" if strategy == "tensor_group" else strategy


_READERS = {
    "fp8": _fp8,
    "fbgemm_fp8": _fbgemm,
    "gptq": _gptq,
    "awq": _awq,
    "bitsandbytes": _bitsandbytes,
    "mxfp4": _mxfp4,
    "modelopt": _modelopt,
    "modelopt_fp4": _modelopt,
    "compressed-tensors": _compressed,
}
