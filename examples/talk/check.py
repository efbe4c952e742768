"""Ask rightslice what the talk's slides decided, and print both answers side by side.

"Load-Aware GPU Fractioning for LLM Inference on Kubernetes" (KubeCon North America 2024) shows
two decisions: opt-1.3b at 128 in, 128 out, 64 concurrent and 30 ms a token takes ``2g.10gb`` of an
A100-40; and at 50 ms a token a load of 8, 16 and 64 takes ``1g.20gb``, ``3g.40gb`` and the whole
A100-80. The second slide names neither model nor lengths: Mistral-7B w8a16, the talk's other demo
model, at 512 in and 128 out is our reading of it. The demo image is vLLM v0.6.3, so that is the
release asked for; the newest one is printed beside it. Run with::

    .venv/bin/python examples/talk/check.py

The exit code is 1 when an answer at the point estimate differs from a slide.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from rightslice import Catalog, fit
from rightslice.core.catalog.instance import PriceKind
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.question import Question
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive, MigSlice
from rightslice.core.catalog.traffic import ClosedLoop, Slo, Traffic
from rightslice.core.fit.market import instance_offers
from rightslice.core.fit.result import Candidate, Offer, Recommendation
from rightslice.edge.constants import fitted_constants

WHOLE = "whole"
TALK = "0.6.3"
CATALOG = Catalog()

OPT = "facebook/opt-1.3b"
MISTRAL = "neuralmagic/Mistral-7B-Instruct-v0.3-quantized.w8a16"
LLAMA = "meta-llama/Meta-Llama-3-8B"

A100_40 = ("1g.5gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb")
A100_80 = ("1g.20gb", "3g.40gb", "4g.40gb", WHOLE)
A100_80_ALL = ("1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb", WHOLE)


@dataclass(frozen=True)
class Case:
    """One decision: what is served, on what it may run, and what the slide took."""

    model: str
    instance: str
    offered: tuple[str, ...]
    tokens: tuple[int, int]
    concurrency: int
    tpot_seconds: float
    slide: str | None
    version: str | None = TALK
    """vLLM release; None: the newest known."""


CASES = (
    Case(OPT, "p4d.24xlarge", A100_40, (128, 128), 64, 0.030, "2g.10gb"),
    Case(MISTRAL, "p4de.24xlarge", A100_80, (512, 128), 8, 0.050, "1g.20gb"),
    Case(MISTRAL, "p4de.24xlarge", A100_80, (512, 128), 16, 0.050, "3g.40gb"),
    Case(MISTRAL, "p4de.24xlarge", A100_80, (512, 128), 64, 0.050, WHOLE),
)
BESIDE = (
    Case(OPT, "p4d.24xlarge", (*A100_40, "1g.10gb"), (128, 128), 64, 0.030, None),
    *(
        Case(model, "p4de.24xlarge", A100_80_ALL, (512, 128), concurrency, 0.050, None, version)
        for version in (TALK, None)
        for model in (MISTRAL, LLAMA)
        for concurrency in (8, 16, 64)
    ),
)


def share_name(offer: Offer) -> str:
    """Return the profile of *offer*, or ``whole``."""
    share = offer.device.share
    return str(share.profile) if isinstance(share, MigSlice) else WHOLE


def offers(case: Case) -> tuple[Offer, ...]:
    """Return what the case may choose from, on one card of its instance type."""
    instance = CATALOG.instance(case.instance)
    price = CATALOG.price(case.instance, region=None, kind=PriceKind.ON_DEMAND)
    found = instance_offers(instance, price, CATALOG.gpu(str(instance.gpu)))
    return tuple(
        offer
        for offer in found
        if offer.tensor_parallel == 1
        and isinstance(offer.device.share, Exclusive | MigSlice)
        and share_name(offer) in case.offered
    )


def answer(case: Case, confidence: float) -> Recommendation:
    """Return what rightslice decides at *confidence*."""
    question = Question(
        model=CATALOG.model(case.model),
        engine=CATALOG.engine(case.version),
        server=ServerConfig(),
        traffic=Traffic(
            load=ClosedLoop(concurrency=case.concurrency),
            input=Lengths.fixed(case.tokens[0]),
            output=Lengths.fixed(case.tokens[1]),
        ),
        slo=Slo(tpot_seconds=case.tpot_seconds),
        confidence=confidence,
    )
    return fit(question, offers(case), constants=fitted_constants())


def taken(recommendation: Recommendation) -> str:
    """Return the profile that was chosen, or ``none``."""
    return "none" if recommendation.chosen is None else share_name(recommendation.chosen.offer)


def tpot_text(candidate: Candidate | None) -> str:
    """Return the chosen offer's TPOT with its 90 % band, in milliseconds."""
    if candidate is None or candidate.prediction is None:
        return "-"
    mean = candidate.prediction.tpot.mean
    return f"{mean.expected * 1e3:.1f} ({mean.low * 1e3:.1f} to {mean.high * 1e3:.1f})"


def report(cases: tuple[Case, ...]) -> int:
    """Print one line a case and return how many differ from their slide."""
    wrong = 0
    for case in cases:
        half, sure = answer(case, 0.5), answer(case, 0.9)
        wrong += case.slide is not None and taken(half) != case.slide
        print(
            f"{case.model.split('/')[1][:24]:24}  {half.question.engine_version:7}"
            f" {case.tokens[0]:>4}/{case.tokens[1]:<4}"
            f" {case.concurrency:>4}  {case.tpot_seconds * 1e3:>4.0f} ms  {case.slide or '-':8}"
            f"  {taken(half):8}  {taken(sure):8}  {tpot_text(half.chosen)}"
        )
    return wrong


def main() -> int:
    """Print the slides' decisions, then the same questions with every profile offered."""
    heading = (
        f"{'model':24}  {'vLLM':7} {'tokens':>9} {'C':>4}  {'TPOT':>7}  {'slide':8}  {'at 50 %':8}"
        f"  {'at 90 %':8}  TPOT at 50 %, ms"
    )
    print("The slides' own offers")
    print(heading)
    wrong = report(CASES)
    print("\nThe same questions with every profile offered, and Llama-3-8B beside them")
    print(heading)
    report(BESIDE)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
