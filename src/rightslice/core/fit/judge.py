"""One offer under one question: what refuses it at sight, then every set of flags in turn.

The plain way to judge, one trial after another. `screen` does the same for many offers at once and
comes back here for the words.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rightslice.core.catalog.gpu import LinkKind
from rightslice.core.catalog.model import Attention, LatentAttention, Model
from rightslice.core.catalog.question import Isolation, Question
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive, is_hardware_isolated
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.fit.flags import Flags
from rightslice.core.fit.result import Candidate, Constraint, Judged, Offer, Refused
from rightslice.core.fit.trial import Trial, furthest
from rightslice.errors import InputError

EVEN: Final = 0.5
"""Confidence of the point estimate."""


def judge(question: Question, offer: Offer, constants: FittedConstants) -> Candidate:
    """Return *offer*'s outcome: the first flags that hold with fewest replicas, or the refusal."""
    refused = refused_at_sight(question, offer) or unmeasured(question, offer, constants)
    judged = Judged(outcome=refused, sizing=None, prediction=None) if refused else None
    if judged is None:
        servers = Flags(question, constants.memory.context).sets_for(offer)
        judged = judge_servers(question, offer, servers, constants)
    return Candidate(offer=offer, judgement=judged)


def judge_servers(
    question: Question, offer: Offer, servers: Iterable[ServerConfig], constants: FittedConstants
) -> Judged:
    """Return the outcome of the first of *servers* that holds, of those with fewest replicas."""
    tried: list[Judged] = []
    holding: list[Judged] = []
    for server in servers:
        trial = Trial(question=question, offer=offer, server=server, constants=constants)
        try:
            judged = trial.judge()
        except InputError as error:
            return Judged(outcome=_unknown(error), sizing=None, prediction=None)
        if not judged.replicas:
            tried.append(judged)
        elif judged.replicas == question.min_replicas:
            return judged
        else:
            holding.append(judged)
    return min(holding, key=lambda judged: judged.replicas) if holding else furthest(tried)


def refused_at_sight(question: Question, offer: Offer) -> Refused | None:
    """Return what refuses *offer* before anything is worked out, or None."""
    share = offer.device.share
    if question.isolation is Isolation.HARDWARE and not is_hardware_isolated(share):
        return _refusal(
            Constraint.ISOLATION,
            "time slices and MPS shares have no memory or fault isolation; hardware is asked for",
            "isolation: none",
        )
    return _topology(question, offer)


def unmeasured(question: Question, offer: Offer, constants: FittedConstants) -> Refused | None:
    """Return the refusal of a promise about a mode of sharing that nobody has measured, or None.

    The point estimate promises nothing, so that a confidence of 50 % is not refused.
    """
    if question.confidence <= EVEN or constants.is_measured(question, offer.device):
        return None
    return Refused(
        constraint=Constraint.UNMEASURED,
        reason=f"nobody has measured latencies on {offer.device.label}: no promise can be made",
        remedy="a confidence of 50%, or a calibration measured in this mode",
        needed=question.confidence,
        available=EVEN,
        unit="probability",
    )


def _topology(question: Question, offer: Offer) -> Refused | None:
    share, ranks = offer.device.share, offer.tensor_parallel
    if question.server.pipeline_parallel > 1:
        return _refusal(
            Constraint.TOPOLOGY,
            "stages of a pipeline are sized and predicted, but not offered",
            "pipeline-parallel-size 1",
        )
    if question.tensor_parallel is not None and ranks != question.tensor_parallel:
        return _refusal(
            Constraint.TOPOLOGY,
            f"tensor-parallel-size {question.tensor_parallel} is given, this offer has {ranks}",
            "leave tensor-parallel-size open",
        )
    if ranks > 1 and not isinstance(share, Exclusive):
        return _refusal(
            Constraint.TOPOLOGY,
            "slices of cards cannot work in parallel: there is no P2P between MIG instances",
            "tensor-parallel-size 1",
        )
    if ranks > 1 and offer.device.gpu.link is LinkKind.NONE:
        return _refusal(Constraint.TOPOLOGY, "its cards have no link", "tensor-parallel-size 1")
    heads = _query_heads(question.model)
    if heads is not None and heads % ranks:
        return _refusal(
            Constraint.TOPOLOGY,
            f"{heads} attention heads cannot be split over {ranks} GPUs",
            "a tensor-parallel size that divides the heads",
        )
    return None


def _query_heads(model: Model) -> int | None:
    for layer in model.layers:
        if isinstance(layer.mixer, Attention | LatentAttention):
            return layer.mixer.query_heads
    return None


def _refusal(constraint: Constraint, reason: str, remedy: str) -> Refused:
    return Refused(
        constraint=constraint, reason=reason, remedy=remedy, needed=1.0, available=0.0, unit=""
    )


def _unknown(error: InputError) -> Refused:
    return _refusal(Constraint.UNKNOWN, str(error), "give the figure")
