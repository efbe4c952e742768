"""The KV cache as vLLM lays it out: pages, groups, blocks, tokens.

A layer's page holds one block of tokens. Layers of one kind form a bucket; several buckets
(sliding windows, chunked attention, state spaces beside full attention) are cut into groups of
equal length that share one pool of blocks, so that every block is as large as the longest group's
pages. Read in ``vllm/v1/core/kv_cache_utils.py`` and ``v1/kv_cache_interface.py`` (0.8 to 0.33);
compared with that code, 0.11 to 0.24, by ``make test-oracle``.
Known gaps: cross-attention caches, packed mixed page sizes of 0.33.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Generic, TypeVar, overload

from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.catalog.model import (
    Attention,
    LatentAttention,
    Layer,
    Mixer,
    Model,
    StateSpace,
)
from rightslice.core.sizing.amounts import Whole, cut, larger, ratio, smaller
from rightslice.core.sizing.coefficients import release_number
from rightslice.core.sizing.parameters import layers_per_stage, stages_of
from rightslice.core.sizing.result import EffectiveFlags, Sizing

if TYPE_CHECKING:
    from rightslice.core.sizing.amounts import Reals, Wholes

_Tokens = TypeVar("_Tokens", int, "Wholes")

KEYS_AND_VALUES: Final = 2
_SHORTEST_OVER: Final = {
    "min": Fraction(1),
    "min-1.25": Fraction(5, 4),
    "min-1.5": Fraction(3, 2),
}
"""Rule name: the longest bucket sets the group length while below this many of the shortest."""
_INDEX_BLOCK: Final = 128
_INDEX_SCALE_BYTES: Final = 4
"""The sparse indexer keeps one 8-bit value and, per 128 values, a 4-byte scale."""
_NEEDS_OF_LAYERS_UNTIL: Final = (0, 14)
_NEEDS_OF_FIRST_GROUP_UNTIL: Final = (0, 19)
"""kv_cache_utils.py, check_enough_kv_cache_memory and _max_memory_usage_bytes_from_groups: read in
the wheels 0.10.2 to 0.14.1 and 0.16.0 to 0.20.0."""
_STATE_BLOCKS_ALIGNED: Final = 2
"""State blocks a sequence when prefix caching aligns states to blocks (mamba_cache_mode=align, from
0.14 on)."""


@dataclass(frozen=True, slots=True)
class PageKind:
    """What makes the cache pages of two layers interchangeable."""

    kind: str
    """``full``, ``sliding``, ``chunked`` or ``state``."""
    size_bytes: int
    """Per token; of a state: per sequence."""
    span_tokens: int = 0
    """Window or chunk."""


@dataclass(frozen=True, slots=True)
class KvGroup:
    """Layers that share block tables."""

    page: PageKind
    layers: int
    block_tokens: int


@dataclass(frozen=True, slots=True)
class BlockLayout(Generic[Whole]):
    """How one rank's KV pool is divided."""

    groups: tuple[KvGroup, ...]
    block_bytes: int
    """Bytes of one block of the pool, over the layers of the longest group."""
    token_bytes: int
    """Bytes that one more token of context takes in the long run."""
    batched_tokens: Whole
    """Tokens of one step, or of each of many configurations."""
    state_blocks: int
    needs: str = "groups"
    """How the release counts what one request needs: ``layers``, ``first group`` or ``groups``."""

    def blocks(self, pool_bytes: Whole) -> Whole:
        """Return how many blocks a pool of *pool_bytes* has."""
        return larger(pool_bytes // self.block_bytes, 0) if self.block_bytes else 0 * pool_bytes

    def blocks_of(self, tokens: Whole) -> Whole:
        """Return the blocks that one sequence of *tokens* occupies at most."""
        total = 0 * tokens
        for group in self.groups:
            total = total + self._group_blocks(group, tokens)
        return total

    def bytes_of(self, tokens: Whole) -> Whole:
        """Return the pool bytes that one sequence of *tokens* needs."""
        return self.blocks_of(tokens) * self.block_bytes

    def needed(self, tokens: Whole) -> Whole:
        """Return the bytes that the release's own check asks for one sequence of *tokens*.

        Until 0.13 without the padding of shorter groups, and from 0.14 to 0.18 of the first group
        only: such a release starts with a pool that cannot hold the sequence.
        """
        if self.needs == "groups" or not self.groups:
            return self.bytes_of(tokens)
        if self.needs == "first group":
            return self._group_blocks(self.groups[0], tokens) * self.block_bytes
        if len(self.groups) == 1:
            return self.bytes_of(tokens)
        page = self.block_bytes // max(group.layers for group in self.groups)
        base = min(group.block_tokens for group in self.groups)
        total = 0 * tokens
        for group in self.groups:
            own, size = replace(group, block_tokens=base), group.page.size_bytes * base
            each = page if group.page.kind == "state" else size
            total = total + group.layers * self._group_blocks(own, tokens) * each
        return total

    def _group_blocks(self, group: KvGroup, tokens: Whole) -> Whole:
        kind, block = group.page.kind, group.block_tokens
        if kind == "state":
            return 0 * tokens + self.state_blocks
        if kind == "sliding":
            reach = self.batched_tokens + (group.page.span_tokens - 1)
            return -(-smaller(reach, tokens) // block) + 1
        if kind == "chunked":
            reach = self.batched_tokens + group.page.span_tokens
            return -(-smaller(reach, tokens) // block)
        return -(-tokens // block)

    def stepping(self, batched_tokens: _Tokens) -> BlockLayout[_Tokens]:
        """Return the same division for steps of *batched_tokens*."""
        return BlockLayout(
            self.groups,
            self.block_bytes,
            self.token_bytes,
            batched_tokens,
            self.state_blocks,
            self.needs,
        )


KvLayout = BlockLayout[int]
"""The layout of one configuration."""


@dataclass(frozen=True, slots=True)
class _Rules:
    """What of flags and release decides the layout; the key of its cache."""

    tensor_parallel: int
    pipeline_parallel: int
    value_bytes: int
    block_tokens: int
    context_parallel: int
    grouping: str
    state_blocks: int
    needs: str


def kv_value_bytes(flags: EffectiveFlags) -> int:
    """Return the bytes of one cached value."""
    if flags.kv_cache_dtype.startswith("fp8"):
        return 1
    return 4 if flags.dtype == "float32" else 2


def kv_layout(
    model: Model, flags: EffectiveFlags, engine: EngineRelease, *, stage: int = 0
) -> KvLayout:
    """Return the layout of the KV pool of one rank of pipeline stage *stage*."""
    return stage_layouts(model, flags, engine)[stage].stepping(flags.max_num_batched_tokens)


def stage_layouts(
    model: Model, flags: EffectiveFlags, engine: EngineRelease
) -> tuple[KvLayout, ...]:
    """Return the layout of each pipeline stage for steps of one token: `stepping` sets more."""
    return _layouts(model, _rules(model, flags, engine))


def _rules(model: Model, flags: EffectiveFlags, engine: EngineRelease) -> _Rules:
    return _Rules(
        tensor_parallel=flags.tensor_parallel,
        pipeline_parallel=stages_of(model, flags),
        value_bytes=kv_value_bytes(flags),
        block_tokens=flags.block_size,
        context_parallel=flags.decode_context_parallel,
        grouping=engine.hybrid_groups,
        state_blocks=_state_blocks(flags, engine),
        needs=_needs(engine.version),
    )


def _state_blocks(flags: EffectiveFlags, engine: EngineRelease) -> int:
    aligned = flags.prefix_caching and _needs(engine.version) != "layers"
    return _STATE_BLOCKS_ALIGNED if aligned else 1


@lru_cache(maxsize=256)
def _needs(version: str) -> str:
    number = release_number(version)
    if number < _NEEDS_OF_LAYERS_UNTIL:
        return "layers"
    return "first group" if number < _NEEDS_OF_FIRST_GROUP_UNTIL else "groups"


def bytes_per_token(model: Model, flags: EffectiveFlags, engine: EngineRelease) -> int:
    """Return the cache bytes of one more token of context, over all layers of one rank.

    Sliding and chunked layers, once past their window, and states grow no more.
    """
    return max(layout.token_bytes for layout in stage_layouts(model, flags, engine))


def sequences_that_fit(sizing: Sizing, tokens_per_sequence: int, *, confidence: float = 0.5) -> int:
    """Return how many sequences of *tokens_per_sequence* the pool of *sizing* holds at once.

    Rounded down to whole blocks; at *confidence* 0.5 the expected pool, above it the pool that
    is exceeded with that probability. ``max-num-seqs`` is not applied.
    """
    layout = kv_layout(sizing.model, sizing.flags, sizing.engine)
    blocks = max(0, sizing.kv.blocks.at_least(confidence))
    each = layout.blocks_of(tokens_per_sequence)
    return blocks // each if each else sizing.flags.max_num_seqs


def tokens_logged(
    layout: BlockLayout[Whole], blocks: Whole, max_len: Whole, engine: EngineRelease
) -> Whole:
    """Return the "GPU KV cache size" that this release logs for *blocks*."""
    if not layout.groups:
        return 0 * blocks
    shortest = min(group.block_tokens for group in layout.groups)
    if engine.token_log == "concurrency" and len(layout.groups) > 1:  # noqa: S105 - no password
        return cut(max_concurrency(layout, blocks, max_len, engine) * max_len)
    return blocks // len(layout.groups) * shortest


@overload
def max_concurrency(
    layout: BlockLayout[int], blocks: int, max_len: int, engine: EngineRelease
) -> float: ...
@overload
def max_concurrency(
    layout: BlockLayout[Wholes], blocks: Wholes, max_len: Wholes, engine: EngineRelease
) -> Reals: ...
def max_concurrency(
    layout: BlockLayout[Whole], blocks: Whole, max_len: Whole, engine: EngineRelease
) -> float | Reals:
    """Return the "Maximum concurrency" of requests of *max_len* tokens that is logged."""
    usable = larger(blocks - 1 if engine.null_block else blocks, 0)
    return ratio(usable, layout.blocks_of(max_len), otherwise=0.0)


@lru_cache(maxsize=8192)
def _layouts(model: Model, rules: _Rules) -> tuple[KvLayout, ...]:
    layouts, start = [], 0
    for count in layers_per_stage(len(model.layers), rules.pipeline_parallel):
        layouts.append(_layout(model.layers[start : start + count], rules))
        start += count
    return tuple(layouts)


def _layout(layers: tuple[Layer, ...], rules: _Rules) -> KvLayout:
    buckets: dict[PageKind, int] = {}
    for layer in layers:
        page = _page(layer.mixer, rules)
        if page is not None:
            buckets[page] = buckets.get(page, 0) + 1
    token_bytes = sum(
        page.size_bytes * count for page, count in buckets.items() if page.kind == "full"
    ) or sum(page.size_bytes * count for page, count in buckets.items() if page.kind != "state")
    if _uniform(buckets):
        each = sum(page.size_bytes * count for page, count in buckets.items()) * rules.block_tokens
        groups = tuple(
            KvGroup(page, sum(buckets.values()), rules.block_tokens) for page in list(buckets)[:1]
        )
    else:
        groups, each = _hybrid_groups(buckets, rules)
    dealt = rules.context_parallel
    if dealt > 1:  # a block of each rank then stands for so many times its tokens of context
        groups = tuple(replace(group, block_tokens=group.block_tokens * dealt) for group in groups)
        token_bytes = -(-token_bytes // dealt)
    return BlockLayout(groups, each, token_bytes, 1, rules.state_blocks, rules.needs)


def _uniform(buckets: dict[PageKind, int]) -> bool:
    """One kind of page: its sizes may differ, block tables are shared (UniformTypeKVCacheSpecs)."""
    kinds = {(page.kind, page.span_tokens) for page in buckets}
    return len(kinds) <= 1 and "state" not in {kind for kind, _ in kinds}


def _hybrid_groups(buckets: dict[PageKind, int], rules: _Rules) -> tuple[tuple[KvGroup, ...], int]:
    block, page_bytes = _unified_page(buckets, rules)
    shortest, longest = min(buckets.values()), max(buckets.values())
    over = _SHORTEST_OVER.get(rules.grouping, Fraction(1))
    length = longest if longest < shortest * over else shortest
    groups: list[KvGroup] = []
    for page, count in buckets.items():
        tokens = block
        if page.kind != "state" and page_bytes % page.size_bytes == 0:
            tokens = page_bytes // page.size_bytes
        parts = -(-count // length)
        groups += [KvGroup(page, -(-(count - part) // parts), tokens) for part in range(parts)]
    return tuple(groups), page_bytes * max(group.layers for group in groups)


def _unified_page(buckets: dict[PageKind, int], rules: _Rules) -> tuple[int, int]:
    """Return the block size of attention layers and the one page size that all are padded to."""
    widest = max((page.size_bytes for page in buckets if page.kind != "state"), default=0)
    state = max((page.size_bytes for page in buckets if page.kind == "state"), default=0)
    block = rules.block_tokens
    if state and widest:
        block = max(block, 16 * -(-state // (16 * widest)))
    return block, max(block * widest, state)


def _page(mixer: Mixer, rules: _Rules) -> PageKind | None:
    if isinstance(mixer, Attention):
        return _attention_page(mixer, rules)
    if isinstance(mixer, LatentAttention):
        row = (mixer.latent_dim + mixer.rope_dim) * rules.value_bytes
        if mixer.index_dim is not None:
            row += mixer.index_dim + mixer.index_dim // _INDEX_BLOCK * _INDEX_SCALE_BYTES
        return PageKind("full", row)
    if isinstance(mixer, StateSpace):
        values = mixer.conv_values * 2 + mixer.ssm_values * mixer.ssm_bytes_per_value
        return PageKind("state", -(-values // rules.tensor_parallel))
    return None


def _attention_page(mixer: Attention, rules: _Rules) -> PageKind | None:
    if mixer.shares_kv:
        return None
    heads = max(1, mixer.kv_heads // rules.tensor_parallel)
    size = heads * (mixer.key_dim + mixer.value_dim) * rules.value_bytes
    if rules.grouping == "none":
        return PageKind("full", size)
    if mixer.window_tokens is not None:
        return PageKind("sliding", size, mixer.window_tokens)
    if mixer.chunk_tokens is not None:
        return PageKind("chunked", size, mixer.chunk_tokens)
    return PageKind("full", size)
