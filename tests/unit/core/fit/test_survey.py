"""Offers are judged once a device; calibrated boards and unknown figures do not disturb others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.question import Question
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive
from rightslice.core.catalog.traffic import ClosedLoop, Load, OpenLoop, Slo, Traffic
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.fit.judge import judge
from rightslice.core.fit.market import unpriced_offers
from rightslice.core.fit.recommend import recommend
from rightslice.core.fit.result import Constraint, Offer, Refused
from rightslice.core.fit.survey import Survey
from rightslice.core.perf.calibrate import calibrate
from rightslice.core.perf.calibration import Calibration, architecture_of
from rightslice.core.perf.observation import Observation, TpotKind
from rightslice.core.perf.work import ServedAs
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import fitted_constants

CATALOG, CONSTANTS = Catalog(), fitted_constants()
LLAMA, H100 = CATALOG.model("meta-llama/Llama-3.1-8B-Instruct"), CATALOG.gpu("H100-SXM-80GB")
OFFERS = tuple(
    offer
    for name in ("H100-SXM-80GB", "H200-SXM-141GB", "A100-SXM-40GB", "L4-24GB")
    for offer in unpriced_offers(CATALOG.gpu(name))
)
CLIENTS, RATE = ClosedLoop(concurrency=40), OpenLoop(requests_per_second=4)


def _traffic(load: Load) -> Traffic:
    return Traffic(load=load, input=Lengths.fixed(512), output=Lengths.fixed(128))


def _ask(load: Load, **changes: Any) -> Question:  # noqa: ANN401 - fields of any type
    return Question(
        model=LLAMA, engine=CATALOG.engine(None), traffic=_traffic(load),
        **{"server": ServerConfig(), "slo": Slo(tpot_seconds=0.03, ttft_seconds=1), **changes},
    )  # fmt: skip


def _calibrated() -> FittedConstants:
    era = CONSTANTS.perf["2026"]
    points = [
        Observation(
            row=clients, source="test", engine="vllm", era="2026", model=LLAMA,
            device=device_of(H100, Exclusive()), served=ServedAs(), sequences=clients,
            traffic=_traffic(ClosedLoop(concurrency=clients)), chunk_tokens=8192, is_eager=False,
            tpot_kind=TpotKind.CLOSED_LOOP, is_static_ttft=False, is_vague=False,
            tpot_seconds=seconds, ttft_seconds=None,
        )
        for clients, seconds in ((1, 0.008), (64, 0.016))
    ]  # fmt: skip
    measured = Calibration(
        model=architecture_of(LLAMA), gpu="H100-SXM-80GB", engine_version="0.33.0", era="2026",
        date="2026-01", points=(), constants=calibrate(points, era).constants,
    )  # fmt: skip
    return replace(CONSTANTS, calibrations=(measured,))


def _alike(question: Question, offers: tuple[Offer, ...], constants: FittedConstants) -> None:
    for candidate in Survey(question, offers, constants, few=0).candidates(question.confidence):
        alone = judge(question, candidate.offer, constants)
        assert candidate.replicas == alone.replicas
        assert candidate.judgement.judged.outcome == alone.judgement.judged.outcome


@pytest.mark.parametrize("load", [CLIENTS, RATE])
def test_calibrated_boards_beside_others_are_judged_as_alone(load: Load) -> None:
    """Their tables hold points, the others' none."""
    constants = _calibrated()
    question = _ask(load, max_replicas=3)
    assert constants.on(question, OFFERS[0].device).anchors is not None
    _alike(question, OFFERS, constants)


@pytest.mark.parametrize("load", [CLIENTS, RATE])
def test_a_device_with_an_unknown_figure_does_not_stop_the_others(load: Load) -> None:
    """It is refused, with the figure that is wanted."""
    blank = replace(OFFERS[-1].device, bandwidth_bytes_per_second=None, memory_bytes=10**11)
    unknown = replace(OFFERS[-1], device=blank)
    question = _ask(load)
    _alike(question, (*OFFERS, unknown), CONSTANTS)
    outcome = judge(question, unknown, CONSTANTS).outcome
    assert isinstance(outcome, Refused)
    assert outcome.constraint is Constraint.UNKNOWN


def test_nothing_at_all_may_start() -> None:
    """A model too large for every offer is refused by memory in both ways."""
    question = replace(_ask(CLIENTS), model=CATALOG.model("meta-llama/Llama-3.1-70B-Instruct"))
    small = unpriced_offers(CATALOG.gpu("L4-24GB"), cards=1) * 3
    answer = recommend(question, small, CONSTANTS, few=0)
    assert answer.best_effort is not None
    assert {c.judgement for c in answer.candidates} == {answer.candidates[0].judgement}
    _alike(question, small, CONSTANTS)


def test_words_are_worked_out_when_they_are_read() -> None:
    """Order and replicas are known before."""
    first = Survey(_ask(RATE), OFFERS, CONSTANTS).candidates(0.9)[0]
    assert "judged" not in vars(first.judgement)
    assert first.outcome is first.outcome
    assert "judged" in vars(first.judgement)


def test_a_cache_in_eight_bit_is_told_of() -> None:
    """Chosen where 16 bit do not hold, marked, and with what it costs."""
    server = ServerConfig(max_model_len=2048)
    card = unpriced_offers(CATALOG.gpu("L4-24GB"), cards=1)
    question = _ask(ClosedLoop(concurrency=60), server=server, slo=Slo(tpot_seconds=0.5))
    assert recommend(question, card, CONSTANTS).chosen is None
    answer = recommend(replace(question, kv_cache_dtypes=("fp8",)), card, CONSTANTS)
    assert answer.chosen is not None
    assert answer.chosen.sizing is not None
    assert "kv_cache_dtype" in answer.chosen.sizing.server.chosen
    assert any("kv-cache-dtype fp8 was chosen" in note for note in answer.notes)
