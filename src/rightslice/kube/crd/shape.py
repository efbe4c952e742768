"""What the API server checks of one field, beside its type: bounds, and rules with a message.

A rule is a CEL expression over ``self`` (kubernetes.io "CustomResourceDefinitions", validation
rules). Its message says what would be right, since it is all that the owner gets to see. Every
text and list has a greatest length: the API server bounds the cost of a rule by it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One CEL rule."""

    holds: str
    """The expression, which is true of what is right."""
    message: str
    """What is wrong, and what would be right."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Bounds of one field; what is None is not bounded."""

    least: int | None = None
    most: int | None = None
    longest: int | None = None
    """Characters of a text, items of a list."""
    is_number_or_text: bool = False
    is_free_form: bool = False
    """Any object at all; nothing inside is checked or dropped."""
    rules: tuple[Rule, ...] = ()
    each: tuple[Rule, ...] = ()
    """Rules of each item of a list."""
    key: str | None = None
    """The member by which items of a list are told apart."""


def written(pattern: str, message: str) -> Rule:
    """Return the rule that a text matches *pattern* as a whole."""
    return Rule(holds=f"self.matches('^({pattern})$')", message=message)
