"""What runs a ModelDeployment: Service, PodDisruptionBudget, guaranteed and elastic Deployment.

Kueue takes every pod of a Deployment for a workload of its own and protects no minimum, so that
``replicas.min`` and what goes beyond are two Deployments. Both carry a revision in their name: a
changed offer or flag is a new pair beside the old one, never a change of running pods.
Known gap: queue labels and priority classes are not set yet.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from rightslice.core.catalog.fleet import MigStrategy, NodeGroup, Workload
from rightslice.core.catalog.question import Question
from rightslice.core.catalog.share import MigSlice
from rightslice.core.plan.result import Placed
from rightslice.kube.admission.settings import MODE_LABEL, Mode
from rightslice.kube.assignments import Assignment
from rightslice.kube.crd.decode import encode
from rightslice.kube.crd.definition import API_VERSION, MODEL_DEPLOYMENT
from rightslice.kube.crd.deployment import ModelDeploymentSpec, OfferStatus
from rightslice.kube.manifest import GROUP, Manifest, digest
from rightslice.kube.operate.claims import asked_for, claim_template, pod_notes, template_name
from rightslice.kube.operate.host import host_of
from rightslice.kube.operate.offers import Choice
from rightslice.kube.operate.pod import Where, put_settings, settings_digest
from rightslice.kube.operate.view import (
    OFFER_NOTE,
    OWNER_LABEL,
    PART_LABEL,
    REVISION_LABEL,
    SETTINGS_NOTE,
    Part,
    Running,
    Served,
)
from rightslice.kube.render.workload import render
from rightslice.records import Json
from rightslice.units import format_usd

_PLANNED_NOTES: Final = ("fleet", "rollout", "requests", "cost", "reason")
"""Annotations of a planned fleet that say nothing here."""


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """The objects of one choice; Deployments are made with the replicas of a moment."""

    revision: str
    offer: OfferStatus
    arguments: tuple[str, ...]
    beside: tuple[Manifest, ...]
    """Service and PodDisruptionBudget."""
    template: Manifest
    """A Deployment, as yet without part and replicas."""
    claims: Manifest | None = None
    """The claim template, as yet without a name; None: its pods ask by extended resource."""

    @property
    def image(self) -> str:
        """The server's image."""
        return str(_container(self.template)["image"])

    @property
    def settings(self) -> str:
        """What tells the settings of its pods from others."""
        notes: Any = self.template["metadata"]
        return str(notes["annotations"].get(SETTINGS_NOTE, ""))

    def like(self, one: Running) -> Rendered:
        """Return the same with the revision and the flags of *one*, which runs already."""
        template: dict[str, Any] = json.loads(json.dumps(self.template))
        _container(template)["args"] = list(one.arguments)
        return replace(self, revision=one.revision, arguments=one.arguments, template=template)

    def deployment(self, name: str, part: Part, replicas: int) -> Manifest:
        """Return the Deployment of *part*, with so many *replicas*."""
        made: dict[str, Any] = json.loads(json.dumps(self.template))
        labels = {PART_LABEL: part.value, REVISION_LABEL: self.revision}
        made["metadata"]["name"] = deployment_name(name, self.revision, part)
        for claim in made["spec"]["template"]["spec"].get("resourceClaims", ()):
            claim["resourceClaimTemplateName"] = template_name(name, self.revision)
        made["metadata"]["labels"] |= labels
        made["spec"]["replicas"] = replicas
        made["spec"]["selector"]["matchLabels"] |= labels
        made["spec"]["template"]["metadata"]["labels"] |= {OWNER_LABEL: name, **labels}
        return made

    def claim_template(self, name: str) -> Manifest | None:
        """Return the claim template of the revision; None when its pods claim nothing."""
        if self.claims is None:
            return None
        made: dict[str, Any] = json.loads(json.dumps(self.claims))
        made["metadata"]["name"] = template_name(name, self.revision)
        made["metadata"]["labels"] |= {REVISION_LABEL: self.revision}
        return made


def _container(deployment: Manifest) -> dict[str, Any]:
    spec: Any = deployment["spec"]
    found: dict[str, Any] = spec["template"]["spec"]["containers"][0]
    return found


def deployment_name(name: str, revision: str, part: Part) -> str:
    """Return the name of the Deployment of *part*.

    >>> deployment_name("chat", "0a1b2c3d", Part.ELASTIC)
    'chat-0a1b2c3d-elastic'
    """
    return f"{name}-{revision}" + ("-elastic" if part is Part.ELASTIC else "")


def offer_status(choice: Choice, revision: str = "") -> OfferStatus:
    """Return *choice* as the status tells it."""
    price = choice.candidate.offer.usd_per_hour
    cost = None if price is None else format_usd(float(price * choice.replicas)).lstrip("$")
    return OfferStatus(
        offer=choice.name,
        resource=choice.cluster_offer.resource,
        count=choice.cluster_offer.count,
        replicas=choice.replicas,
        usd_per_hour=cost,
        revision=revision,
    )


def rendered(served: Served, choice: Choice, question: Question) -> Rendered:
    """Return the objects that run *served* on *choice*; vLLM loads what its model is called."""
    assert served.spec is not None
    assignment = _assignment(served, choice, question)
    asked, claims = asked_for(choice, ""), claim_template(choice)
    service, budget, deployment = (dict(one) for one in render(assignment, asked))
    arguments = _adjust(deployment, choice, served.spec)
    host = host_of(question.model, served.spec.pod)
    _container(deployment)["resources"]["requests"] |= host.requests(choice.ranks)
    put_settings(deployment, served.spec.pod)
    plain = json.dumps(deployment["spec"], sort_keys=True)
    said = "" if claims is None else json.dumps(claims["spec"], sort_keys=True)
    revision = digest(f"{choice.name} {choice.cluster_offer.resource} {_stable(plain)}{said}")
    offer = offer_status(choice, revision)
    for one in (service, budget, deployment, *(() if claims is None else (claims,))):
        _own(one, served)
    metadata: Any = deployment["metadata"]
    metadata["annotations"][OFFER_NOTE] = json.dumps(encode(replace(offer, replicas=0)))
    settings = settings_digest(served.spec.pod)
    if settings:
        metadata["annotations"][SETTINGS_NOTE] = settings
    return Rendered(
        revision=revision,
        offer=offer,
        arguments=arguments,
        beside=(service, budget),
        template=deployment,
        claims=claims,
    )


def _stable(spec: str) -> str:
    """Return what of a Deployment's spec makes new pods necessary: its number of replicas not."""
    found = json.loads(spec)
    found.pop("replicas", None)
    found.pop("progressDeadlineSeconds", None)
    return json.dumps(found, sort_keys=True)


def _assignment(served: Served, choice: Choice, question: Question) -> Assignment:
    offer = choice.candidate.offer
    spec = served.spec
    assert spec is not None
    group = NodeGroup(
        name=str(offer.device.gpu.name),
        count=1,
        instance=None,
        gpu=offer.device.gpu,
        gpus_per_node=max(1, offer.tensor_parallel),
        gpu_memory_bytes=None,
        vcpus=None,
        memory_bytes=None,
        mig=MigStrategy.MIXED if isinstance(offer.device.share, MigSlice) else MigStrategy.NONE,
        time_slicing_replicas=None,
        price=None,
    )
    workload = Workload(
        **{item.name: getattr(question, item.name) for item in fields(Question)},
        name=served.name,
        team=served.namespace,
        priority=spec.priority,
    )
    placed = Placed(candidate=choice.candidate, replicas=choice.replicas, cost=None, passed=())
    return Assignment(
        name=served.name,
        fleet_name="",
        workload=workload,
        placed=placed,
        group=group,
        nodes=(),
        spare=1,
    )


def _adjust(deployment: Manifest, choice: Choice, given: ModelDeploymentSpec) -> tuple[str, ...]:
    """Fit a planned Deployment to the cluster: its nodes by the offer's own labels."""
    notes: Any = deployment["metadata"]
    for name in _PLANNED_NOTES:
        notes["annotations"].pop(f"{GROUP}/{name}", None)
    spec: Any = deployment["spec"]
    # The webhook has nothing to say of pods that are sized here.
    pod_annotations = {MODE_LABEL: Mode.OFF.value, **pod_notes(choice)}
    spec["template"]["metadata"]["annotations"] = pod_annotations
    pod = spec["template"]["spec"]
    pod.pop("affinity", None)
    pod.pop("nodeSelector", None)
    pod |= Where.of(given.pod).spec
    if choice.cluster_offer.selector:
        pod["nodeSelector"] = {**pod.get("nodeSelector", {}), **choice.cluster_offer.selector}
    container, engine = pod["containers"][0], given.engine
    if engine.image is not None:
        container["image"] = engine.image
    said = {one.partition("=")[0] for one in container["args"]}
    container["args"] += [one for one in engine.flags if one.partition("=")[0] not in said]
    return tuple(container["args"])


def _own(one: Manifest, served: Served) -> None:
    metadata: Any = one["metadata"]
    metadata["namespace"] = served.namespace
    metadata["labels"] |= {OWNER_LABEL: served.name}
    owner: dict[str, Json] = {
        "apiVersion": API_VERSION,
        "kind": MODEL_DEPLOYMENT.kind,
        "name": served.name,
        "uid": served.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
    metadata["ownerReferences"] = [owner]
