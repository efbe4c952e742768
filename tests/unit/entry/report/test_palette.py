"""The colours: text is legible on every ground, and slices differ for colour-blind eyes."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Final

import pytest

from rightslice.entry.report.look import HUES
from rightslice.entry.report.report import stylesheet

Rgb = tuple[float, float, float]

_ON_PAGE: Final = ("ink", "muted", "accent", "good", "bad", "warn")
_PAIRS: Final = [
    *((name, ground) for name in _ON_PAGE for ground in ("page", "surface", "raised")),
    ("ink", "warn-ground"),
    ("accent", "warn-ground"),
    *(("on-slice", f"w{index}") for index in range(HUES)),
]
# Viénot, Brettel, Mollon 1999: linear RGB as a protanope and a deuteranope see it.
_BLINDNESS: Final = {
    "protan": ((0.11238, 0.88762, 0.0), (0.11238, 0.88762, 0.0), (0.00401, -0.00401, 1.0)),
    "deutan": ((0.29275, 0.70725, 0.0), (0.29275, 0.70725, 0.0), (-0.02234, 0.02234, 1.0)),
}


def variables(theme: str) -> dict[str, Rgb]:
    """Return the colours of a theme, linear; the dark ones override the light."""
    light, dark = re.findall(r":root \{(.*?)\}", stylesheet(), re.DOTALL)[:2]
    text = light + (dark if theme == "dark" else "")
    found = re.findall(r"--([a-z0-9-]+): #([0-9a-f]{6})\b", text)
    return {name: _linear(code) for name, code in found}


def _linear(code: str) -> Rgb:
    red, green, blue = (int(code[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return _channel(red), _channel(green), _channel(blue)


def _channel(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def contrast(one: Rgb, other: Rgb) -> float:
    """Return the contrast ratio of WCAG 2.1."""
    first, second = (0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (one, other))
    return (max(first, second) + 0.05) / (min(first, second) + 0.05)


def lab(colour: Rgb) -> Rgb:
    """Return Oklab coordinates (Ottosson 2020)."""
    r, g, b = (max(0.0, part) for part in colour)
    long = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
    middle = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    short = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


def seen(colour: Rgb, blindness: str) -> Rgb:
    """Return a colour as it is seen, in Oklab."""
    if blindness == "none":
        return lab(colour)
    rows = _BLINDNESS[blindness]
    x, y, z = (sum(a * b for a, b in zip(row, colour, strict=True)) for row in rows)
    return lab((x, y, z))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_legible(theme: str) -> None:
    """Every pair of text and ground has a contrast of at least 4.5 (WCAG AA)."""
    colours = variables(theme)
    poor = {
        pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2)
        for pair in _PAIRS
        if contrast(colours[pair[0]], colours[pair[1]]) < 4.5
    }
    assert poor == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("blindness", ["none", "protan", "deutan"])
def test_slices_differ(theme: str, blindness: str) -> None:
    """Any two slice colours are told apart with and without red-green blindness."""
    colours = variables(theme)
    hues = [seen(colours[f"w{index}"], blindness) for index in range(HUES)]
    nearest = min(
        (sum((a - b) ** 2 for a, b in zip(hues[i], hues[j], strict=True)) ** 0.5, i, j)
        for i, j in combinations(range(HUES), 2)
    )
    assert nearest[0] > 0.03, nearest


def test_both_themes_name_the_same_colours() -> None:
    """No colour of the light theme is left to shine in the dark one."""
    light, dark = re.findall(r":root \{(.*?)\}", stylesheet(), re.DOTALL)[:2]
    names = [set(re.findall(r"--([a-z0-9-]+):", text)) for text in (light, dark)]
    assert names[0] == names[1]


def test_every_variable_is_defined() -> None:
    """No rule refers to a colour that does not exist."""
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", stylesheet()))
    assert used <= set(re.findall(r"--([a-z0-9-]+):", stylesheet()))
