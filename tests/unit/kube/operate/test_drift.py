"""Whether somebody else changed what we made."""

from __future__ import annotations

import copy
from typing import Any

from rightslice.kube.operate.drift import FIELD_MANAGER, manifest_digest, owned_fields


def _object(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "a", "managedFields": list(entries)}}


def _ours(**spec: object) -> dict[str, Any]:
    fields = {"f:spec": {f"f:{name}": one for name, one in spec.items()}}
    return {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields}


def test_what_others_add_is_no_drift() -> None:
    """Only what is ours counts."""
    other = {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:metadata": {}}}
    assert owned_fields(_object(_ours(ports={}))) == owned_fields(_object(_ours(ports={}), other))


def test_a_field_taken_from_us_is() -> None:
    """The API server takes a changed field off the lists of the others."""
    assert owned_fields(_object(_ours(ports={}, selector={}))) != owned_fields(
        _object(_ours(ports={}))
    )


def test_replicas_are_scaled_and_not_applied() -> None:
    """Whoever owns them."""
    assert owned_fields(_object(_ours(a={}, replicas={}))) == owned_fields(_object(_ours(a={})))


def test_what_we_never_applied_has_no_fields_of_ours() -> None:
    """Nor has what we scaled only."""
    scaled = _ours(replicas={}) | {"operation": "Update", "subresource": "scale"}
    assert owned_fields(_object(scaled)) is None
    assert owned_fields({}) is None


def test_a_manifest_is_the_same_whatever_its_replicas() -> None:
    """And another when anything else of it is."""
    one: dict[str, Any] = {"kind": "Deployment", "spec": {"replicas": 1, "template": {"x": 1}}}
    scaled, changed = copy.deepcopy(one), copy.deepcopy(one)
    scaled["spec"]["replicas"] = 2
    changed["spec"]["template"]["x"] = 2
    assert manifest_digest(one) == manifest_digest(scaled)
    assert manifest_digest(one) != manifest_digest(changed)
