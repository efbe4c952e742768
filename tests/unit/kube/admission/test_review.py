"""AdmissionReviews in and out."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from rightslice.errors import InputError
from rightslice.kube.admission.patch import patched, resource_problem
from rightslice.kube.admission.review import Reviewed, review
from rightslice.kube.admission.settings import Mode
from tests.unit.kube.admission.worlds import SLICES, node, talk_pod, world


def _review(pod: Mapping[str, object], mode: Mode = Mode.ENFORCE) -> Reviewed:
    request = {"uid": "u", "kind": {"kind": "Pod"}, "operation": "CREATE", "namespace": "n"}
    return review({"request": {**request, "object": pod}}, world(node("a", SLICES), mode=mode))


def _patched(reviewed: Reviewed, pod: Mapping[str, object]) -> dict[str, Any]:
    response = reviewed.response["response"]
    assert isinstance(response, dict)
    return patched(pod, json.loads(base64.b64decode(str(response["patch"]))))


def test_the_patch_sets_requests_and_limits_and_removes_the_gpu() -> None:
    """The API server refuses an extended resource with a request alone."""
    pod = talk_pod()
    assert resource_problem(pod) is not None
    after = _patched(_review(pod), pod)
    slices = {"nvidia.com/mig-2g.10gb": "1"}
    assert after["spec"]["containers"][0]["resources"] == {"requests": slices, "limits": slices}
    assert resource_problem(after) is None


def test_the_reply_allows_the_pod_and_repeats_the_uid() -> None:
    """Always allowed; the reason is a warning and an annotation."""
    reviewed = _review(talk_pod())
    response = reviewed.response["response"]
    assert isinstance(response, dict)
    assert (response["uid"], response["allowed"]) == ("u", True)
    assert "becomes 1 x nvidia.com/mig-2g.10gb" in str(response["warnings"])
    assert "TPOT mean" in _patched(reviewed, talk_pod())["metadata"]["annotations"][
        "rightslice.dev/reason"
    ]  # fmt: skip


def test_advise_changes_annotations_only() -> None:
    """Whatever it would do."""
    pod = talk_pod()
    pod["spec"]["containers"][0]["resources"]["limits"] = {"nvidia.com/gpu": 1}
    after = _patched(_review(pod, Mode.ADVISE), pod)
    assert after["spec"] == pod["spec"]
    assert after["metadata"]["annotations"]["rightslice.dev/offer"] == "A100-SXM-40GB 2g.10gb"


def test_reviewing_the_patched_pod_changes_nothing_more() -> None:
    """Reinvocation and `kubectl replace` meet the same pod again."""
    pod = talk_pod()
    once = _patched(_review(pod), pod)
    again = _review(once)
    assert _patched(again, once)["spec"] == once["spec"]


def test_notes_of_an_earlier_decision_go() -> None:
    """A pod made from another's manifest carries them: what no longer holds is removed."""
    pod = _patched(_review(talk_pod()), talk_pod())
    pod["metadata"]["annotations"]["rightslice.dev/flags-set"] = "--max-num-seqs=8"
    notes = _patched(_review(pod), pod)["metadata"]["annotations"]
    assert notes["rightslice.dev/outcome"] == "Right"
    gone = {
        "rightslice.dev/previous-request",
        "rightslice.dev/decision",
        "rightslice.dev/flags-set",
    }
    assert gone & set(notes) == set()


def test_annotations_at_their_limit_are_left_alone() -> None:
    """The API server would refuse the pod for our notes."""
    pod = talk_pod(annotations={"x/y": "z" * (256 * 1024 - 10)})
    response = _review(pod).response["response"]
    assert isinstance(response, dict)
    assert "patch" not in response
    assert "of 262144 bytes" in str(response["warnings"])


@pytest.mark.parametrize(
    "request_", [{}, {"request": {}}, {"request": {"uid": 3}}, {"request": []}]
)
def test_what_is_no_review_is_refused(request_: dict[str, object]) -> None:
    """Without a uid there is nothing to answer."""
    with pytest.raises(InputError, match="AdmissionReview"):
        review(request_, world())


def test_other_objects_pass() -> None:
    """The chart's rules send pods only; anything else is allowed without a patch."""
    request = {"uid": "u", "kind": {"kind": "Deployment"}, "object": talk_pod()}
    response = review({"request": request}, world()).response["response"]
    assert response == {"uid": "u", "allowed": True}
