"""The drawn curve shows its line, its marks and its limit where they belong."""

from __future__ import annotations

from rightslice.entry.cli.plot import Mark, Plot, bar, draw, top

LINE = ((0.0, 0.0), (10.0, 10.0))


def test_a_diagonal_runs_from_corner_to_corner() -> None:
    """A rising line starts at the lower left and ends at the upper right."""
    picture = draw(Plot(points=LINE, width=4, height=4))
    assert [len(line) for line in picture] == [4, 3, 2, 1]


def test_marks_stand_at_their_points() -> None:
    """A mark replaces the cell that holds its point."""
    picture = draw(Plot(points=LINE, marks=(Mark(x=0, y=10, symbol="◆"),), width=4, height=2))
    assert picture[0][0] == "◆"


def test_a_near_limit_is_in_the_picture() -> None:
    """A limit a little above the line raises the upper edge; a far one is left out."""
    near, far = (Plot(points=LINE, limit=limit, width=8, height=4) for limit in (12.0, 100.0))
    assert top(near) > 12
    assert "╌" in draw(near)[0]
    assert not any("╌" in line for line in draw(far))


def test_a_bar_fills_its_share() -> None:
    """Bars end in eighths of a character."""
    assert [bar(share, 2) for share in (0.0, 0.25, 1.0, 1 / 16)] == ["", "▌", "██", "▏"]


def test_a_band_is_shaded_around_its_line() -> None:
    """Cells between the ends are filled, and the picture is as high as the band."""
    plot = Plot(points=((0, 1), (10, 1)), band=((0, 0.5, 2), (10, 0.5, 2)), width=10, height=8)
    lines = draw(plot)
    assert top(plot) == 2
    assert lines[0] == "░" * 10
    assert "░" not in lines[7]
