"""Which nodes a pod may use."""

from __future__ import annotations

import pytest

from rightslice.kube.cluster.filters import beyond_these, may_use
from rightslice.kube.cluster.view import ClusterNode, Taint

PLAIN = ClusterNode(name="plain", labels={"zone": "a", "gpus": "8"})
TAINTED = ClusterNode(
    name="tainted",
    labels={"zone": "b"},
    taints=(Taint(key="gpu", value="yes", effect="NoSchedule"),
            Taint(key="soft", value="", effect="PreferNoSchedule")),
)  # fmt: skip


def _affinity(*terms: object) -> dict[str, object]:
    required = {"nodeSelectorTerms": list(terms)}
    key = "requiredDuringSchedulingIgnoredDuringExecution"
    return {"affinity": {"nodeAffinity": {key: required}}}


def _expression(key: str, operator: str, *values: str) -> dict[str, object]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "gpu", "operator": "Exists"}, True),
        ({"key": "gpu", "value": "yes", "effect": "NoSchedule"}, True),
        ({"key": "gpu", "value": "yes", "effect": "NoExecute"}, False),
        ({"key": "gpu", "value": "no"}, False),
        ({"key": "other", "operator": "Exists"}, False),
    ],
)
def test_taints_keep_out_who_does_not_tolerate_them(
    toleration: dict[str, str],
    *,
    tolerated: bool,
) -> None:
    """A preferred taint keeps nobody out."""
    assert may_use({"tolerations": [toleration]}, TAINTED) is tolerated
    assert may_use({}, PLAIN)


@pytest.mark.parametrize(
    ("term", "chosen"),
    [
        (_expression("zone", "In", "a", "c"), True),
        (_expression("zone", "NotIn", "a"), False),
        (_expression("absent", "NotIn", "a"), True),
        (_expression("zone", "Exists"), True),
        (_expression("zone", "DoesNotExist"), False),
        (_expression("gpus", "Gt", "4"), True),
        (_expression("gpus", "Lt", "4"), False),
        (_expression("zone", "Gt", "4"), False),
        (_expression("zone", "Like", "a"), False),
        ({}, False),
        ({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["plain"]}]}, True),
    ],
)
def test_required_node_affinity_selects(
    term: dict[str, object],
    *,
    chosen: bool,
) -> None:
    """Every operator; an empty term matches nothing."""
    assert may_use(_affinity(term), PLAIN) is chosen


def test_one_term_of_several_is_enough() -> None:
    """Terms are alternatives, the expressions of one are not."""
    wrong, right = _expression("zone", "In", "z"), _expression("zone", "In", "a")
    assert may_use(_affinity(wrong, right), PLAIN)
    both = {"matchExpressions": [*wrong["matchExpressions"], *right["matchExpressions"]]}  # type: ignore[misc]  # lists both
    assert not may_use(_affinity(both), PLAIN)


def test_node_selectors_names_and_readiness_count() -> None:
    """A named node is used as it is; an unready one is not chosen."""
    assert not may_use({"nodeSelector": {"zone": "b"}}, PLAIN)
    assert may_use({"nodeName": "tainted"}, TAINTED)
    assert not may_use({"nodeName": "other"}, TAINTED)
    assert not may_use({}, ClusterNode(name="away", is_ready=False))


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"schedulerName": "volcano"}, "volcano"),
        ({"schedulingGates": [{"name": "g"}]}, "schedulingGates"),
        ({"topologySpreadConstraints": [{"whenUnsatisfiable": "DoNotSchedule"}]}, "topologySpread"),
        ({"volumes": [{"name": "v", "persistentVolumeClaim": {}}]}, "volume v"),
        (
            {"affinity": {"podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [{}]}}},
            "podAntiAffinity",
        ),
    ],
)  # fmt: skip
def test_what_depends_on_more_than_the_node_is_named(spec: dict[str, object], named: str) -> None:
    """Such a pod is left to the scheduler."""
    assert named in (beyond_these(spec) or "")
    assert (
        beyond_these({"schedulerName": "default-scheduler", "volumes": [{"emptyDir": {}}]}) is None
    )
