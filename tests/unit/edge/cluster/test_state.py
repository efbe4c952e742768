"""What a live cluster holds, object by object."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.edge.cluster.state import PROMISE_SECONDS, ClusterState
from rightslice.edge.gpu_table import find_gpu
from rightslice.kube.cluster.read import read_cluster
from tests.unit.kube.admission.worlds import SLICES, node

SLICE = "nvidia.com/mig-2g.10gb"
ONE = {SLICE: Fraction(1)}


class Clock:
    """A clock that tests turn."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def _state(clock: Clock | None = None) -> ClusterState:
    return ClusterState(find_gpu=find_gpu, now=clock or Clock())


def _pod(name: str, on: str | None = "a", **metadata: Any) -> dict[str, Any]:  # noqa: ANN401 - parts of a pod
    container = {"resources": {"limits": {SLICE: 1}}}
    spec = {"containers": [container]} | ({} if on is None else {"nodeName": on})
    return {"metadata": {"name": name, "namespace": "n", **metadata}, "spec": spec}


def test_a_pod_holds_its_slice_until_it_ends() -> None:
    """Bound, ended, gone."""
    state = _state()
    state.put("Node", node("a", SLICES))
    state.put("Pod", _pod("p"))
    assert state.cluster().nodes[0].free(SLICE) == 0
    state.put("Pod", {**_pod("p"), "status": {"phase": "Succeeded"}})
    assert state.cluster().nodes[0].free(SLICE) == 1
    state.put("Pod", _pod("p"))
    state.remove("Pod", _pod("p"))
    assert state.cluster().nodes[0].free(SLICE) == 1


def test_a_pod_that_is_bound_later_moves() -> None:
    """Pending first, then on its node."""
    state = _state()
    state.put("Node", node("a", SLICES))
    state.put("Pod", _pod("p", on=None))
    assert state.cluster().pending[SLICE] == 1
    state.put("Pod", _pod("p"))
    assert SLICE not in state.cluster().pending
    assert state.cluster().nodes[0].free(SLICE) == 0


def test_a_promise_is_held_until_its_pod_is_seen() -> None:
    """By the decision that the pod carries."""
    state = _state()
    state.promise("u", "n", ONE)
    assert state.cluster().pending == ONE
    note = {"rightslice.dev/decision": "u"}
    state.put("Pod", _pod("p", annotations=note))
    assert state.cluster().pending == {}
    assert not state.has_promised("u")


def test_a_promise_grows_old() -> None:
    """Its pod was refused after us: the slice is free again."""
    clock = Clock()
    state = _state(clock)
    state.promise("u", "n", ONE)
    clock.now = PROMISE_SECONDS + 1
    assert state.cluster().pending == {}


def test_a_pod_that_comes_back_does_not_wait_for_itself() -> None:
    """Its own promise is left out, and only that one."""
    state = _state()
    state.promise("u", "n", ONE)
    state.promise("v", "n", ONE)
    assert state.cluster(without="u").pending == ONE
    assert state.cluster().pending == {SLICE: 2}
    state.release("u")
    assert state.cluster().pending == ONE


def test_a_quota_counts_what_is_promised_and_seen() -> None:
    """Its own status may lag behind."""
    state = _state()
    hard = {f"requests.{SLICE}": "3", "pods": "9"}
    state.put("ResourceQuota", {"metadata": {"name": "q", "namespace": "n"},
                                "spec": {"hard": hard}, "status": {"used": {}}})  # fmt: skip
    state.put("Pod", _pod("p"))
    state.promise("u", "n", ONE)
    state.promise("v", "elsewhere", ONE)
    assert state.cluster().quotas[0].left(f"requests.{SLICE}") == 1


def test_listing_anew_forgets_what_is_gone() -> None:
    """Of every kind."""
    state = _state()
    named = {"metadata": {"name": "x", "namespace": "n"}}
    for kind in ("Node", "Pod", "Namespace", "ResourceQuota", "LimitRange"):
        state.replace_all(kind, [named])
        state.replace_all(kind, [])
    found = state.cluster()
    assert (found.nodes, found.namespaces, found.quotas, found.limit_ranges) == ((), {}, (), ())
    assert dict(state.hardware) == {}


def test_what_cannot_be_read_is_as_if_absent(caplog: pytest.LogCaptureFixture) -> None:
    """It is told, and the rest goes on."""
    state = _state()
    state.put("Node", {"metadata": {"name": "a"}, "status": {"allocatable": {"cpu": "many"}}})
    assert state.cluster().nodes == ()
    assert "Node" in caplog.text


def test_the_value_stays_while_nothing_that_counts_changes() -> None:
    """Heartbeats and statuses tell nothing; a slice less does."""
    state = _state()
    state.put("Node", node("a", SLICES))
    state.put("Pod", _pod("p"))
    before = state.cluster()
    state.put("Node", node("a", SLICES))
    state.put("Pod", {**_pod("p"), "status": {"phase": "Running"}})
    assert state.cluster() is before
    state.put("Node", node("a", {SLICE: "2"}))
    assert state.cluster() is not before


def test_a_node_that_changes_its_slices_changes_its_hardware() -> None:
    """mig-manager cuts a card anew."""
    state = _state()
    state.put("Node", node("a", SLICES))
    state.put("Node", node("a", {SLICE: "3"}))
    assert [one.resource for one in state.hardware["a"].handed_out] == [SLICE]
    assert state.cluster().nodes[0].free(SLICE) == 3


@given(st.lists(st.tuples(st.sampled_from("pqr"), st.sampled_from(["a", "b", None, "gone"]))))
def test_step_by_step_is_as_all_at_once(steps: list[tuple[str, str | None]]) -> None:
    """Whatever comes and goes, the sums are those of what is there at the end."""
    state = _state()
    left: dict[str, dict[str, Any]] = {}
    nodes = [node("a", SLICES), node("b", SLICES)]
    state.replace_all("Node", nodes)
    for name, where in steps:
        pod = _pod(name, None if where == "gone" else where)
        if where == "gone":
            state.remove("Pod", pod)
            left.pop(name, None)
        else:
            state.put("Pod", pod)
            left[name] = pod
    wanted = read_cluster({"Node": nodes, "Pod": list(left.values())}).cluster
    assert state.cluster() == wanted
