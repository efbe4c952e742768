"""The smallest and cheapest offer that holds a load within its targets, over every offer.

Exhaustive: each offer is judged with flags sized to the load (`flags`), at the confidence asked
for. Cheapest first; offers without a price come after those with one, by the part of a card they
take. Ties go to the offer with more room to its targets. When none holds, the one that holds most
of the load is returned, with what it falls short by.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction

from rightslice.core.catalog.gpu import LinkKind
from rightslice.core.catalog.model import Attention, LatentAttention, Model
from rightslice.core.catalog.question import Isolation, Question
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive, is_hardware_isolated
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.fit.flags import startable, variants
from rightslice.core.fit.result import Candidate, Constraint, Holds, Offer, Recommendation, Refused
from rightslice.core.fit.trial import Trial, furthest, load_size
from rightslice.errors import InputError


def fit(
    question: Question, offers: Sequence[Offer], *, constants: FittedConstants
) -> Recommendation:
    """Return the cheapest of *offers* that holds the load, and why every other one was not taken.

    Raises:
        InputError: when there is no offer at all.
    """
    if not offers:
        raise InputError("there is no offer to choose from")
    candidates = judge_all(question, offers, constants)
    chosen = cheapest(candidates)
    certain = question.confidence > 0.5
    relaxed = replace(question, confidence=0.5)
    at_half = chosen
    if certain:
        at_half = cheapest(judge_all(relaxed, _no_dearer(offers, chosen), constants))
    return Recommendation(
        question=question,
        chosen=chosen,
        best_effort=None if chosen is not None else _best_effort(question, candidates, constants),
        at_point_estimate=None if at_half is None else at_half.offer.name,
        candidates=candidates,
        notes=_notes(question, offers),
    )


def _no_dearer(offers: Sequence[Offer], chosen: Candidate | None) -> Sequence[Offer]:
    """Return the offers that less certainty could choose: it asks *chosen* for no more replicas."""
    if chosen is None or chosen.holds is None or chosen.holds.usd_per_hour is None:
        return offers
    most = chosen.holds.usd_per_hour
    return [o for o in offers if o.usd_per_hour is not None and o.usd_per_hour <= most]


def judge_all(
    question: Question, offers: Iterable[Offer], constants: FittedConstants
) -> tuple[Candidate, ...]:
    """Return every offer judged, cheapest first; equal devices are judged once."""
    judged: dict[tuple[object, ...], Candidate] = {}
    candidates = []
    for offer in offers:
        device = offer.device
        key = (device.label, device.memory_bytes, offer.tensor_parallel)
        if key not in judged:
            judged[key] = judge(question, offer, constants)
        candidates.append(_repriced(judged[key], offer))
    return tuple(sorted(candidates, key=price_order))


def _repriced(candidate: Candidate, offer: Offer) -> Candidate:
    if candidate.offer is offer:
        return candidate
    outcome = candidate.outcome
    if isinstance(outcome, Holds):
        cost = offer.usd_per_hour
        outcome = replace(outcome, usd_per_hour=None if cost is None else cost * outcome.replicas)
    return replace(candidate, offer=offer, outcome=outcome)


def price_order(candidate: Candidate) -> tuple[object, ...]:
    """Return a sort key: dollars an hour, part of a card, room to the targets, then memory."""
    holds = candidate.holds
    replicas = 1 if holds is None else holds.replicas
    cost, cards = candidate.offer.usd_per_hour, candidate.offer.cards
    return (
        cost is None,
        cost * replicas if cost is not None else Fraction(0),
        cards * replicas if cards is not None else Fraction(1000),
        -(holds.headroom_ratio if holds is not None else 0.0),
        candidate.offer.device.memory_bytes,
        candidate.offer.name,
    )


def cheapest(candidates: Iterable[Candidate]) -> Candidate | None:
    """Return the first candidate, in price order, that holds the load."""
    return min((c for c in candidates if c.holds is not None), key=price_order, default=None)


def judge(question: Question, offer: Offer, constants: FittedConstants) -> Candidate:
    """Return *offer*'s outcome: the first flags that hold with fewest replicas, or the refusal."""
    refused = _refused_early(question, offer)
    if refused is not None:
        return Candidate(offer=offer, outcome=refused, sizing=None, prediction=None)
    tried: list[Candidate] = []
    holding: list[Candidate] = []
    server = question.server
    if offer.tensor_parallel != server.tensor_parallel:
        server = server.choosing(tensor_parallel=offer.tensor_parallel)
    for flags in _flags(question, offer, server, constants):
        trial = Trial(question=question, offer=offer, server=flags, constants=constants)
        try:
            candidate = trial.judge()
        except InputError as error:
            return Candidate(offer=offer, outcome=_unknown(error), sizing=None, prediction=None)
        if candidate.holds is None:
            tried.append(candidate)
        elif candidate.holds.replicas == question.min_replicas:
            return candidate
        else:
            holding.append(candidate)
    return min(holding, key=_replicas) if holding else furthest(tried)


def _flags(
    question: Question, offer: Offer, server: ServerConfig, constants: FittedConstants
) -> Iterable[ServerConfig]:
    if not question.flags_open:
        return (server,)
    server = startable(server, question.engine, offer.device, constants.memory.context)
    return variants(server, question.traffic, question.model.max_position)


def _replicas(candidate: Candidate) -> int:
    return 0 if candidate.holds is None else candidate.holds.replicas


def _refused_early(question: Question, offer: Offer) -> Refused | None:
    share = offer.device.share
    if question.isolation is Isolation.HARDWARE and not is_hardware_isolated(share):
        return _refusal(
            Constraint.ISOLATION,
            "time slices and MPS shares have no memory or fault isolation; hardware is asked for",
            "isolation: none",
        )
    return _topology(question, offer)


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


def _best_effort(
    question: Question, candidates: Sequence[Candidate], constants: FittedConstants
) -> Candidate | None:
    """Return the refused candidate that holds most of the load, with how much that is."""
    best: Candidate | None = None
    for candidate in candidates:
        if candidate.sizing is None or not isinstance(candidate.outcome, Refused):
            continue
        held = _held_load(question, candidate, constants)
        measured = replace(candidate, outcome=replace(candidate.outcome, held_load=held))
        if best is None or _capability(measured) > _capability(best):
            best = measured
    return best


def _held_load(question: Question, candidate: Candidate, constants: FittedConstants) -> float:
    assert candidate.sizing is not None
    trial = Trial(
        question=question,
        offer=candidate.offer,
        server=candidate.sizing.server,
        constants=constants,
    )
    return min(trial.largest() * question.max_replicas, load_size(question.traffic))


def _capability(candidate: Candidate) -> tuple[float, bool, float, int]:
    outcome, sizing = candidate.outcome, candidate.sizing
    assert isinstance(outcome, Refused)
    assert sizing is not None
    bandwidth = candidate.offer.device.bandwidth_bytes_per_second or 0.0
    ranks = candidate.offer.tensor_parallel
    return (
        outcome.held_load or 0.0,
        candidate.prediction is not None,
        bandwidth * ranks,
        candidate.offer.device.memory_bytes * ranks,
    )


def _notes(question: Question, offers: Sequence[Offer]) -> tuple[str, ...]:
    notes = list(question.model.assumptions)
    unpriced = sorted({offer.pool for offer in offers if offer.usd_per_hour is None})
    if unpriced:
        notes.append(
            f"no price is known for {', '.join(unpriced)}: give it with --prices; until then these"
            " offers come after the priced ones, smallest part of a card first"
        )
    return tuple(notes)
