"""The section of costs: three bills side by side, who pays what, quotas, and the prices used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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
        _whole_bill(plan.bill, look),
        element("div", _lines(plan.bill, look), _by_team(plan.bill), class_="columns"),
        _teams(plan),
        _prices(plan),
    )


def _comparison(bill: Bill) -> Html:
    amounts: list[tuple[str, Decimal | None, str]] = [
        ("One whole GPU per replica, as today", bill.whole_gpu_per_replica_usd_per_hour, "c-other"),
        ("One whole GPU per model", bill.whole_gpu_per_model_usd_per_hour, "c-other"),
        ("This plan, cards in use", bill.in_use_usd_per_hour, "c-plan"),
    ]
    full = float(max(amount for _, amount, _ in amounts if amount is not None))
    rows = (_Row(name=text(name), usd_per_hour=usd, class_=class_) for name, usd, class_ in amounts)
    return _bars("The bills compared", rows, full)


def _whole_bill(bill: Bill, look: Look) -> Html:
    """Return every dollar of the nodes' bill as one bar."""
    lines = _ordered(bill)
    parts = [
        Part(
            size=float(line.usd_per_hour),
            class_=_line_hue(line, look),
            title=f"{line.name}: {dollars(line.usd_per_hour)} an hour",
        )
        for line in lines
    ]
    total = bill.total_usd_per_hour
    idle = sum((line.usd_per_hour for line in lines if line.team is None), Decimal(0))
    words = f"{dollars(total)} an hour, of which {dollars(idle)} idle"
    return element(
        "div",
        element("h3", text(f"Where each dollar goes: {words}")),
        bar(parts, float(total), words),
        class_="bars whole-bill",
    )


def _ordered(bill: Bill) -> list[BillLine]:
    """Return the lines that cost anything: workloads by price, then idle."""
    lines = [line for line in bill.lines if line.usd_per_hour]
    return sorted(lines, key=lambda line: (line.team is None, -line.usd_per_hour))


def _lines(bill: Bill, look: Look) -> Html:
    full = max((float(x.usd_per_hour) for x in bill.lines if x.team is not None), default=0.0)
    months = {
        item.name: item.placed.cost.usd_per_month
        for item in look.plan.workloads
        if item.placed is not None and item.placed.cost is not None
    }
    rows = (
        _Row(
            name=element("span", swatch(_line_hue(line, look)), text(line.name)),
            usd_per_hour=line.usd_per_hour,
            usd_per_month=months.get(line.name),
            class_=None if line.team is None else look.hue(line.name),
        )
        for line in _ordered(bill)
    )
    return _bars("By workload", rows, full, total=bill.total_usd_per_hour)


def _line_hue(line: BillLine, look: Look) -> str:
    return "free" if line.team is None else look.hue(line.name)


def _by_team(bill: Bill) -> Html:
    sums: dict[str | None, Decimal] = {}
    for line in bill.lines:
        sums[line.team] = sums.get(line.team, Decimal(0)) + line.usd_per_hour
    ordered = sorted(sums.items(), key=lambda entry: (entry[0] is None, -entry[1]))
    full = max((float(usd) for team, usd in sums.items() if team is not None), default=0.0)
    rows = (
        _Row(
            name=text(team if team is not None else "idle, no team"),
            usd_per_hour=amount,
            class_=None if team is None else "c-plan",
        )
        for team, amount in ordered
    )
    return _bars("By team", rows, full, total=bill.total_usd_per_hour)


@dataclass(frozen=True, kw_only=True)
class _Row:
    name: Html
    usd_per_hour: Decimal | None
    usd_per_month: Decimal | None = None
    """Where it is known better than from whole cents an hour."""
    class_: str | None
    """Colour of the bar; None draws none."""


def _bars(title: str, rows: Iterable[_Row], full: float, total: Decimal | None = None) -> Html:
    drawn = [_bar_row(row, full) for row in rows]
    if total is not None:
        drawn.append(_bar_total(total))
    return element("div", element("h3", text(title)), *drawn, class_="bars")


def _bar_total(total: Decimal) -> Html:
    return element(
        "div",
        element("span", text("all nodes")),
        element("span"),
        element("b", text(f"{dollars(total)}/h")),
        element("span", text(_month(total)), class_="muted"),
        class_="bar-row total",
    )


def _bar_row(row: _Row, full: float) -> Html:
    name = element("span", row.name, class_="bar-name")
    usd = row.usd_per_hour
    if usd is None:
        unknown = element("b", text(UNKNOWN))
        return element("div", name, element("span"), unknown, element("span"), class_="bar-row")
    drawn = element("span")
    if row.class_ is not None:
        part = Part(size=float(usd), class_=row.class_, title=dollars(usd))
        drawn = bar([part], full, dollars(usd))
    month = (
        _month(usd)
        if row.usd_per_month is None
        else f"{dollars(row.usd_per_month, digits=0)}/month"
    )
    return element(
        "div",
        name,
        drawn,
        element("b", text(f"{dollars(usd)}/h")),
        element("span", text(month), class_="muted"),
        class_="bar-row",
    )


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
    rows = (_price(price, plan.notes) for price in plan.prices)
    head = ("Item", "Kind", "Region", "$/h", "As of", "Source")
    body = table(head, rows, numeric=("$/h",))
    if not body:
        return NOTHING
    return element("div", element("h3", text("Prices used")), body, class_="prices")


def _price(price: Price, notes: tuple[str, ...]) -> tuple[Html, ...]:
    date = "no date" if price.as_of is None else price.as_of.isoformat()
    is_old = any(f" {price.item} " in note and date in note for note in notes)
    return (
        text(price.item),
        text(price.kind.value),
        text(price.region),
        text(dollars(price.usd_per_hour)),
        element("span", text(date), class_="old" if is_old else None),
        element("span", text(price.source), class_="muted"),
    )
