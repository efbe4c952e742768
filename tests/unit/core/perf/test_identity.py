"""A cached value is found for the same object only."""

from __future__ import annotations

from rightslice.core.perf.identity import Same


def test_only_the_same_object_is_equal() -> None:
    """Two values that say the same are different keys; one value is always the same key."""
    one, other = [1], [1]
    assert Same(one) == Same(one)
    assert hash(Same(one)) == hash(Same(one))
    assert Same(one) != Same(other)
    assert Same(one) != one
