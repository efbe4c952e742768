"""Peak activation memory of the profile run: the sampler or the forward pass, whichever is larger.

vLLM runs one forward pass of ``max-num-batched-tokens`` dummy tokens, then samples for
``max-num-seqs`` rows over the whole vocabulary (``gpu_model_runner.profile_run``)::

    sampler = rows * vocabulary * c + 1.32 * tokens * hidden * dtype + fixed + expert workspaces
    forward = tokens * (6 * intermediate / tp + 6 * hidden) + fixed, or with expert workspaces

c is the bytes that live per logit (14.5: 16-bit logits, fp32 logits, probabilities and noise make
14; 38.2 where PyTorch sorts). Logits are whole on every rank, so tensor parallelism does not shrink
them; only the last pipeline stage has them. A vision tower runs first, over the largest item; its
width is estimated from its parameters, hence the wider band where it rules.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Generic

from rightslice.core.catalog.estimate import Band
from rightslice.core.catalog.model import Layer, Part, StateSpace
from rightslice.core.sizing.amounts import Whole, larger, rounded, smaller, where_equal
from rightslice.core.sizing.parameters import UNFUSED_EXPERTS, StageWeights
from rightslice.core.sizing.startup import Startup, Step
from rightslice.units import format_bytes

_LOGIT_BYTES_IN_C: Final = 2
"""c counts 16-bit logits; float32 ones take this much more."""


@dataclass(frozen=True, slots=True)
class ActivationPeak:
    """Both phases of the profile run on one rank."""

    sampler_bytes: int
    """0 on every pipeline stage but the last."""
    forward_bytes: int
    formula: str
    band: Band

    @property
    def expected(self) -> int:
        """The larger phase."""
        return self.band.expected


@dataclass(frozen=True, slots=True)
class _Widths:
    """The widest layer of a stage."""

    intermediate: int
    expert_values: int
    """Widest workspace of routed experts, in values a token."""
    keeps_state: bool
    """Whether some layer is a state space."""


@dataclass(frozen=True, slots=True)
class Phases(Generic[Whole]):
    """Bytes of each phase and of the larger one, of one configuration or of many alike."""

    sampler: Whole
    forward: Whole
    encoder: Whole
    band: tuple[Whole, Whole, Whole]
    """Low, expected and high of the peak."""
    workspaces: Whole
    """What stays allocated throughout, in either phase."""


def activation_peak(startup: Startup, stage: StageWeights) -> ActivationPeak:
    """Return the peak of the profile run on one rank of *stage*."""
    found = profile_phases(startup, stage, startup.step)
    peak = Band(*found.band)
    if found.encoder > max(found.sampler, found.forward):
        patches = _profiled_encoder_tokens(startup, startup.step)
        known = startup.coefficients.activation
        formula = f"vision tower: {patches} tokens of {known.encoder_patches} patches"
    elif found.sampler >= found.forward:
        formula = _sampler_formula(startup, found.workspaces + _sampler_workspace(startup))
    else:
        formula = _forward_formula(startup, stage, found.workspaces)
    return ActivationPeak(found.sampler, found.forward, formula, peak)


def profile_phases(startup: Startup, stage: StageWeights, step: Step[Whole]) -> Phases[Whole]:
    """Return the phases of a profile run of *step* on one rank of *stage*."""
    flags, model, known = startup.flags, startup.model, startup.coefficients.activation
    tokens, width = step.tokens, startup.dtype_bytes
    widths = _widths(stage, model.hidden_size, flags.tensor_parallel)
    hidden = tokens * model.hidden_size * width
    base = known.fixed_bytes + tokens * widths.expert_values * width
    if flags.pipeline_parallel > 1:
        ends = (1 if stage.is_last else 2) * known.pipeline_hidden_bytes
        base = base + rounded(ends * tokens * model.hidden_size * width / 2)
    forward_values = (
        known.forward_intermediate_bytes * widths.intermediate
        + known.forward_hidden_bytes * model.hidden_size
    )
    forward = rounded(base + tokens * forward_values * width / 2)
    patches = _profiled_encoder_tokens(startup, step) if stage.is_first else 0 * tokens
    encoder = _encoder_peak(startup, patches)
    sampler = fused = drafted = 0 * tokens
    if stage.is_last:
        kept = patches * model.hidden_size * width + _sampler_workspace(startup)
        logits = step.rows * model.vocab_size * _bytes_per_logit(startup)
        times, more = _draft_rows(model.draft_tokens)
        sampler = rounded(base + times * logits + known.sampler_hidden_factor * hidden + kept)
        fused = sampler - _saved_without_sort(startup, step) - rounded((times - 1) * logits)
        drafted = rounded(more * logits)
    expected = larger(larger(sampler, forward), encoder)
    usual = _spread_ratio(startup, keeps_state=widths.keeps_state)
    ratio = where_equal(encoder, expected, known.encoder_spread_ratio, usual)
    spread = rounded(expected * ratio) + known.spread_bytes
    lowest = larger(larger(forward, encoder), fused) - spread
    band = (larger(lowest, 0), expected, expected + spread + drafted)
    return Phases(sampler, forward, encoder, band, base)


def _draft_rows(draft_tokens: int) -> tuple[int, int]:
    """Return how often a sequence is sampled in the profile run, and how many rows may come on top.

    Beside a draft the run samples twice (``_dummy_sampler_run``: the sampler's row and the
    rejection sampler's); a step of a full server has a row for each proposed token and one more.
    """
    return (2, draft_tokens - 1) if draft_tokens else (1, 0)


def _bytes_per_logit(startup: Startup) -> float:
    return startup.engine.sampler_bytes_per_logit + startup.dtype_bytes - _LOGIT_BYTES_IN_C


def _sampler_workspace(startup: Startup) -> int:
    """Return what fused kernels keep beside the logits; where PyTorch sorts there is none."""
    known = startup.coefficients.activation
    fused = _bytes_per_logit(startup) < known.sorting_bytes_per_logit
    return known.sampler_workspace_bytes if fused else 0


def _spread_ratio(startup: Startup, *, keeps_state: bool) -> float:
    """Return the band's half width: wider for what no logged start has told."""
    known = startup.coefficients.activation
    told = startup.model.encoder_tokens == 0 and not startup.engine.graphs_in_budget
    told = told and startup.model.draft_tokens == 0
    dealt = startup.flags.decode_context_parallel > 1
    return known.spread_ratio if told and not (keeps_state or dealt) else known.extrapolated_ratio


def _saved_without_sort(startup: Startup, step: Step[Whole]) -> Whole:
    """Return what a fused sampler would save where PyTorch sorts by default.

    FlashInfer, once installed or asked for, decides it, and no flag of the server tells.
    """
    known = startup.coefficients.activation
    if _bytes_per_logit(startup) < known.sorting_bytes_per_logit:
        return 0 * step.rows
    saved = startup.engine.sampler_bytes_per_logit - known.fused_bytes_per_logit
    return rounded(step.rows * startup.model.vocab_size * saved)


def _profiled_encoder_tokens(startup: Startup, step: Step[Whole]) -> Whole:
    """Return the tokens of the multimodal items that the profile run feeds."""
    item = startup.model.encoder_tokens
    if item == 0:
        return 0 * step.tokens
    return larger(step.tokens // item, 1) * smaller(step.length, item)


def _encoder_peak(startup: Startup, tokens: Whole) -> Whole:
    """Return the peak of the tower over those items; its width follows from its parameters."""
    known, model = startup.coefficients.activation, startup.model
    if model.encoder_tokens == 0:
        return 0 * tokens
    parameters = model.parameters - model.text_parameters
    width = math.sqrt(parameters / (12 * known.encoder_depth))
    values = tokens * known.encoder_patches * width
    return rounded(values * known.encoder_hidden_bytes * startup.dtype_bytes / 2)


@lru_cache(maxsize=4096)
def _widths(stage: StageWeights, hidden: int, tensor_parallel: int) -> _Widths:
    layers = stage.layers
    return _Widths(
        intermediate=max((layer.mlp_width for layer in layers), default=0) // tensor_parallel,
        expert_values=max(
            (_workspace_values(hidden, layer, tensor_parallel) for layer in layers), default=0
        ),
        keeps_state=any(isinstance(layer.mixer, StateSpace) for layer in layers),
    )


def _workspace_values(hidden: int, layer: Layer, tensor_parallel: int) -> int:
    """Return the fused experts' two workspaces, in values a token (fused_moe/modular_kernel.py)."""
    experts = layer.experts
    formats = {group.format.name for group in layer.parameters if group.part is Part.EXPERT}
    if experts is None or formats & UNFUSED_EXPERTS:
        return 0
    width = experts.width // tensor_parallel
    return experts.per_token * (max(hidden, 2 * width) + max(hidden, width))


def _sampler_formula(startup: Startup, base: int) -> str:
    model, flags, per_logit = startup.model, startup.flags, _bytes_per_logit(startup)
    factor = startup.coefficients.activation.sampler_hidden_factor
    return (
        f"sampler: {startup.sampling_rows} rows x {model.vocab_size} vocabulary x {per_logit:g} B"
        f" + {factor:g} x {flags.max_num_batched_tokens} tokens x {model.hidden_size} hidden"
        f" x {startup.dtype_bytes} B + {format_bytes(base)}"
    )


def _forward_formula(startup: Startup, stage: StageWeights, base: int) -> str:
    known = startup.coefficients.activation
    widths = _widths(stage, startup.model.hidden_size, startup.flags.tensor_parallel)
    return (
        f"forward pass: {startup.flags.max_num_batched_tokens} tokens"
        f" x ({known.forward_intermediate_bytes:g} B x {widths.intermediate} intermediate"
        f" + {known.forward_hidden_bytes:g} B x {startup.model.hidden_size} hidden)"
        f" + {format_bytes(base)}"
    )
