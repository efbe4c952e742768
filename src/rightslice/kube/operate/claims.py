"""How pods of a ModelDeployment ask DRA for their devices: a claim template a revision.

A template belongs to its ModelDeployment and never changes (the API server refuses that): another
offer is another revision, with a template of its own. One whose revision neither runs nor should
is deleted; what was allocated from it stays with its pods.
"""

from __future__ import annotations

from collections.abc import Sequence

from rightslice.kube.cluster.dra import DraUnit, is_claim
from rightslice.kube.cluster.dra_read import (
    CLAIMS_NOTE,
    DRIVER,
    claims_note,
    class_expression,
    profile_expression,
)
from rightslice.kube.gpu_ask import CLAIM, GpuAsk
from rightslice.kube.manifest import Manifest
from rightslice.kube.operate.offers import Choice
from rightslice.kube.operate.transition import Apply, Delete
from rightslice.kube.operate.view import Served
from rightslice.records import Json

KIND = "ResourceClaimTemplate"


def template_name(name: str, revision: str) -> str:
    """Return the name of the claim template of a revision.

    >>> template_name("chat", "0a1b2c3d")
    'chat-0a1b2c3d-gpu'
    """
    return f"{name}-{revision}-{CLAIM}"


def asked_for(choice: Choice, template: str) -> GpuAsk:
    """Return the parts of a pod that ask for the device of *choice*, by *template* under DRA."""
    offer = choice.cluster_offer
    if not is_claim(offer.resource):
        return GpuAsk(resources={offer.resource: str(offer.count)})
    reference: dict[str, Json] = {"name": CLAIM, "resourceClaimTemplateName": template}
    return GpuAsk(claims=(CLAIM,), pod={"resourceClaims": [reference]})


def pod_notes(choice: Choice) -> dict[str, str]:
    """Return the annotations by which pods of *choice* say what they will claim."""
    offer = choice.cluster_offer
    return {CLAIMS_NOTE: claims_note(offer.resource, offer.count)} if is_claim(offer.resource) \
        else {}  # fmt: skip


def claim_template(choice: Choice, cards: Sequence[str] = ()) -> Manifest | None:
    """Return the template of *choice*, without a name; None when no claim asks for it.

    Args:
        choice: the offer.
        cards: UUIDs of the cards that a slice has to lie on; none: any card.
    """
    offer = choice.cluster_offer
    if not is_claim(offer.resource) or offer.unit is None:
        return None
    request: dict[str, Json] = {
        "deviceClassName": offer.unit.device_class,
        "allocationMode": "ExactCount",
        "count": offer.count,
        "selectors": [{"cel": {"expression": one}} for one in _where(offer.unit, cards)],
    }
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": KIND,
        "metadata": {"name": "", "labels": {"app.kubernetes.io/managed-by": "rightslice"}},
        "spec": {"spec": {"devices": {"requests": [{"name": CLAIM, "exactly": request}]}}},
    }


def _where(unit: DraUnit, cards: Sequence[str]) -> list[str]:
    """Return the selectors: the class may take more than the offer, and boards differ."""
    product = unit.product.replace("\\", "\\\\").replace("'", "\\'")
    where = [class_expression(None)] if unit.profile is None else [profile_expression(unit.profile)]
    where.append(f"device.attributes['{DRIVER}'].productName == '{product}'")
    if cards and unit.profile is not None:
        named = ", ".join(f"'{one}'" for one in cards)
        where.append(f"device.attributes['{DRIVER}'].parentUUID in [{named}]")
    return where


def template_actions(
    served: Served, wanted: Manifest | None, revision: str
) -> tuple[Apply | Delete, ...]:
    """Return what is to be done to claim templates: make what is *wanted*, delete what is not.

    One that is there is not applied again. A revision that still runs keeps its own.
    """
    running = {one.revision for one in served.running if one.replicas > 0 or one.pods > 0}
    kept = {template_name(served.name, one) for one in (revision, *running)}
    stale = tuple(Delete(name=one, what=KIND) for one in served.templates if one not in kept)
    if wanted is None or template_name(served.name, revision) in served.templates:
        return stale
    return (Apply(manifest=wanted), *stale)
