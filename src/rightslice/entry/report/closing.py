"""The last sections: what was not placed, the notes, and how to read the page."""

from __future__ import annotations

from typing import Final

from rightslice.core.catalog.estimate import BAND_CONFIDENCE
from rightslice.core.plan.result import NotPlaced, Plan, WorkloadPlan
from rightslice.entry.report.layouts import swatch
from rightslice.entry.report.look import Look
from rightslice.entry.report.markup import NOTHING, Html, element, text
from rightslice.entry.report.section import section
from rightslice.entry.report.wording import load, share

_READING: Final = {
    "Holds": (
        "A load of so many clients is held only when all their sequences fit the KV cache and"
        " max-num-seqs at once and the targets are met at that batch. A request rate is held when"
        " the queue is stable and the targets are met at their percentiles. Queueing never counts."
    ),
    "Confidence and bands": (
        f"Every estimate carries the band that holds the truth in {share(BAND_CONFIDENCE)} of"
        " cases. An offer is taken when its targets are met with the stated confidence, not merely"
        " as expected; 50 % is the point estimate."
    ),
    "Sources": (
        "Memory follows vLLM's own start-up accounting for the release named with each workload."
        " Latency is a roofline fitted to published measurements. Hover over a memory formula for"
        " its source."
    ),
    "Prices": (
        "List prices with their dates, or your own. What a cloud adds (storage, network, support)"
        " is not in them. Comparisons price whole cards of the same fleet."
    ),
    "Not modelled": (
        "Queues between teams: quotas are summed, exceeding one is a refusal, and nothing is"
        " borrowed. Autoscaling, spot interruptions, model loading, traffic between nodes, and"
        " clocks that rise when neighbours idle."
    ),
}


def not_placed(look: Look) -> Html:
    """Return the section of workloads that got nothing; nothing when there are none."""
    missing = look.plan.not_placed
    if not missing:
        return NOTHING
    lead = "Each with its reason, and the smallest change that would turn it."
    items = (_missing(item, look) for item in missing)
    return section("not-placed", "Not placed", lead, element("div", *items, class_="missing-list"))


def _missing(item: WorkloadPlan, look: Look) -> Html:
    assert isinstance(item.outcome, NotPlaced)
    best = item.recommendation.best_effort
    nearest = NOTHING
    if best is not None:
        nearest = element("p", text(f"Nearest: {best.offer.name}."), class_="muted")
    return element(
        "div",
        element(
            "h3",
            swatch(look.hue(item.name)),
            element("a", text(item.name), href=f"#{look.anchor(item.name)}"),
            element("span", text(f"team {item.team} · {load(item.workload.traffic)}"),
                    class_="muted"),
        ),
        element("p", text(item.outcome.reason)),
        element("p", element("b", text("Would help: ")), text(item.outcome.remedy)),
        nearest,
        class_="missing",
    )  # fmt: skip


def notes(plan: Plan) -> Html:
    """Return the plan's notes; nothing when there are none."""
    if not plan.notes:
        return NOTHING
    items = (element("li", text(note[:1].upper() + note[1:])) for note in plan.notes)
    return section("notes", "Notes", "", element("ul", *items))


def reading() -> Html:
    """Return how to read the page."""
    entries = (
        element("div", element("dt", text(name)), element("dd", text(words)))
        for name, words in _READING.items()
    )
    return element(
        "footer",
        element("h2", text("How to read this")),
        element("dl", *entries),
        id="reading",
    )
