"""One question answered afresh: every offer judged, the cheapest that holds taken.

At the confidence asked for, and once more at 50 %, over the offers that are no dearer: what
certainty costs.
"""

from __future__ import annotations

from collections.abc import Sequence

from rightslice.core.catalog.question import Question
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.fit.judge import EVEN
from rightslice.core.fit.result import Candidate, Offer, Recommendation
from rightslice.core.fit.survey import FEW, Survey
from rightslice.errors import InputError


def recommend(
    question: Question, offers: Sequence[Offer], constants: FittedConstants, *, few: int = FEW
) -> Recommendation:
    """Return what `fit` returns, worked out afresh; up to *few* servers one by one.

    Raises:
        InputError: when there is no offer at all.
    """
    if not offers:
        raise InputError("there is no offer to choose from")
    survey = Survey(question, offers, constants, few=few)
    candidates = survey.candidates(question.confidence)
    chosen = next((candidate for candidate in candidates if candidate.replicas), None)
    at_half = chosen
    if question.confidence > EVEN:
        at_half = survey.cheapest(EVEN, _no_dearer(offers, chosen))
    return Recommendation(
        question=question,
        chosen=chosen,
        best_effort=None if chosen is not None else survey.best_effort(candidates),
        at_point_estimate=None if at_half is None else at_half.offer.name,
        candidates=candidates,
        notes=(*_notes(question, offers), *_cache_notes(question, chosen)),
    )


def _no_dearer(offers: Sequence[Offer], chosen: Candidate | None) -> Sequence[Offer]:
    """Return the offers that less certainty could choose: it asks *chosen* for no more replicas."""
    most = None if chosen is None else chosen.usd_per_hour
    if most is None:
        return offers
    return [o for o in offers if o.usd_per_hour is not None and o.usd_per_hour <= most]


def _notes(question: Question, offers: Sequence[Offer]) -> tuple[str, ...]:
    notes = list(question.model.assumptions)
    unpriced = sorted({offer.pool for offer in offers if offer.usd_per_hour is None})
    if unpriced:
        notes.append(
            f"no price is known for {', '.join(unpriced)}: give it with --prices; until then these"
            " offers come after the priced ones, smallest part of a card first"
        )
    return tuple(notes)


def _cache_notes(question: Question, chosen: Candidate | None) -> tuple[str, ...]:
    """Say what a KV cache in 8 bit costs, where it was chosen.

    Scales: vllm docs/features/quantization/quantized_kvcache.md.
    """
    if chosen is None or not question.kv_cache_dtypes:
        return ()
    sizing = chosen.sizing
    if sizing is None or "kv_cache_dtype" not in sizing.server.chosen:
        return ()
    note = (
        f"kv-cache-dtype {sizing.flags.kv_cache_dtype} was chosen: it holds twice the tokens, and"
        " keys and values lose precision (without scales in the checkpoint vLLM takes 1.0); compare"
        " answers on your own task before you rely on it"
    )
    return (note,)
