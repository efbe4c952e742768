"""Objects that do not have their shape."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rightslice.kube.admission.settings import Mode
from rightslice.kube.crd.decode import decode, encode
from rightslice.kube.crd.deployment import ModelDeploymentSpec, Replicas
from tests.unit.kube.crd.specs import fuzzed, spec


def test_what_is_absent_has_its_default() -> None:
    """As the API server fills it in."""
    found = decode(ModelDeploymentSpec, spec()).value
    assert found is not None
    assert (found.mode, found.replicas, found.confidence) == (Mode.ADVISE, Replicas(), "90%")


def test_every_problem_is_told_with_its_path() -> None:
    """Not only the first one."""
    found = decode(ModelDeploymentSpec, spec(load=3, mode="Enforce", replicas={"min": 0}))
    assert found.problems == (
        "load: must be an object",
        "replicas.min: must be from 1 to 1000",
        "mode: must be one of off, advise, enforce",
    )


def test_what_was_read_is_written_again() -> None:
    """Encoding and decoding are inverse."""
    found = decode(ModelDeploymentSpec, spec(priority=3)).value
    assert decode(ModelDeploymentSpec, encode(found)).value == found


@given(st.integers(0, 10**9))
def test_nothing_that_is_given_crashes(seed: int) -> None:
    """A value, or a problem."""
    given_spec: Any = fuzzed(seed)
    found = decode(ModelDeploymentSpec, given_spec)
    assert (found.value is None) == bool(found.problems)
