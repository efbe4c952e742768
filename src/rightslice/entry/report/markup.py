"""HTML and SVG as values: every text and attribute is escaped here, and nowhere else.

The parts are also well-formed XML (attributes quoted, elements closed), so that a test can parse
the drawings with an XML parser.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final, NewType

Html = NewType("Html", str)
"""Markup that is safe to put into a page: built by this module from escaped text."""

NOTHING: Final = Html("")

Attribute = str | int | float | None
"""None leaves the attribute out."""


def text(value: object) -> Html:
    """Return *value* as text of a page.

    >>> text("a < b")
    'a &lt; b'
    """
    return Html(escape(str(value)))


def join(parts: Iterable[Html]) -> Html:
    """Return *parts* one after another."""
    return Html("".join(parts))


def element(name: str, /, *children: Html, **attributes: Attribute) -> Html:
    """Return an element with its children; ``class_`` and ``stroke_width`` lose their underscores.

    >>> element("p", text("R&D"), class_="note")
    '<p class="note">R&amp;D</p>'
    """
    return Html(f"<{name}{_attributes(attributes)}>{''.join(children)}</{name}>")


def shape(name: str, /, **attributes: Attribute) -> Html:
    """Return an SVG element without content.

    >>> shape("rect", x=1.5, width=20.0)
    '<rect x="1.5" width="20"/>'
    """
    return Html(f"<{name}{_attributes(attributes)}/>")


def drawing(width: float, height: float, *children: Html, **attributes: Attribute) -> Html:
    """Return an SVG image that scales with its container.

    ``label`` is read to the blind; without one, a title among the children is.
    """
    label = attributes.pop("label", None)
    return element(
        "svg",
        *children,
        viewBox=f"0 0 {number(width)} {number(height)}",
        role="img",
        aria_label=label,
        **attributes,
    )


def number(value: float) -> str:
    """Return a coordinate with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def _attributes(attributes: dict[str, Attribute]) -> str:
    return "".join(
        f' {name.strip("_").replace("_", "-")}="{_value(value)}"'
        for name, value in attributes.items()
        if value is not None
    )


def _value(value: str | float) -> str:
    return number(value) if isinstance(value, float) else escape(str(value))
