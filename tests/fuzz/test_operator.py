"""Ten thousand specs over odd clusters through the operator's decision, from one seed.

Each gets a decision: refused specs a condition that says what to change, and every status one that
the API server stores. Nothing raises, whatever nodes, Models, statuses or Deployments hold.
"""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from rightslice.kube.crd.condition import ConditionStatus
from rightslice.kube.crd.decode import encode
from rightslice.kube.crd.definition import MODEL_DEPLOYMENT, manifest
from rightslice.kube.crd.deployment import ModelDeploymentStatus
from rightslice.kube.operate.decide import Decision, Outcome
from tests.fuzz.fleets import fleet
from tests.unit.entry.kubectl.fleets import decisions

FLEETS, EACH = 100, 100


def _schema() -> Draft202012Validator:
    definition: Any = manifest(MODEL_DEPLOYMENT)
    version = definition["spec"]["versions"][0]
    return Draft202012Validator(version["schema"]["openAPIV3Schema"]["properties"]["status"])


def _check(one: Decision, schema: Draft202012Validator) -> None:
    problems = [error.message[:300] for error in schema.iter_errors(encode(one.status))]
    assert problems == [], one.key
    conditions = {each.type: each for each in one.status.conditions}
    accepted = conditions["Accepted"]
    assert (accepted.status is ConditionStatus.FALSE) == (one.outcome is Outcome.INVALID)
    if one.outcome is Outcome.INVALID:
        assert accepted.message
    if one.outcome in (Outcome.NOTHING_HOLDS, Outcome.NO_ROOM):
        assert conditions["Recommended"].message
    assert one.outcome is Outcome.RECOMMENDED or one.status.proposed is None
    assert isinstance(one.status, ModelDeploymentStatus)


@pytest.mark.fuzz
def test_every_spec_gets_a_decision_that_can_be_stored() -> None:
    """10,000 specs, among nodes, models and statuses of every oddness."""
    schema, outcomes = _schema(), dict.fromkeys(Outcome, 0)
    for seed in range(FLEETS):
        found = decisions(fleet(seed, EACH))
        assert len(found) == EACH
        for one in found:
            _check(one, schema)
            outcomes[one.outcome] += 1
    assert sum(outcomes.values()) == FLEETS * EACH
    reached = {one for one, count in outcomes.items() if count > 20}
    assert reached >= {Outcome.INVALID, Outcome.RECOMMENDED, Outcome.NO_ROOM, Outcome.OFF}, outcomes
