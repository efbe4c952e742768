"""Errors say where, what is wrong and what would be right."""

from __future__ import annotations

import pytest

from rightslice import errors


def test_near_names_are_named_as_the_catalogue_writes_them() -> None:
    """A misspelt name gets its neighbours, whatever its case."""
    error = errors.UnknownNameError("GPU", "h100-sxm-80g", ["H100-SXM-80GB", "A10G-24GB"])
    assert error.near == ("H100-SXM-80GB",)
    assert str(error) == "unknown GPU 'h100-sxm-80g'; did you mean H100-SXM-80GB?"


def test_a_name_like_nothing_gets_no_hint() -> None:
    """Nothing is suggested where nothing is near."""
    assert str(errors.UnknownNameError("model", "zzz", ["opt-1.3b"])) == "unknown model 'zzz'"


@pytest.mark.parametrize(("field", "text"), [("a.b", "f:1: a.b: bad"), ("", "f:1: bad")])
def test_a_field_error_names_place_and_field(field: str, text: str) -> None:
    """File and line, then the field when there is one."""
    error = errors.FieldError("f:1", field, "bad")
    assert (error.where, error.field, error.problem, str(error)) == ("f:1", field, "bad", text)


@pytest.mark.parametrize(
    ("kind", "parent"),
    [
        (errors.UnknownNameError, errors.InputError),
        (errors.FieldError, errors.InputError),
        (errors.InputError, errors.RightsliceError),
        (errors.UnavailableError, errors.RightsliceError),
    ],
)
def test_the_tree_is_as_drawn(kind: type, parent: type) -> None:
    """What the caller can fix is an InputError; both branches share one root."""
    assert issubclass(kind, parent)
    assert not issubclass(errors.UnavailableError, errors.InputError)
