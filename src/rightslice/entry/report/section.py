"""The frame of a section, and the small tables inside."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rightslice.entry.report.markup import NOTHING, Html, element, text


def section(anchor: str, title: str, lead: str, *children: Html) -> Html:
    """Return a section with its heading and one or two sentences on how to read it."""
    return element(
        "section",
        element("h2", text(title)),
        element("p", text(lead), class_="lead") if lead else NOTHING,
        *children,
        id=anchor,
    )


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[Html]],
    *,
    numeric: Collection[str] = (),
    class_: str | None = None,
) -> Html:
    """Return a table; the columns named in *numeric* are set to the right.

    A table without rows is nothing at all.
    """
    kinds = ["num" if name in numeric else None for name in head]
    body = [
        element(
            "tr",
            *(element("td", cell, class_=kind) for cell, kind in zip(row, kinds, strict=True)),
        )
        for row in rows
    ]
    if not body:
        return NOTHING
    heading = (
        element("th", text(name), class_=kind, scope="col")
        for name, kind in zip(head, kinds, strict=True)
    )
    return element(
        "table", element("thead", element("tr", *heading)), element("tbody", *body), class_=class_
    )
