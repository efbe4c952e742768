"""Tests of names and labels."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from rightslice.kube.manifest import object_names, short_name

SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)


@given(wanted=st.lists(names, unique=True, max_size=8))
def test_object_names_are_valid_and_tell_workloads_apart(wanted: list[str]) -> None:
    """Whatever a fleet file allows as a name becomes a Service name of its own."""
    chosen = object_names(wanted)
    assert all(SERVICE_NAME.fullmatch(name) for name in chosen.values())
    assert len(set(chosen.values())) == len(wanted)


def test_a_name_that_is_taken_is_not_given_twice() -> None:
    """``7b`` moves out of the way of a workload that is really called ``w-7b``."""
    assert object_names(["7b", "w-7b"]) == {"7b": "w-w-7b", "w-7b": "w-7b"}


@given(name=names.map(lambda name: name * 2))
def test_short_names_fit_a_label(name: str) -> None:
    """A long name is cut and marked with a hash, so that two of them still differ."""
    assert len(short_name(name)) <= 63
    assert short_name(name) != short_name(f"{name}-{name}x")
