"""The section of costs: three bills side by side, who pays what, quotas, and the prices used."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from rightslice.core.catalog.instance import Price
from rightslice.core.plan.result import Bill, BillLine, Plan, TeamUse
from rightslice.entry.report.layouts import swatch
from rightslice.entry.report.look import Look
from rightslice.entry.report.markup import NOTHING, Html, element, text
from rightslice.entry.report.section import section, table
from rightslice.entry.report.svg_bars import Part, bar
from rightslice.entry.report.wording import UNKNOWN, cards, dollars, per_month


def cost(look: Look) -> Html:
    """Return the section."""
    plan = look.plan
    lead = (
        "A slice pays the larger of its share of the card's memory slots and of its compute slices."
        " Slices and idle add up to the nodes' bill, to the cent. A month has 730 hours."
    )
    if plan.bill is None:
        missing = element(
            "p",
            text("There is no bill: the price of a node is not known. The notes say which; give it"
                 " with --prices FILE."),
            class_="alert",
        )  # fmt: skip
        return section("cost", "Cost", "", missing, _teams(plan), _prices(plan))
    return section(
        "cost",
        "Cost",
        lead,
        _comparison(plan.bill),
        element("div", _lines(plan.bill, look), _by_team(plan.bill), class_="columns"),
        _teams(plan),
        _prices(plan),
    )


def _comparison(bill: Bill) -> Html:
    rows: list[tuple[str, Decimal | None, str]] = [
        ("One whole GPU per replica, as today", bill.whole_gpu_per_replica_usd_per_hour, "c-other"),
        ("One whole GPU per model", bill.whole_gpu_per_model_usd_per_hour, "c-other"),
        ("This plan, cards in use", bill.in_use_usd_per_hour, "c-plan"),
        ("This plan, every node with its idle cards", bill.total_usd_per_hour, "c-plan-all"),
    ]
    full = float(max(amount for _, amount, _ in rows if amount is not None))
    return _bars(
        "The bills compared",
        (
            (text(name), amount, [Part(size=float(amount or 0), class_=class_, title=name)], full)
            for name, amount, class_ in rows
        ),
    )


def _lines(bill: Bill, look: Look) -> Html:
    lines = sorted(bill.lines, key=lambda line: (line.team is None, -line.usd_per_hour))
    full = float(max((line.usd_per_hour for line in lines), default=Decimal(0)))
    return _bars(
        "By workload",
        (
            (
                _line_name(line, look),
                line.usd_per_hour,
                [Part(size=float(line.usd_per_hour), class_=_line_hue(line, look),
                      title=line.name)],
                full,
            )
            for line in lines
        ),
        total=bill.total_usd_per_hour,
    )  # fmt: skip


def _line_name(line: BillLine, look: Look) -> Html:
    return element("span", swatch(_line_hue(line, look)), text(line.name))


def _line_hue(line: BillLine, look: Look) -> str:
    return "free" if line.team is None else look.hue(line.name)


def _by_team(bill: Bill) -> Html:
    sums: dict[str | None, Decimal] = {}
    for line in bill.lines:
        sums[line.team] = sums.get(line.team, Decimal(0)) + line.usd_per_hour
    ordered = sorted(sums.items(), key=lambda entry: (entry[0] is None, -entry[1]))
    full = float(max(sums.values(), default=Decimal(0)))
    return _bars(
        "By team",
        (
            (
                text(team if team is not None else "idle, no team"),
                amount,
                [Part(size=float(amount), class_="free" if team is None else "c-plan",
                      title=str(team))],
                full,
            )
            for team, amount in ordered
        ),
        total=bill.total_usd_per_hour,
    )  # fmt: skip


_BarRow = tuple[Html, Decimal | None, list[Part], float]


def _bars(title: str, rows: Iterator[_BarRow], total: Decimal | None = None) -> Html:
    drawn = [_bar_row(row) for row in rows]
    if total is not None:
        drawn.append(
            element(
                "div",
                element("span", text("all nodes")),
                element("span"),
                element("b", text(f"{dollars(total)}/h")),
                element("span", text(_month(total)), class_="muted"),
                class_="bar-row total",
            )
        )
    return element("div", element("h3", text(title)), *drawn, class_="bars")


def _bar_row(row: _BarRow) -> Html:
    name, amount, parts, full = row
    if amount is None:
        drawn: tuple[Html, ...] = (element("span"), element("b", text(UNKNOWN)), element("span"))
    else:
        drawn = (
            bar(parts, full, dollars(amount)),
            element("b", text(f"{dollars(amount)}/h")),
            element("span", text(_month(amount)), class_="muted"),
        )
    return element("div", element("span", name, class_="bar-name"), *drawn, class_="bar-row")


def _month(usd_per_hour: Decimal) -> str:
    return f"{dollars(per_month(usd_per_hour), digits=0)}/month"


def _teams(plan: Plan) -> Html:
    rows = (
        (
            text(use.team),
            text(use.workloads),
            text(cards(use.cards)),
            *_quota(use),
            text(dollars(use.usd_per_hour)),
            text("no limit" if use.quota_usd_per_hour is None else dollars(use.quota_usd_per_hour)),
        )
        for use in plan.teams
    )
    head = ("Team", "Workloads", "Cards held", "Quota", "Used", "$/h", "$/h quota")
    numeric = ("Workloads", "Cards held", "Quota", "$/h", "$/h quota")
    body = table(head, rows, numeric=numeric)
    if not body:
        return NOTHING
    return element("div", element("h3", text("Teams against their quotas")), body, class_="quotas")


def _quota(use: TeamUse) -> tuple[Html, Html]:
    if use.quota_cards is None:
        return text("no limit"), NOTHING
    over = use.cards > use.quota_cards
    part = Part(
        size=float(use.cards), class_="c-over" if over else "c-plan", title=f"{use.team}: cards"
    )
    full = float(max(use.quota_cards, use.cards))
    return text(cards(use.quota_cards)), bar([part], full, f"{use.team} quota")


def _prices(plan: Plan) -> Html:
    rows = (_price(price) for price in plan.prices)
    head = ("Item", "Kind", "Region", "$/h", "As of", "Source")
    body = table(head, rows, numeric=("$/h",))
    if not body:
        return NOTHING
    return element("div", element("h3", text("Prices used")), body, class_="prices")


def _price(price: Price) -> tuple[Html, ...]:
    return (
        text(price.item),
        text(price.kind.value),
        text(price.region),
        text(dollars(price.usd_per_hour)),
        text("no date" if price.as_of is None else price.as_of.isoformat()),
        element("span", text(price.source), class_="muted"),
    )
