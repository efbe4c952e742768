"""Where the volumes of a pod let it run."""

from __future__ import annotations

from typing import Any

import pytest

from rightslice.kube.cluster.filters import NodeFilter
from rightslice.kube.cluster.view import ClusterNode
from rightslice.kube.cluster.volumes import (
    Volume,
    claim_names,
    read_claim,
    read_volume,
    volumes_of,
    without_claims,
)

ZONE = "topology.kubernetes.io/zone"
SPEC = {"volumes": [{"name": "m", "persistentVolumeClaim": {"claimName": "c"}}, {"name": "e"}]}


def _claim(phase: str = "Bound", *modes: str, volume: str | None = "v") -> dict[str, Any]:
    spec = {"accessModes": list(modes or ("ReadWriteMany",)), "volumeName": volume}
    return {"metadata": {"name": "c", "namespace": "n"}, "spec": spec, "status": {"phase": phase}}


def _allows(volume: dict[str, Any], **labels: str) -> bool:
    allowed = NodeFilter(
        named=None, tolerations=(), selector={}, terms=None, volumes=(read_volume(volume),)
    )
    return allowed.allows(ClusterNode(name="a", labels=labels))


def _with_terms(*values: str) -> dict[str, Any]:
    requirement = {"key": "disk", "operator": "In", "values": list(values)}
    terms = [{"matchExpressions": [requirement]}]
    return {"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": terms}}}}


def test_claims_are_told_from_other_volumes() -> None:
    """The names of claims, and the rest of the pod."""
    assert claim_names(SPEC) == ("c",)
    assert without_claims(SPEC) == {"volumes": [{"name": "e"}]}


def test_a_volume_is_used_where_its_affinity_says() -> None:
    """One term has to match; without any, every node does."""
    assert _allows(_with_terms("ssd"), disk="ssd")
    assert not _allows(_with_terms("ssd"), disk="hdd")
    assert _allows({})


def test_a_volume_is_used_in_its_zones() -> None:
    """One zone, or several joined by two underscores."""
    labels = {"metadata": {"labels": {ZONE: "a__b"}}}
    assert _allows(labels, **{ZONE: "b"})
    assert not _allows(labels, **{ZONE: "c"})
    assert not _allows(labels)


@pytest.mark.parametrize(
    ("claim", "word"),
    [
        (None, "not there"),
        (_claim("Pending"), "not bound"),
        (_claim("Bound", "ReadWriteOnce"), "one node at a time"),
        (_claim("Bound", "ReadWriteMany", "ReadWriteOncePod"), "one node at a time"),
        (_claim(volume="other"), "has not been seen"),
    ],
)
def test_what_is_not_known_is_said(claim: dict[str, Any] | None, word: str) -> None:
    """Each claim that may tie the pod to a node in a way that the API does not tell."""
    claims = {} if claim is None else {("n", "c"): read_claim(claim)}
    found = volumes_of(("c",), "n", claims, {"v": Volume()})
    assert isinstance(found, str)
    assert word in found


def test_a_shared_volume_that_is_bound_is_known() -> None:
    """Its node affinity is all that decides."""
    claims = {("n", "c"): read_claim(_claim())}
    assert volumes_of(("c",), "n", claims, {"v": Volume()}) == (Volume(),)
