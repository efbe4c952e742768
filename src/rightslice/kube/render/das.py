"""The placements of a plan as DAS's AllocationClaims, for comparison with what DAS allots.

The fields are those of AllocationClaimSpec (openshift/instaslice-operator
pkg/apis/dasoperator/v1alpha1; the CRD leaves ``spec`` open). DAS's scheduler makes the claims of
a pod itself and deletes any that are there before (pkg/scheduler/plugins/mig/mig.go, Filter), so
these are not applied: they say where the plan expects each replica.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rightslice.core.plan.result import CardPlan
from rightslice.kube.manifest import GROUP, Manifest, short_name
from rightslice.kube.uuids import uuid_reference

NAMESPACE: Final = "das-operator"


def render(cards: Sequence[CardPlan], names: Mapping[str, tuple[str, str]]) -> list[Manifest]:
    """Return a claim for every slice in use; *names* gives team and object name by workload."""
    claims: list[Manifest] = []
    for card in cards:
        grid = card.group.gpu.mig
        for slot in card.slots:
            if slot.placement is None or grid is None or slot.workload not in names:
                continue
            team, name = names[slot.workload]
            profile = grid.profile(slot.placement.profile)
            claims.append(
                {
                    "apiVersion": "inference.redhat.com/v1alpha1",
                    "kind": "AllocationClaim",
                    "metadata": {
                        "name": short_name(f"{name}-{slot.replica}"),
                        "namespace": NAMESPACE,
                        "labels": {f"{GROUP}/team": short_name(team)},
                    },
                    "spec": {
                        "profile": str(profile.name),
                        "podRef": {"kind": "Pod", "namespace": team, "name": name},
                        "migPlacement": {
                            "size": profile.memory_slots,
                            "start": slot.placement.start,
                        },
                        "gpuUUID": uuid_reference(card.node, card.card),
                        "nodename": card.node,
                    },
                }
            )
    return claims
