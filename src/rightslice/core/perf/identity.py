"""A value as a key of a cache by what it is, not by what it says.

Sizings are deep values: comparing or hashing one takes longer than a prediction. A search asks
about the same one many times, under many loads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Same(Generic[T]):
    """Equal only for the same object; holds it, so that its identity is not given to another."""

    value: T

    def __hash__(self) -> int:
        """Return the object's identity."""
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        """Whether *other* holds the same object."""
        return isinstance(other, Same) and self.value is other.value
