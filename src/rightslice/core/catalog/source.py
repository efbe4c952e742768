"""Where a fact comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Source:
    """The origin of a fact: who says so, and when it was read."""

    text: str
    date: str
    """ISO date of publication or retrieval."""
