"""Vision towers: their parameters, and the tokens of the largest image that is profiled.

Counts follow the modeling files of transformers 5.23.0, read 2026-11-22. Image tokens: patches
merged as the config says; Qwen's checkpoints bound an image at 16,384 merged patches (their
``preprocessor_config.json``; the processor's class alone would say 1,280). Known gap: Gemma 4's
norms over heads, two head widths a layer, are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from rightslice.core.catalog.model import Part
from rightslice.edge.huggingface.config import COUNT, LAYERS, SIZE, Fields
from rightslice.edge.huggingface.tensors import Tensor

Tower = tuple[int, int]
"""Parameters, and tokens of the largest image."""

_QWEN_IMAGE_TOKENS: Final = 16_384
"""12,845,056 pixels over 28 x 28 a token (``max_pixels`` in Qwen2-VL's preprocessor_config)."""
_COLOURS: Final = 3


def encoder_tensors(parameters: int) -> tuple[Tensor, ...]:
    """Return the tensors of a tower of *parameters*."""
    return (Tensor("encoder", parameters, Part.ENCODER),) if parameters else ()


def _linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def _block(hidden: int, width: int) -> int:
    """Two layer norms, attention and a plain feed-forward part, all with biases."""
    attention = 4 * _linear(hidden, hidden)
    return attention + _linear(hidden, width) + _linear(width, hidden) + 4 * hidden


def qwen2_vl(vision: Fields, hidden: int) -> Tower:
    """Qwen2-VL: patches without bias, biased blocks, a merger of 2 x 2 patches."""
    width = vision.integer("embed_dim", default=1280)
    inner = width * vision.integer("mlp_ratio", default=4)
    merged = width * vision.integer("spatial_merge_size", default=2) ** 2
    out = vision.integer("hidden_size", default=hidden)
    merger = 2 * width + _linear(merged, merged) + _linear(merged, out)
    depth = vision.integer("depth", limits=LAYERS, default=32)
    return _patches(vision) * width + depth * _block(width, inner) + merger, _QWEN_IMAGE_TOKENS


def _patches(vision: Fields) -> int:
    size = vision.integer("patch_size", "spatial_patch_size", default=14)
    colours = vision.integer("in_channels", "in_chans", "num_channels", default=_COLOURS)
    return colours * vision.integer("temporal_patch_size", default=2) * size**2


def qwen2_5_vl(vision: Fields, hidden: int) -> Tower:
    """Qwen2.5-VL: RMS norms and gated feed-forward parts with biases."""
    width = vision.integer("hidden_size", default=1280)
    inner = vision.integer("intermediate_size", default=3420)
    merged = width * vision.integer("spatial_merge_size", default=2) ** 2
    gated = 2 * _linear(width, inner) + _linear(inner, width)
    block = 4 * _linear(width, width) + gated + 2 * width
    out = vision.integer("out_hidden_size", default=hidden)
    merger = width + _linear(merged, merged) + _linear(merged, out)
    depth = vision.integer("depth", limits=LAYERS, default=32)
    return _patches(vision) * width + depth * block + merger, _QWEN_IMAGE_TOKENS


def qwen3_vl(vision: Fields, hidden: int) -> Tower:
    """Qwen3-VL and 3.5: biased patches, learned positions, a merger more for each deep stack."""
    width = vision.integer("hidden_size")
    merged = width * vision.integer("spatial_merge_size", default=2) ** 2
    out = vision.integer("out_hidden_size", default=hidden)
    project = _linear(merged, merged) + _linear(merged, out)
    deep = len(vision.integers("deepstack_visual_indexes"))
    positions = vision.integer("num_position_embeddings", default=2304) * width
    patches = _patches(vision) * width + width
    blocks = vision.integer("depth", limits=LAYERS) * _block(
        width, vision.integer("intermediate_size")
    )
    mergers = 2 * width + project + deep * (2 * merged + project)
    return patches + positions + blocks + mergers, _QWEN_IMAGE_TOKENS


def siglip(vision: Fields, hidden: int) -> Tower:
    """Gemma 3: SigLIP, averaged to 256 tokens, a norm and one projection."""
    width, patch = vision.integer("hidden_size"), vision.integer("patch_size", default=14)
    side = vision.integer("image_size", default=896) // patch
    patches = _linear(_COLOURS * patch**2, width) + side**2 * width
    layers = vision.integer("num_hidden_layers", limits=LAYERS)
    blocks = layers * _block(width, vision.integer("intermediate_size"))
    pooling = width + _block(width, vision.integer("intermediate_size")) - 2 * width
    head = pooling if vision.flag("vision_use_head", default=False) else 0
    return patches + blocks + 2 * width + width * hidden + width + head, _GEMMA_IMAGE_TOKENS


_GEMMA_IMAGE_TOKENS: Final = 256
"""``mm_tokens_per_image`` of every Gemma 3."""


def gemma4_vision(vision: Fields, hidden: int) -> Tower:
    """Gemma 4: gated blocks of four norms, a position table for each axis, one projection."""
    width, inner = vision.integer("hidden_size"), vision.integer("intermediate_size")
    patches = _COLOURS * vision.integer("patch_size", default=16) ** 2 * width
    positions = 2 * vision.integer("position_embedding_size", default=10_240) * width
    layers = vision.integer("num_hidden_layers", limits=LAYERS)
    blocks = layers * (4 * width**2 + 3 * width * inner + 4 * width)
    tokens = vision.integer("default_output_length", "image_seq_length", default=280)
    return patches + positions + blocks + width * hidden, tokens


def pixtral(vision: Fields, hidden: int) -> Tower:
    """Mistral Small 3: Pixtral without biases, patches merged 2 x 2, two projections."""
    width, inner = vision.integer("hidden_size"), vision.integer("intermediate_size")
    patch = vision.integer("patch_size", default=14)
    merge = vision.integer("spatial_merge_size", default=2)
    layers = vision.integer("num_hidden_layers", limits=LAYERS)
    blocks = layers * (4 * width**2 + 3 * width * inner + 2 * width)
    patches = _COLOURS * patch**2 * width + width
    projector = width + width * merge**2 * width + width * hidden + hidden**2
    side = vision.integer("image_size", default=1540) // (patch * merge)
    return patches + blocks + projector, side * (side + 1)


def llama4_vision(vision: Fields, hidden: int) -> Tower:
    """Llama 4: learned positions, biased blocks, pixels shuffled to a quarter, an adapter."""
    width, inner = vision.integer("hidden_size"), vision.integer("intermediate_size")
    patch = vision.integer("patch_size", default=14)
    side = vision.integer("image_size", default=336) // patch
    rows = side**2 + 1
    layers = vision.integer("num_hidden_layers", limits=LAYERS)
    patches = _COLOURS * patch**2 * width + width + rows * width + 4 * width
    first = vision.integer("projector_input_dim", default=4096)
    out = vision.integer("projector_output_dim", default=4096)
    adapter = inner * first + first * out
    projector = vision.integer("vision_output_dim", default=4096) * hidden
    ratio = vision.ratio("pixel_shuffle_ratio", default=0.5)
    tile = int(side**2 * ratio**2)
    tiles = 1 + vision.integer("max_patches", limits=COUNT, default=16)
    return patches + layers * _block(width, inner) + adapter + projector, tiles * tile


def moonvit(vision: Fields, hidden: int) -> Tower:
    """Kimi K2.5: MoonViT, learned positions, patches merged 2 x 2, a biased projector."""
    width = vision.integer("vt_hidden_size", "hidden_size")
    inner = vision.integer("vt_intermediate_size", "intermediate_size")
    patch = vision.integer("patch_size", default=14)
    height = vision.integer("init_pos_emb_height", default=64)
    across = vision.integer("init_pos_emb_width", default=64)
    merge = vision.integers("merge_kernel_size") or (2, 2)
    merged = width * merge[0] * merge[-1]
    layers = vision.integer("vt_num_hidden_layers", "num_hidden_layers", limits=LAYERS)
    patches = _linear(_COLOURS * patch**2, width) + height * across * width
    projector = 2 * width + _linear(merged, merged) + _linear(merged, hidden)
    tokens = height * across // (merge[0] * merge[-1] or 1)
    return patches + layers * _block(width, inner) + 2 * width + projector, tokens


def _edge(vision: Fields, key: str, *, default: int) -> int:
    """Return the edge of a square, written as one number or as two (InternVL)."""
    if not vision.is_list(key):
        return vision.integer(key, default=default)
    edges = vision.integers(key, limits=SIZE)
    if not edges:
        raise vision.error(key, "is empty; write an edge, as in 14")
    return edges[0]


def usual_tower(vision: Fields, hidden: int) -> Tower:
    """A tower without a rule: CLIP or SigLIP blocks, positions, two biased projections (LLaVA)."""
    width = vision.integer("hidden_size", "embed_dim", default=1024)
    inner = vision.integer("intermediate_size", default=4 * width)
    patch = _edge(vision, "patch_size", default=14)
    side = _edge(vision, "image_size", default=336) // patch
    layers = vision.integer("num_hidden_layers", "depth", limits=LAYERS, default=24)
    patches = _linear(_COLOURS * patch**2, width) + side**2 * width
    projector = _linear(width, hidden) + _linear(hidden, hidden)
    return patches + layers * _block(width, inner) + 4 * width + projector, max(1, side**2)


TOWERS: Final[Mapping[str, Callable[[Fields, int], Tower]]] = MappingProxyType(
    {
        "qwen2_vl": qwen2_vl,
        "qwen2_5_vl": qwen2_5_vl,
        "qwen3_vl": qwen3_vl,
        "qwen3_vl_moe": qwen3_vl,
        "qwen3_5": qwen3_vl,
        "qwen3_5_moe": qwen3_vl,
        "gemma3": siglip,
        "gemma4": gemma4_vision,
        "mistral3": pixtral,
        "llama4": llama4_vision,
        "kimi_k25": moonvit,
    }
)
