"""What is remembered between reviews changes no answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.fit.answers import Answers
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster.state import ClusterState
from rightslice.entry.webhook.answers import Reviewer
from rightslice.kube.admission.decide import Outcome
from rightslice.kube.admission.reading import Reading, reader
from rightslice.kube.admission.settings import Mode, Settings
from rightslice.kube.parse.question import Defaults, Lookups
from tests.unit.kube.admission.worlds import SLICES, constants, node, talk_pod

ANSWERS = Answers(constants())
STEPS = st.one_of(
    st.tuples(st.just("review"), st.sampled_from([16, 64, 256])),
    st.tuples(st.just("create"), st.sampled_from([16, 64])),
    st.tuples(st.just("slices"), st.integers(0, 2)),
    st.tuples(st.just("mode"), st.sampled_from(["advise", "enforce", "off"])),
)


def _reviewer(state: ClusterState) -> Reviewer:
    catalog, defaults = Catalog(), Defaults(confidence=0.5)
    read = reader(Lookups(model=catalog.model, engine=catalog.engine), defaults)
    rules = Settings(mode=Mode.ENFORCE, defaults=defaults)
    return Reviewer(state=state, settings=rules, read=read, answers=ANSWERS)


def _request(number: int, concurrency: int, *, dry: bool) -> dict[str, Any]:
    asked = {"uid": f"u-{number}", "kind": {"kind": "Pod"}, "operation": "CREATE",
             "namespace": "n", "object": talk_pod(concurrency), "dryRun": dry}  # fmt: skip
    return {"request": asked}


@settings(max_examples=40, deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_one_that_remembers_says_what_a_new_one_says(steps: list[tuple[str, Any]]) -> None:
    """Whatever was reviewed, created or changed in the cluster before."""
    state = ClusterState(find_gpu=Catalog().gpu, now=lambda: 0.0)
    state.put("Node", node("a", SLICES))
    state.put("Namespace", {"metadata": {"name": "n"}})
    old = _reviewer(state)
    for number, (what, value) in enumerate(steps):
        if what == "slices":
            state.put("Node", node("a", {**SLICES, "nvidia.com/mig-2g.10gb": str(value)}))
        elif what == "mode":
            labels = {"rightslice.dev/mode": value}
            state.put("Namespace", {"metadata": {"name": "n", "labels": labels}})
        else:
            new = _reviewer(state).review(_request(number, value, dry=True))
            assert (
                old.review(_request(number, value, dry=what == "review")).response == new.response
            )


def _with_token(given: dict[str, Any], suffix: str) -> dict[str, Any]:
    """Add what the API server's ServiceAccount plugin adds."""
    spec, name = given["request"]["object"]["spec"], f"kube-api-access-{suffix}"
    spec["volumes"] = [{"name": name, "projected": {"sources": []}}]
    spec["containers"][0]["volumeMounts"] = [{"name": name, "mountPath": "/var/run/secrets"}]
    return given


def test_equal_templates_are_read_once() -> None:
    """A second pod costs no reading, and names its own request in the patch."""
    state = ClusterState(find_gpu=Catalog().gpu, now=lambda: 0.0)
    state.put("Node", node("a", {"nvidia.com/mig-2g.10gb": "2"}))
    state.put("Namespace", {"metadata": {"name": "n"}})
    reviewer = _reviewer(state)
    calls, read = [], reviewer.read

    def counted(pod: Mapping[str, object], namespace: str) -> Reading:
        calls.append(namespace)
        return read(pod, namespace)

    reviewer.read = counted
    given = [
        _with_token(_request(n, 64, dry=False), suffix)
        for n, suffix in ((1, "ab12c"), (2, "x9y8z"))
    ]
    replies = [reviewer.review(one) for one in given]
    assert calls == ["n"]
    assert [one.decision.outcome for one in replies] == [Outcome.RESIZED] * 2
    assert replies[0].response != replies[1].response
