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
from typing import Final

from rightslice.core.catalog.estimate import Band
from rightslice.core.catalog.model import Layer, Part, StateSpace
from rightslice.core.sizing.parameters import UNFUSED_EXPERTS, StageWeights
from rightslice.core.sizing.startup import Startup
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


def activation_peak(startup: Startup, stage: StageWeights) -> ActivationPeak:
    """Return the peak of the profile run on one rank of *stage*."""
    flags, model, known = startup.flags, startup.model, startup.coefficients.activation
    tokens, width = flags.max_num_batched_tokens, startup.dtype_bytes
    widths = _widths(stage, model.hidden_size, flags.tensor_parallel)
    workspace = tokens * widths.expert_values * width
    hidden = tokens * model.hidden_size * width
    base = known.fixed_bytes + workspace
    if flags.pipeline_parallel > 1:
        ends = 1 if stage.is_last else 2
        base += round(ends * known.pipeline_hidden_bytes * tokens * model.hidden_size * width / 2)
    forward_base = base
    forward = round(
        base
        + tokens
        * (
            known.forward_intermediate_bytes * widths.intermediate
            + known.forward_hidden_bytes * model.hidden_size
        )
        * width
        / 2
    )
    patches = _profiled_encoder_tokens(startup) if stage.is_first else 0
    kept = patches * model.hidden_size * width
    encoder = _encoder_peak(startup, patches)
    sampler = 0
    per_logit = startup.engine.sampler_bytes_per_logit + width - _LOGIT_BYTES_IN_C
    if stage.is_last:
        if per_logit < known.sorting_bytes_per_logit:
            base += known.sampler_workspace_bytes
        logits = startup.sampling_rows * model.vocab_size * per_logit
        sampler = round(base + logits + known.sampler_hidden_factor * hidden + kept)
    if encoder > max(sampler, forward):
        formula = f"vision tower: {patches} tokens of {known.encoder_patches} patches"
    elif sampler >= forward:
        formula = _sampler_formula(startup, per_logit, base)
    else:
        formula = _forward_formula(startup, widths, forward_base)
    expected = max(sampler, forward, encoder)
    ratio = known.encoder_spread_ratio if encoder == expected else _spread_ratio(startup, stage)
    spread = round(expected * ratio) + known.spread_bytes
    lowest = max(forward, encoder, sampler - _saved_without_sort(startup, per_logit, stage))
    peak = Band(max(0, lowest - spread), expected, expected + spread)
    return ActivationPeak(sampler, forward, formula, peak)


def _spread_ratio(startup: Startup, stage: StageWeights) -> float:
    """Return the band's half width: wider for what no logged start has told."""
    known = startup.coefficients.activation
    told = startup.model.encoder_tokens == 0 and not startup.engine.graphs_in_budget
    states = any(isinstance(layer.mixer, StateSpace) for layer in stage.layers)
    return known.spread_ratio if told and not states else known.extrapolated_ratio


def _saved_without_sort(startup: Startup, per_logit: float, stage: StageWeights) -> int:
    """Return what a fused sampler would save where PyTorch sorts by default.

    FlashInfer, once installed or asked for, decides it, and no flag of the server tells.
    """
    known = startup.coefficients.activation
    if not stage.is_last or per_logit < known.sorting_bytes_per_logit:
        return 0
    saved = startup.engine.sampler_bytes_per_logit - known.fused_bytes_per_logit
    return round(startup.sampling_rows * startup.model.vocab_size * saved)


def _profiled_encoder_tokens(startup: Startup) -> int:
    """Return the tokens of the multimodal items that the profile run feeds."""
    flags, item = startup.flags, startup.model.encoder_tokens
    if item == 0:
        return 0
    return max(1, flags.max_num_batched_tokens // item) * min(item, flags.max_model_len)


def _encoder_peak(startup: Startup, tokens: int) -> int:
    """Return the peak of the tower over those items; its width follows from its parameters."""
    if tokens == 0:
        return 0
    known, model = startup.coefficients.activation, startup.model
    parameters = model.parameters - model.text_parameters
    width = math.sqrt(parameters / (12 * known.encoder_depth))
    values = tokens * known.encoder_patches * width
    return round(values * known.encoder_hidden_bytes * startup.dtype_bytes / 2)


@lru_cache(maxsize=4096)
def _widths(stage: StageWeights, hidden: int, tensor_parallel: int) -> _Widths:
    layers = stage.layers
    return _Widths(
        intermediate=max((layer.mlp_width for layer in layers), default=0) // tensor_parallel,
        expert_values=max(
            (_workspace_values(hidden, layer, tensor_parallel) for layer in layers), default=0
        ),
    )


def _workspace_values(hidden: int, layer: Layer, tensor_parallel: int) -> int:
    """Return the fused experts' two workspaces, in values a token (fused_moe/modular_kernel.py)."""
    experts = layer.experts
    formats = {group.format.name for group in layer.parameters if group.part is Part.EXPERT}
    if experts is None or formats & UNFUSED_EXPERTS:
        return 0
    width = experts.width // tensor_parallel
    return experts.per_token * (max(hidden, 2 * width) + max(hidden, width))


def _sampler_formula(startup: Startup, per_logit: float, base: int) -> str:
    model, flags = startup.model, startup.flags
    factor = startup.coefficients.activation.sampler_hidden_factor
    return (
        f"sampler: {startup.sampling_rows} rows x {model.vocab_size} vocabulary x {per_logit:g} B"
        f" + {factor:g} x {flags.max_num_batched_tokens} tokens x {model.hidden_size} hidden"
        f" x {startup.dtype_bytes} B + {format_bytes(base)}"
    )


def _forward_formula(startup: Startup, widths: _Widths, base: int) -> str:
    known = startup.coefficients.activation
    return (
        f"forward pass: {startup.flags.max_num_batched_tokens} tokens"
        f" x ({known.forward_intermediate_bytes:g} B x {widths.intermediate} intermediate"
        f" + {known.forward_hidden_bytes:g} B x {startup.model.hidden_size} hidden)"
        f" + {format_bytes(base)}"
    )
