"""What a family rule writes down: named tensors, layer by layer, before formats are known.

Modules are named as in the checkpoint, without the outer prefix (``layers.3.self_attn.q_proj``),
so that ignore lists of quantizers can be matched. Splits follow vLLM's layers: column and row
parallel weights are sharded, keys and values up to the number of KV heads, norms replicated.
"""

from __future__ import annotations

from dataclasses import dataclass

from rightslice.core.catalog.model import Experts, Mixer, Part, Split


@dataclass(frozen=True, slots=True)
class Tensor:
    """Some parameters of one module."""

    module: str
    count: int
    part: Part
    split: Split = Split.SHARDED
    inputs: int = 0
    """Width of the input of a linear layer that quantizers may convert; 0: it stays 16 bit."""


@dataclass(frozen=True, slots=True)
class MixerDraft:
    """The mixer of a layer with its tensors."""

    mixer: Mixer
    tensors: tuple[Tensor, ...] = ()


@dataclass(frozen=True, slots=True)
class FeedDraft:
    """The feed-forward part of a layer with its tensors."""

    experts: Experts | None
    width: int
    tensors: tuple[Tensor, ...] = ()


@dataclass(frozen=True, slots=True)
class LayerDraft:
    """One decoder layer."""

    mixer: Mixer
    experts: Experts | None
    width: int
    tensors: tuple[Tensor, ...]


@dataclass(frozen=True, kw_only=True)
class ModelDraft:
    """A whole model as its family rule sees it."""

    hidden: int
    vocab: int
    layers: tuple[LayerDraft, ...]
    shared: tuple[Tensor, ...]
    ties: bool
    rope_dim: int | None
    encoder_tokens: int = 0
    assumptions: tuple[str, ...] = ()


NO_MIXER = MixerDraft(None)
NO_FEED = FeedDraft(None, 0)


def layer(mixer: MixerDraft, feed: FeedDraft, norms: tuple[Tensor, ...]) -> LayerDraft:
    """Return the layer that *mixer*, *feed* and *norms* make."""
    return LayerDraft(
        mixer.mixer, feed.experts, feed.width, (*mixer.tensors, *feed.tensors, *norms)
    )


def linear(
    module: str, inputs: int, outputs: int, part: Part, split: Split = Split.SHARDED
) -> Tensor:
    """Return the weight of a linear layer that quantizers may convert."""
    return Tensor(module, inputs * outputs, part, split, inputs)


def small(module: str, count: int, split: Split = Split.REPLICATED) -> Tensor:
    """Return norms, biases, routers and the like: never quantized."""
    return Tensor(module, count, Part.NORM, split)


def present(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Return the *tensors* that hold parameters."""
    return tuple(tensor for tensor in tensors if tensor.count)


def norms(width: int, *, count: int, bias: bool = False) -> tuple[Tensor, ...]:
    """Return *count* norms over *width* values, with a *bias* each where the family has one."""
    return present(small("norm", count * width * (2 if bias else 1)))


def embeddings(
    vocab: int, hidden: int, *, ties: bool, head_bias: bool = False
) -> tuple[Tensor, ...]:
    """Return the token embedding and, unless they are tied, the output head."""
    return present(
        Tensor("embed_tokens", vocab * hidden, Part.EMBEDDING),
        Tensor("lm_head", 0 if ties else vocab * hidden, Part.LM_HEAD),
        Tensor("lm_head", vocab if head_bias else 0, Part.LM_HEAD),
    )
