"""The calls by which a pod is moved: its replacement, that one's claim template, and marks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from lightkube import ApiError, AsyncClient
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod
from lightkube.resources.resource_v1 import ResourceClaimTemplate
from lightkube.types import PatchType

from rightslice.entry.operator.pace import Pace
from rightslice.kube.manifest import OWNER_LABEL, Manifest
from rightslice.kube.operate.drift import FIELD_MANAGER
from rightslice.kube.repack.objects import TEMPLATE_LABEL
from rightslice.kube.repack.pods import COST, HASH_LABEL, LEAST_COST, MOVE, OwnPod, read_own_pod

_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
Decoded = dict[str, Any]


@dataclass
class MoveCalls:
    """The API server, as moves use it."""

    client: AsyncClient
    pace: Pace = field(default_factory=lambda: Pace(lambda: True))

    async def pods(self) -> list[OwnPod]:
        """Return every pod of a ModelDeployment."""
        listed = self.client.list(Pod, namespace="*", labels={OWNER_LABEL: None})
        found = [read_own_pod(one.to_dict()) async for one in listed]
        return [one for one in found if one is not None]

    async def templates(self) -> list[tuple[str, str]]:
        """Return namespace and name of every template that pins a replacement."""
        listed = self.client.list(
            ResourceClaimTemplate, namespace="*", labels={TEMPLATE_LABEL: None}
        )
        named = [one.metadata async for one in listed]
        return [(one.namespace or "", one.name or "") for one in named if one is not None]

    async def deployment(self, namespace: str, name: str) -> Decoded | None:
        """Return a Deployment; None when it is gone."""
        return await self._found(Deployment, namespace, name)

    async def template(self, namespace: str, name: str) -> Decoded | None:
        """Return a claim template; None when it is gone."""
        return await self._found(ResourceClaimTemplate, namespace, name)

    async def make(self, manifest: Manifest) -> None:
        """Create an object; one of that name is the same, made before."""
        resource: Any = Pod if manifest["kind"] == "Pod" else ResourceClaimTemplate
        made = resource.from_dict(manifest)
        try:
            await self.pace.run(lambda: self.client.create(made, field_manager=FIELD_MANAGER))
        except ApiError as error:
            if error.status.code != _CONFLICT:
                raise

    async def mark(self, pod: OwnPod) -> None:
        """Have the ReplicaSet of *pod* end it before the others."""
        await self._patch(pod, {"annotations": {COST: LEAST_COST}})

    async def adopt(self, pod: OwnPod, template_hash: str) -> None:
        """Give a replacement the label of its ReplicaSet."""
        await self._patch(pod, {"labels": {HASH_LABEL: template_hash}})

    async def finish(self, pod: OwnPod) -> None:
        """Make a replacement a pod like its siblings: its ReplicaSet is its only owner."""
        given = await self._found(Pod, pod.owner[0], pod.name)
        if given is None:
            return
        owners = given["metadata"].get("ownerReferences") or []
        kept = [one for one in owners if one.get("controller")]
        if not kept:
            return  # not adopted yet
        await self._patch(
            pod,
            {
                "resourceVersion": given["metadata"]["resourceVersion"],
                "labels": {MOVE: None},
                "annotations": {MOVE: None},
                "ownerReferences": kept,
            },
        )

    async def delete_pod(self, pod: OwnPod) -> None:
        """Delete a replacement."""
        await self._delete(Pod, pod.owner[0], pod.name)

    async def delete_template(self, namespace: str, name: str) -> None:
        """Delete the template of a replacement."""
        await self._delete(ResourceClaimTemplate, namespace, name)

    async def _patch(self, pod: OwnPod, metadata: Decoded) -> None:
        client: Any = self.client
        try:
            await self.pace.run(
                lambda: client.patch(
                    Pod, pod.name, {"metadata": metadata}, namespace=pod.owner[0],
                    patch_type=PatchType.MERGE, field_manager=FIELD_MANAGER,
                )
            )  # fmt: skip
        except ApiError as error:
            if error.status.code not in (_NOT_FOUND, _CONFLICT):
                raise

    async def _found(self, resource: Any, namespace: str, name: str) -> Decoded | None:  # noqa: ANN401 - lightkube's classes
        try:
            found = await self.client.get(resource, name, namespace=namespace)
        except ApiError as error:
            if error.status.code == _NOT_FOUND:
                return None
            raise
        decoded: Decoded = found.to_dict()
        return decoded

    async def _delete(self, resource: Any, namespace: str, name: str) -> None:  # noqa: ANN401 - lightkube's classes
        client: Any = self.client
        try:
            await self.pace.run(lambda: client.delete(resource, name, namespace=namespace))
        except ApiError as error:
            if error.status.code != _NOT_FOUND:
                raise
