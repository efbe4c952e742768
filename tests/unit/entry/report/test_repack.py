"""The page of a repack: whole, escaped, with an arrow for each pod that moves."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.core.packing.backends import Backend
from rightslice.core.packing.carry_out import carry_out
from rightslice.core.packing.live import LiveCard, LivePod, LiveSlice, LiveState
from rightslice.core.packing.repack import RepackPlan, repack
from rightslice.core.packing.step_costs import StepRates
from rightslice.edge.catalog_files import Catalog
from rightslice.entry.report.repack import render_repack

HOSTILE = "<script>alert('&\"')</script>"


def state(pod: str = "b") -> LiveState:
    """Return two half-empty cards and one that stays as it is."""
    grid: MigGrid = Catalog().mig_gpu("A100-40GB")
    spots = [("2g.10gb", 0, "a"), ("1g.5gb", 6, pod), ("7g.40gb", 0, "big")]
    cards = tuple(
        LiveCard(
            name=f"g{index}",
            node="n",
            slices=(
                LiveSlice(
                    placement=Placement(profile=ProfileName(profile), start=start),
                    pod=LivePod(name=name),
                ),
            ),
        )
        for index, (profile, start, name) in enumerate(spots)
    )
    return LiveState(grid=grid, cards=cards)


def page(before: LiveState, backend: Backend | None = None) -> str:
    """Return the page of the state's repack."""
    plan = repack(before)
    assert isinstance(plan, RepackPlan)
    priced = carry_out(before, plan, StepRates(card_usd_per_hour=3.0), backend)
    return render_repack(before, priced)


def test_every_move_is_an_arrow_and_only_changed_cards_are_drawn() -> None:
    """One pod moves between two cards; the third is counted, not drawn."""
    text = page(state())
    assert text.count('marker-end="url(#move)"') == 1
    assert "1 GPU not drawn." in text
    assert "3 GPUs become 2 with 1 move" in text
    assert "paid back in" in text


def test_the_page_is_well_formed_and_loads_nothing() -> None:
    """It parses as XML but for its head, and refers to nothing outside."""
    text = page(state())
    body = text[text.index("<body>") : text.index("</body>") + 7]
    ET.fromstring(body)  # noqa: S314 - our own page
    assert "http://" not in body
    assert "https://" not in body


def test_hostile_names_are_escaped() -> None:
    """A pod's name is text, whatever it holds."""
    assert HOSTILE not in page(state(HOSTILE))


@pytest.mark.parametrize("backend", [Backend.DEVICE_PLUGIN])
def test_a_back_end_that_cannot_is_named(backend: Backend) -> None:
    """Without steps the page says why, and shows the cards as they are."""
    text = page(state(), backend)
    assert "No steps on device-plugin: cutting node n anew" in text
    assert "No GPU changes." in text
