"""Claim templates of a ModelDeployment, and the pods that ask by them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rightslice.edge.catalog_files import Catalog
from rightslice.kube.admission.settings import Mode
from rightslice.kube.cluster.dra_hardware import node_hardware
from rightslice.kube.cluster.dra_read import read_classes, read_stocks
from rightslice.kube.cluster.read import read_cluster
from rightslice.kube.manifest import OWNER_LABEL
from rightslice.kube.operate.claims import KIND, template_actions, template_name
from rightslice.kube.operate.decide import Decision, Outcome, decide_all
from rightslice.kube.operate.transition import Apply, Delete
from rightslice.kube.operate.view import Part, Running, Served, World
from tests.unit.kube.cluster.dra_worlds import PRODUCT, SLICES, bare_node, claim, claiming_pod
from tests.unit.kube.operate.worlds import NOW, served, world
from tools.testbed.dra import driver_classes


def _world(**objects: list[dict[str, Any]]) -> World:
    cluster = read_cluster({"Node": [bare_node()], "ResourceSlice": SLICES, **objects}).cluster
    stock, classes = read_stocks(SLICES)["a"], read_classes(driver_classes())
    hardware = {"a": node_hardware(cluster.nodes[0], stock, classes, Catalog().gpu)}
    return replace(world(), cluster=cluster, hardware=hardware)


def _decision(one: Served, **objects: list[dict[str, Any]]) -> Decision:
    return decide_all([one], _world(**objects), NOW)[0]


def _applied(decision: Decision) -> dict[str, Any]:
    return {
        str(one.manifest["kind"]): one.manifest
        for one in decision.actions
        if isinstance(one, Apply)
    }


@pytest.fixture
def enforced() -> Served:
    """Return a ModelDeployment to be enforced."""
    return served(mode=Mode.ENFORCE.value)


def test_a_pod_on_a_dra_node_asks_by_the_template_of_its_revision(enforced: Served) -> None:
    """The template selects board and profile; pod and container name the claim."""
    made = _applied(_decision(enforced))
    template, deployment = made[KIND], made["Deployment"]
    name = template["metadata"]["name"]
    (request,) = template["spec"]["spec"]["devices"]["requests"]
    assert request["exactly"]["deviceClassName"] == "mig.nvidia.com"
    assert [one["cel"]["expression"] for one in request["exactly"]["selectors"]] == [
        "device.attributes['gpu.nvidia.com'].profile == '1g.10gb'",
        f"device.attributes['gpu.nvidia.com'].productName == '{PRODUCT}'",
    ]
    assert template["metadata"]["ownerReferences"][0]["uid"] == enforced.uid
    assert template["metadata"]["labels"][OWNER_LABEL] == enforced.name
    pod = deployment["spec"]["template"]
    assert pod["spec"]["resourceClaims"] == [{"name": "gpu", "resourceClaimTemplateName": name}]
    assert pod["spec"]["containers"][0]["resources"]["claims"] == [{"name": "gpu"}]
    assert pod["metadata"]["annotations"]["rightslice.dev/claims"] == "resourceclaim:1g.10gb=1"


def test_the_status_names_the_claim(enforced: Served) -> None:
    """In place of an extended resource."""
    found = _decision(enforced).status.recommendation
    assert found is not None
    assert found.offer.resource == "resourceclaim:1g.10gb"


def test_two_are_not_given_one_place() -> None:
    """The card holds one 7g or its like: what one is given is held back from the next."""
    first, second, third = (
        replace(served(name, mode="enforce"), uid=name) for name in ("a", "b", "c")
    )
    held = [claim("x", "gpu-0-mig-3g20gb-9-4", pod="x")]
    found = decide_all([first, second, third], _world(ResourceClaim=held), NOW)
    offers = [one.status.recommendation.offer.offer if one.status.recommendation else None
              for one in found]  # fmt: skip
    assert offers == ["A100-SXM-40GB 1g.10gb", "A100-SXM-40GB 1g.10gb", None]
    assert found[2].outcome is Outcome.NO_ROOM


def test_a_pod_that_waits_for_its_claim_has_its_place(enforced: Served) -> None:
    """Its own pod is not held back from it."""
    first = _decision(enforced)
    revision = first.status.recommendation.offer.revision if first.status.recommendation else ""
    pod = claiming_pod("p", note="resourceclaim:1g.10gb=1")
    pod["metadata"]["labels"] = {
        OWNER_LABEL: enforced.name, "rightslice.dev/revision": revision,
    }  # fmt: skip
    taken = [claim("x", "gpu-0-mig-4g20gb-5-0", pod="x")]
    running = Running(
        name="chat", revision=revision, part=Part.GUARANTEED, replicas=1, pods=1, ready=0,
        offer=first.status.recommendation.offer if first.status.recommendation else None,
    )  # fmt: skip
    again = _decision(replace(enforced, running=(running,)), Pod=[pod], ResourceClaim=taken)
    assert again.outcome is Outcome.RECOMMENDED


def test_a_template_that_is_there_is_not_applied_again(enforced: Served) -> None:
    """The API server refuses changes of it, and there is nothing to change."""
    made = _applied(_decision(enforced))[KIND]
    known = replace(enforced, templates=(made["metadata"]["name"],))
    assert KIND not in _applied(_decision(known))


def _running(revision: str, replicas: int, pods: int) -> Running:
    return Running(
        name=f"chat-{revision}", revision=revision, part=Part.GUARANTEED, replicas=replicas,
        pods=pods, ready=0, offer=None,
    )  # fmt: skip


def test_templates_go_with_their_revisions(enforced: Served) -> None:
    """Of what runs, ends, ran and is wanted, only the one that ran is deleted."""
    names = {one: template_name(enforced.name, one) for one in ("runs", "ends", "ran", "new")}
    one = replace(
        enforced,
        running=(_running("runs", 1, 1), _running("ends", 0, 1), _running("ran", 0, 0)),
        templates=tuple(names.values()),
    )
    assert template_actions(one, None, "new") == (Delete(name=names["ran"], what=KIND),)
