"""The calls that the operator makes: lists, statuses, and the changes of Enforce."""

from __future__ import annotations

import datetime as dt
import logging
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
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
from lightkube.resources.resource_v1 import ResourceClaimTemplate
from lightkube.types import PatchType

from rightslice.entry.operator.pace import Pace, UnreadableAnswerError, answered
from rightslice.errors import UnavailableError
from rightslice.kube.crd.decode import encode
from rightslice.kube.crd.definition import API_VERSION, MODEL, MODEL_DEPLOYMENT, VERSION
from rightslice.kube.manifest import GROUP, Manifest
from rightslice.kube.operate.drift import FIELD_MANAGER
from rightslice.kube.operate.transition import Delete, Scale
from rightslice.kube.operate.view import OWNER_LABEL, Key

logger = logging.getLogger(__name__)
LONGEST_MESSAGE: Final = 1000
PAGE: Final = 500
"""Objects a request: what kubectl takes."""
Decoded = dict[str, Any]
CallError = (ApiError, httpx2.HTTPError, OSError, UnreadableAnswerError)
"""What a call may end with: a refusal, or no answer."""
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_INVALID: Final = 422
NORMAL: Final = (
    "Off", "Recommended", "LayoutAdvised", "LayoutPlanned", "LayoutCordoned", "LayoutConfigured",
    "LayoutDrained", "LayoutLabelled", "LayoutDone", "MoveStarted", "MoveHandedOver", "MoveDone",
)  # fmt: skip
"""Reasons of events that nobody has to look into."""
_KINDS: Final[Mapping[str, type[Any]]] = {
    "Deployment": Deployment,
    "Service": Service,
    "PodDisruptionBudget": PodDisruptionBudget,
    "ResourceClaimTemplate": ResourceClaimTemplate,
}
ModelResource: Final = create_namespaced_resource(GROUP, VERSION, MODEL.kind, MODEL.plural)
DeploymentResource: Final = create_namespaced_resource(
    GROUP, VERSION, MODEL_DEPLOYMENT.kind, MODEL_DEPLOYMENT.plural
)


class MissingDefinitionsError(UnavailableError):
    """The definitions of our own resources are not installed yet."""


class ForeignObjectError(UnavailableError):
    """An object that would be made is there already, and is not ours."""


@dataclass
class ClusterCalls:
    """The API server, as the operator uses it: it writes at a pace, and only while it leads."""

    client: AsyncClient
    pace: Pace = field(default_factory=lambda: Pace(lambda: True))

    async def everything(self, made: Collection[str] = ("Deployment",)) -> dict[str, list[Decoded]]:
        """Return every Model and ModelDeployment, and what is ours of the kinds in *made*.

        Raises:
            MissingDefinitionsError: when the API server does not know Models or ModelDeployments.
        """
        found = {
            MODEL.kind: await self._every(ModelResource),
            MODEL_DEPLOYMENT.kind: await self._every(DeploymentResource),
        }
        for kind in made:
            found[kind] = await self._every(_KINDS[kind], {OWNER_LABEL: None})
        return found

    async def _every(
        self, resource: type[Any], labels: Mapping[str, None] | None = None
    ) -> list[Decoded]:
        client: Any = self.client  # its overloads tell global kinds from namespaced ones

        async def every() -> list[Decoded]:
            listed = client.list(resource, namespace="*", labels=labels, chunk_size=PAGE)
            return [one.to_dict() async for one in listed]

        try:
            return await answered(every)
        except httpx2.HTTPStatusError as error:
            code = error.response.status_code
            if code == _NOT_FOUND and labels is None:
                raise MissingDefinitionsError(
                    f"the API server does not know {resource.__name__}s of {API_VERSION}: install"
                    " the chart's resource definitions (kubectl apply --server-side -f crds)"
                ) from None
            if code in (_NOT_FOUND, _FORBIDDEN) and resource is ResourceClaimTemplate:
                return []  # without DRA, or the right to it, there are none of ours
            raise

    async def config_map(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """Return the files of a ConfigMap; None when there is none."""
        try:
            found = await answered(lambda: self.client.get(ConfigMap, name, namespace=namespace))
        except ApiError as error:
            if error.status.code == _NOT_FOUND:
                return None
            raise
        return found.data or {}

    async def write_status(self, kind: str, key: Key, status: object) -> str:
        """Replace the status of a Model or ModelDeployment; return its new resource version."""
        resource = ModelResource if kind == MODEL.kind else DeploymentResource
        patch = [{"op": "add", "path": "/status", "value": encode(status)}]
        client: Any = self.client
        written = await self.pace.run(
            lambda: client.patch(
                resource.Status, key[1], patch, namespace=key[0], patch_type=PatchType.JSON
            )
        )
        return str(written.metadata.resourceVersion or "")

    async def apply(self, namespace: str, manifest: Manifest, version: str | None) -> Decoded:
        """Create an object, or take back what others changed of it; return what it is now.

        *version* is the one that the decision saw: when the object is another by now, it is left
        alone (409) until it has been looked at.

        Raises:
            ForeignObjectError: when it belongs to somebody else.
        """
        await self._check_ours(namespace, manifest)
        wanted = manifest
        if version is not None:
            metadata: Any = manifest["metadata"]
            wanted = {**manifest, "metadata": {**metadata, "resourceVersion": version}}
        client: Any = self.client
        try:
            done = await self.pace.run(
                lambda: client.apply(_object(wanted), field_manager=FIELD_MANAGER, force=True)
            )
        except ApiError as error:
            if error.status.code != _INVALID:
                raise
            done = await self._replace_lists(namespace, manifest)
        found: Decoded = done.to_dict()
        return found

    async def _replace_lists(self, namespace: str, manifest: Manifest) -> Any:  # noqa: ANN401 - lightkube's objects
        """Apply *manifest* once its lists are put in place of those that are there.

        What others put into a list beside ours can make the two together invalid: two ports of
        one name.
        """
        client: Any = self.client
        metadata: Any = manifest["metadata"]
        kind, name = _KINDS[str(manifest["kind"])], str(metadata["name"])
        spec: Any = manifest["spec"]
        rest = {"spec": {key: one for key, one in spec.items() if key != "replicas"}}
        await self.pace.run(
            lambda: client.patch(kind, name, rest, namespace=namespace,
                                 patch_type=PatchType.MERGE, field_manager=FIELD_MANAGER)
        )  # fmt: skip
        return await self.pace.run(
            lambda: client.apply(_object(manifest), field_manager=FIELD_MANAGER, force=True)
        )

    async def scale(self, namespace: str, action: Scale) -> None:
        """Give a Deployment other replicas; one that is gone is left to the next decision."""
        patch = {"spec": {"replicas": action.replicas}}
        client: Any = self.client
        await self._unless_gone(
            lambda: client.patch(
                Deployment.Scale, action.name, patch, namespace=namespace,
                patch_type=PatchType.MERGE, field_manager=FIELD_MANAGER,
            )
        )  # fmt: skip

    async def delete(self, namespace: str, action: Delete) -> None:
        """Delete an object; what is gone already counts as deleted."""
        client: Any = self.client
        resource = _KINDS[action.what]
        await self._unless_gone(lambda: client.delete(resource, action.name, namespace=namespace))

    async def _unless_gone(self, call: Callable[[], Awaitable[object]]) -> None:
        try:
            await self.pace.run(call)
        except ApiError as error:
            if error.status.code != _NOT_FOUND:
                raise

    async def _check_ours(self, namespace: str, manifest: Manifest) -> None:
        """Refuse to touch an object of the same name that belongs to somebody else."""
        client: Any = self.client
        metadata: Any = manifest["metadata"]
        kind, name = str(manifest["kind"]), str(metadata["name"])
        try:
            found = await answered(lambda: client.get(_KINDS[kind], name, namespace=namespace))
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
            type="Normal" if reason in NORMAL else "Warning",
            source=EventSource(component=FIELD_MANAGER),
            reportingComponent=f"{GROUP}/operator",
            firstTimestamp=now,
            lastTimestamp=now,
            count=1,
        )
        await self.pace.run(lambda: self.client.create(event))


def _object(manifest: Manifest) -> NamespacedResource:
    made: NamespacedResource = _KINDS[str(manifest["kind"])].from_dict(manifest)
    return made
