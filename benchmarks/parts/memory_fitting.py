"""What `memory_accuracy.py` compares: cases, their terms, and fits without a case's own model.

No script of its own. Refitted in each fold: every linear coefficient of the sampler phase and of
CUDA graphs, and the means of non-torch memory. Not refitted: the forward pass and the vision tower
(read in vLLM's source and in logs of an H200 slice), the experts' workspaces, the warm-up factors.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rightslice.core.sizing.graphs import captured_sizes
from rightslice.core.sizing.kernels import stage_kernels
from rightslice.core.sizing.stages import StagedSizing
from rightslice.edge.memory_coefficients import memory_coefficients
from rightslice.edge.startup_table import Row, number
from rightslice.units import GIB

KNOWN = memory_coefficients()
FIT_STEPS, FIT_FLOOR = 40, 0.002
PER_HUNDRED = 0.01
"""Constant features, in GiB: of the size of the other terms, so that the fit stays sound."""
THOUSANDS = 1000
"""Kernel arguments, in thousands of bytes: for the same reason."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the model says of one row."""

    staged: StagedSizing
    memory_known: bool


@dataclass(frozen=True, kw_only=True)
class Case:
    """A row with its prediction."""

    index: int
    row: Row
    prediction: Prediction

    @property
    def name(self) -> str:
        """The row's model, cut to a column."""
        return (self.row.get("model") or self.row.get("hf_id") or "not named")[:42]

    @property
    def group(self) -> str:
        """Rows of one architecture are left out together."""
        model = self.prediction.staged.startup.model
        return f"{model.family} {model.hidden_size} {len(model.layers)} {model.vocab_size}"

    def logged(self, column: str) -> int | None:
        """Return a GiB column in bytes."""
        value = number(self.row, column)
        return None if value is None else round(value * GIB)


def weights_of(case: Case) -> int:
    """Return predicted weights, the maximum over stages."""
    return case.prediction.staged.largest(lambda stage: stage.budget.weights).expected


def activation_of(case: Case) -> int:
    """Return the predicted activation peak, the maximum over stages."""
    return case.prediction.staged.largest(lambda stage: stage.budget.activation).expected


def graphs_of(case: Case) -> int:
    """Return predicted graph memory, the maximum over stages."""
    return case.prediction.staged.largest(lambda stage: stage.budget.graphs).expected


def pool_of(case: Case) -> int:
    """Return the predicted KV pool of the first stage."""
    return case.prediction.staged.first.budget.pool.expected


def sampler_features(case: Case) -> list[float] | None:
    """Return what the sampler phase is linear in; None where the forward pass rules."""
    startup, stage = case.prediction.staged.startup, case.prediction.staged.last
    if stage.activation.sampler_bytes < stage.activation.expected:
        return None
    flags, model = startup.flags, startup.model
    logits = float(startup.sampling_rows * model.vocab_size)
    sorts = startup.engine.sampler_bytes_per_logit >= KNOWN.activation.sorting_bytes_per_logit
    hidden = float(flags.max_num_batched_tokens * model.hidden_size * startup.dtype_bytes)
    constant = float(PER_HUNDRED * GIB)
    return [logits * (not sorts), logits * sorts, hidden, constant * (not sorts), constant]


def graph_features(case: Case) -> list[float] | None:
    """Return what graph memory is linear in; activations and split attention are computed."""
    startup, stage = case.prediction.staged.startup, case.prediction.staged.first
    graphs = captured_sizes(startup, startup.step) * startup.engine.graph_modes
    kernels = stage_kernels(stage.weights, lora=startup.lora_ranks > 0)
    return [float(PER_HUNDRED * GIB), float(kernels * graphs * THOUSANDS)]


def fitted(
    features: Sequence[list[float]], aims: Sequence[float], scales: Sequence[float]
) -> NDArray[np.float64]:
    """Return the linear coefficients with the least absolute errors, each over its scale."""
    scale = np.array(scales, dtype=np.float64)
    found, aim = np.array(features) / scale[:, None], np.array(aims, dtype=np.float64) / scale
    weights = np.ones(len(aim))
    fit: NDArray[np.floating[Any]] = np.zeros(found.shape[1])
    for _ in range(FIT_STEPS):
        root = np.sqrt(weights)
        fit, *_ = np.linalg.lstsq(found * root[:, None], aim * root, rcond=None)
        weights = 1 / np.maximum(np.abs(found @ fit - aim), FIT_FLOOR)
    return np.asarray(fit, dtype=np.float64)


def refitted(
    cases: Sequence[Case],
    column: str,
    features: Callable[[Case], list[float] | None],
    shipped: Callable[[Case], int],
    *,
    relative: bool,
) -> dict[int, float]:
    """Return each row's term, its linear coefficients fitted without the row's own model.

    What the shipped formula adds beyond the features (workspaces, logit width) is kept. With rows
    of one model only there is nothing to fit, and the shipped term stands.
    """
    usable = [
        (case, found, logged)
        for case in cases
        if (logged := case.logged(column)) is not None and logged > 0
        for found in [features(case)]
        if found is not None
    ]
    result: dict[int, float] = {case.index: shipped(case) for case in cases}
    if len({case.group for case, *_ in usable}) <= 1:
        return result
    every = np.array([found for _, found, _ in usable])
    now, *_ = np.linalg.lstsq(
        every, np.array([float(shipped(case)) for case, *_ in usable]), rcond=None
    )
    for group in {case.group for case, *_ in usable}:
        kept = [entry for entry in usable if entry[0].group != group]
        fit = fitted(
            [found for _, found, _ in kept],
            [logged - shipped(case) + float(np.dot(now, found)) for case, found, logged in kept],
            [logged if relative else GIB for *_, logged in kept],
        )
        for case, found, _ in usable:
            if case.group == group:
                result[case.index] += float(np.dot(fit - now, found))
    return result


def mean_non_torch(cases: Sequence[Case]) -> dict[int, float]:
    """Return each row's non-torch memory: the mean of other models in the same class."""
    result: dict[int, float] = {}
    for case in cases:
        shipped = case.prediction.staged.first.budget.non_torch
        others = [
            logged
            for other in cases
            if other.group != case.group
            and other.prediction.staged.first.budget.non_torch == shipped
            and (logged := other.logged("non_torch_gib")) is not None
        ]
        result[case.index] = statistics.fmean(others) if others else shipped.expected
    return result
