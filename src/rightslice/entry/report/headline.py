"""The first screen: how many run, on how much, for how many dollars, against today's habit."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from rightslice.core.plan.result import Bill, Plan
from rightslice.entry.report.look import Look
from rightslice.entry.report.markup import NOTHING, Html, element, text
from rightslice.entry.report.wording import UNKNOWN, dollars, per_month, plural, share


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One big number."""

    value: str
    caption: str
    detail: str
    class_: str = ""


def headline(look: Look) -> Html:
    """Return the head of the page."""
    plan = look.plan
    return element(
        "header",
        element("p", text(f"rightslice plan · {look.generated}"), class_="kicker"),
        element("h1", text(plan.fleet_name)),
        element("div", *(_figure(figure) for figure in _figures(plan)), class_="figures"),
        _warning(plan),
        _contents(plan),
    )


def _figures(plan: Plan) -> list[Figure]:
    placed = len(plan.workloads) - len(plan.not_placed)
    replicas = sum(item.placed.replicas for item in plan.workloads if item.placed is not None)
    return [
        Figure(
            value=f"{placed} of {len(plan.workloads)}",
            caption="workloads placed",
            detail=plural(replicas, "replica"),
            class_="" if placed == len(plan.workloads) else "bad",
        ),
        Figure(
            value=f"{plan.cards_in_use} of {plan.cards_total}",
            caption="cards in use",
            detail=plural(len({card.node for card in plan.cards}), "node"),
        ),
        *_money(plan.bill),
    ]


def _money(bill: Bill | None) -> list[Figure]:
    if bill is None:
        missing = "a node's price is not known: see the notes"
        return [
            Figure(value=UNKNOWN, caption="dollars an hour", detail=missing, class_="unknown"),
            Figure(value=UNKNOWN, caption="saving", detail="needs every price", class_="unknown"),
        ]
    used = bill.in_use_usd_per_hour
    return [
        Figure(
            value=dollars(used),
            caption="an hour for the cards in use",
            detail=f"{dollars(bill.total_usd_per_hour)} for all nodes, idle cards included",
        ),
        Figure(
            value=dollars(per_month(used), digits=0),
            caption="a month of 730 hours",
            detail=f"{dollars(per_month(bill.total_usd_per_hour), digits=0)} for all nodes",
        ),
        _saving(used, bill.whole_gpu_per_model_usd_per_hour, "one whole GPU per model"),
        _saving(
            used, bill.whole_gpu_per_replica_usd_per_hour, "one whole GPU per replica, as today"
        ),
    ]


def _saving(used: Decimal, whole: Decimal | None, against: str) -> Figure:
    if whole is None or whole <= 0:
        return Figure(
            value=UNKNOWN, caption=f"against {against}", detail="no price to compare with",
            class_="unknown",
        )  # fmt: skip
    ratio = float(1 - used / whole)
    detail = f"{dollars(whole)} an hour there"
    if round(ratio, 3) == 0:
        return Figure(value="the same", caption=f"as {against}", detail=detail)
    if ratio > 0:
        return Figure(
            value=f"{share(ratio)} less", caption=f"than {against}", detail=detail, class_="good"
        )
    return Figure(
        value=f"{share(-ratio)} more", caption=f"than {against}", detail=detail, class_="bad"
    )


def _figure(figure: Figure) -> Html:
    return element(
        "div",
        element("p", text(figure.value), class_=f"big {figure.class_}".strip()),
        element("p", text(figure.caption)),
        element("p", text(figure.detail), class_="muted"),
        class_="figure",
    )


def _warning(plan: Plan) -> Html:
    missing = plan.not_placed
    if not missing:
        return NOTHING
    names = ", ".join(item.name for item in missing[:6]) + (", …" if len(missing) > 6 else "")
    return element(
        "p",
        element("b", text(f"{plural(len(missing), 'workload')} not placed: ")),
        text(f"{names}. "),
        element("a", text("Why, and what would change it"), href="#not-placed"),
        class_="alert",
    )


def _contents(plan: Plan) -> Html:
    links = [("layouts", "Layouts"), ("workloads", "Workloads"), ("curves", "Curves"),
             ("cost", "Cost")]  # fmt: skip
    if plan.not_placed:
        links.append(("not-placed", "Not placed"))
    links += [("notes", "Notes")] if plan.notes else []
    links.append(("reading", "How to read this"))
    return element("nav", *(element("a", text(name), href=f"#{to}") for to, name in links))
