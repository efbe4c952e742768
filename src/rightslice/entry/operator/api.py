"""The calls that the operator makes: lists, statuses, and the changes of Enforce."""

from __future__ import annotations

import datetime as dt
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.core.resource import NamespacedResource
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.core_v1 import EventSource, ObjectReference
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Event, Service
from lightkube.resources.policy_v1 import PodDisruptionBudget
from lightkube.types import PatchType

from rightslice.errors import UnavailableError
from rightslice.kube.crd.decode import encode
from rightslice.kube.crd.definition import API_VERSION, MODEL, MODEL_DEPLOYMENT, VERSION
from rightslice.kube.manifest import GROUP, Manifest, digest
from rightslice.kube.operate.transition import Action, Apply, Delete, Scale
from rightslice.kube.operate.view import OWNER_LABEL, Key

logger = logging.getLogger(__name__)
FIELD_MANAGER: Final = "rightslice-operator"
LONGEST_MESSAGE: Final = 1000
CallError = (ApiError, httpx2.HTTPError, OSError)
"""What a call may end with: a refusal, or no answer."""
_NOT_FOUND: Final = 404
_KINDS: Final[Mapping[str, type[Any]]] = {
    "Deployment": Deployment,
    "Service": Service,
    "PodDisruptionBudget": PodDisruptionBudget,
}
ModelResource: Final = create_namespaced_resource(GROUP, VERSION, MODEL.kind, MODEL.plural)
DeploymentResource: Final = create_namespaced_resource(
    GROUP, VERSION, MODEL_DEPLOYMENT.kind, MODEL_DEPLOYMENT.plural
)


class ForeignObjectError(UnavailableError):
    """An object that would be made is there already, and is not ours."""


@dataclass
class ClusterCalls:
    """The API server, as the operator uses it."""

    client: AsyncClient

    async def everything(self) -> dict[str, list[dict[str, Any]]]:
        """Return every Model, ModelDeployment, and Deployment of ours."""
        found: dict[str, list[dict[str, Any]]] = {}
        client: Any = self.client  # its overloads tell global kinds from namespaced ones
        for kind, resource, labels in (
            (MODEL.kind, ModelResource, None),
            (MODEL_DEPLOYMENT.kind, DeploymentResource, None),
            ("Deployment", Deployment, {OWNER_LABEL: None}),
        ):
            listed = client.list(resource, namespace="*", labels=labels)
            found[kind] = [one.to_dict() async for one in listed]
        return found

    async def config_map(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """Return the files of a ConfigMap; None when there is none."""
        try:
            found = await self.client.get(ConfigMap, name, namespace=namespace)
        except ApiError as error:
            if error.status.code == _NOT_FOUND:
                return None
            raise
        return found.data or {}

    async def write_status(self, kind: str, key: Key, status: object) -> None:
        """Replace the status of a Model or ModelDeployment."""
        resource = ModelResource if kind == MODEL.kind else DeploymentResource
        client: Any = self.client
        await client.patch(
            resource.Status,
            key[1],
            [{"op": "add", "path": "/status", "value": encode(status)}],
            namespace=key[0],
            patch_type=PatchType.JSON,
        )

    async def act(self, namespace: str, action: Action) -> None:
        """Carry out one change; what is gone already counts as deleted."""
        client: Any = self.client
        if isinstance(action, Apply):
            await self._check_ours(namespace, action.manifest)
            await client.apply(_object(action.manifest), field_manager=FIELD_MANAGER)
        elif isinstance(action, Scale):
            patch = {"spec": {"replicas": action.replicas}}
            await client.patch(
                Deployment.Scale, action.name, patch, namespace=namespace,
                patch_type=PatchType.MERGE, field_manager=FIELD_MANAGER,
            )  # fmt: skip
        elif isinstance(action, Delete):
            try:
                await client.delete(Deployment, action.name, namespace=namespace)
            except ApiError as error:
                if error.status.code != _NOT_FOUND:
                    raise

    async def _check_ours(self, namespace: str, manifest: Manifest) -> None:
        """Refuse to touch an object of the same name that belongs to somebody else."""
        client: Any = self.client
        metadata: Any = manifest["metadata"]
        kind, name = str(manifest["kind"]), str(metadata["name"])
        try:
            found = await client.get(_KINDS[kind], name, namespace=namespace)
        except ApiError as error:
            if error.status.code == _NOT_FOUND:
                return
            raise
        owners = {one.uid for one in found.metadata.ownerReferences or ()}
        if metadata["ownerReferences"][0]["uid"] not in owners:
            raise ForeignObjectError(
                f"{kind} {name} belongs to somebody else; rename it, or the ModelDeployment"
            )

    async def tell(self, key: Key, uid: str, reason: str, message: str) -> None:
        """Write an event about a ModelDeployment."""
        now = dt.datetime.now(dt.UTC)
        about = ObjectReference(
            apiVersion=API_VERSION, kind=MODEL_DEPLOYMENT.kind, name=key[1], namespace=key[0],
            uid=uid,
        )  # fmt: skip
        event = Event(
            metadata=ObjectMeta(name=f"{key[1]}.{secrets.token_hex(6)}", namespace=key[0]),
            involvedObject=about,
            reason=reason,
            message=message[:LONGEST_MESSAGE],
            type="Normal" if reason == "Recommended" else "Warning",
            source=EventSource(component=FIELD_MANAGER),
            reportingComponent=f"{GROUP}/operator",
            firstTimestamp=now,
            lastTimestamp=now,
            count=1,
        )
        await self.client.create(event)


def _object(manifest: Manifest) -> NamespacedResource:
    made: NamespacedResource = _KINDS[str(manifest["kind"])].from_dict(manifest)
    return made


def applied(action: Apply) -> tuple[str, str]:
    """Return what tells an applied object from others, and a digest of what was applied."""
    metadata: Any = action.manifest["metadata"]
    name = f"{metadata['namespace']}/{action.manifest['kind']}/{metadata['name']}"
    return name, digest(repr(action.manifest))
