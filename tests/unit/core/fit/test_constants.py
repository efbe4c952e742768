"""Constants of a way of sharing are those measured in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.question import Isolation, Question
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive, MpsShare, Share, TimeSlice
from rightslice.core.catalog.traffic import ClosedLoop, Slo, Traffic
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.fit.judge import unmeasured
from rightslice.core.fit.market import unpriced_offers
from rightslice.core.fit.offers import shared
from rightslice.core.perf.calibration import Calibration
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import fitted_constants

CATALOG, SHIPPED = Catalog(), fitted_constants()
SHORT = Lengths.fixed(9)
L4, PAIR = CATALOG.gpu("L4"), MpsShare(replicas=2)
QUESTION = Question(
    model=CATALOG.model("facebook/opt-1.3b"), engine=CATALOG.engine(None), server=ServerConfig(),
    traffic=Traffic(load=ClosedLoop(concurrency=1), input=SHORT, output=SHORT),
    slo=Slo(tpot_seconds=0.03), isolation=Isolation.NONE,
)  # fmt: skip


def _measured(gpu: str = "L4-24GB", sharing: str = "mps/2") -> FittedConstants:
    era = SHIPPED.era(QUESTION.engine)
    made = Calibration(
        model="facebook/opt-1.3b", gpu=gpu, engine_version="0.33.0", era=era.era,
        date="2026-11-22", points=(),
        constants=replace(era, weight_ratio=9.0, measured_sharing=sharing, log_sd_shared=0.0),
    )  # fmt: skip
    return replace(SHIPPED, calibrations=(made,))


@pytest.mark.parametrize(
    ("share", "sharing", "gpu", "known"),
    [
        (PAIR, "mps/2", "L4-24GB", True),
        (PAIR, "mps/4", "L4-24GB", False),
        (PAIR, "", "L4-24GB", False),
        (PAIR, "mps/2", "A10G-24GB", False),
        (TimeSlice(replicas=2), "mps/2", "L4-24GB", False),
        (Exclusive(), "mps/2", "L4-24GB", True),
    ],
)
def test_a_mode_is_measured_on_its_board_and_in_itself(
    share: Share, sharing: str, gpu: str, known: object
) -> None:
    """Another number of clients, another board, or a card held alone say nothing of it."""
    constants = _measured(gpu, sharing)
    assert constants.is_measured(QUESTION, device_of(L4, share)) is known


def test_a_mode_takes_its_own_constants_and_no_other_does() -> None:
    """The card alone keeps the era's."""
    constants = _measured()
    assert constants.on(QUESTION, device_of(L4, PAIR)).weight_ratio == 9.0
    alone = constants.on(QUESTION, device_of(L4, Exclusive()))
    assert alone == SHIPPED.era(QUESTION.engine)


def test_what_was_measured_may_be_promised() -> None:
    """Without the calibration the same offer is refused at 90 %."""
    whole = next(o for o in unpriced_offers(L4) if o.tensor_parallel == 1)
    offer = shared(whole, PAIR)
    assert unmeasured(QUESTION, offer, _measured()) is None
    refused = unmeasured(QUESTION, offer, SHIPPED)
    assert refused is not None
    assert "a calibration measured in this mode" in refused.remedy
