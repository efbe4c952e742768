"""Labels in drawings: never longer than their box."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rightslice.entry.report.svg_text import shorten, wrap

labels = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)


@given(label=labels, limit=st.integers(2, 30), lines=st.integers(1, 3))
def test_wrapped_lines_fit(label: str, limit: int, lines: int) -> None:
    """No more lines than asked for, and none too long."""
    wrapped = wrap(label, limit, lines)
    assert len(wrapped) <= lines
    assert all(len(line) <= limit for line in wrapped)


@given(label=labels, limit=st.integers(2, 80))
def test_short_labels_stay_whole(label: str, limit: int) -> None:
    """A label is cut only when it must be."""
    assert shorten(label, limit) == label or len(label) > limit


def test_a_name_breaks_after_its_hyphens() -> None:
    """Names of workloads wrap where people read them."""
    assert wrap("mistral-very-high", 12, 3) == ["mistral-", "very-high"]
