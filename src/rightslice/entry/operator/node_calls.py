"""The calls by which a node is cut anew: its record, cordon and label, pods moved, a ConfigMap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lightkube import ApiError, AsyncClient
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap, Node, Pod
from lightkube.types import PatchType

from rightslice.edge.mig_configs import FILE
from rightslice.entry.operator.pace import NotLeadingError, Pace
from rightslice.kube.manifest import OWNER_LABEL
from rightslice.kube.nodes import MIG_CONFIG_LABEL
from rightslice.kube.operate.view import Key
from rightslice.kube.relayout.machine import Patch
from rightslice.kube.relayout.record import RECORD, write_record

_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
_TOO_MANY: Final = 429
_SEVERAL_BUDGETS: Final = 500
FIELD_MANAGER: Final = "rightslice-operator"
Decoded = dict[str, Any]


@dataclass
class NodeCalls:
    """The API server, as changes of layouts use it."""

    client: AsyncClient
    pace: Pace = field(default_factory=lambda: Pace(lambda: True))

    async def node(self, name: str) -> Decoded | None:
        """Return a node as it is now; None when it is gone."""
        try:
            found = await self.client.get(Node, name)
        except ApiError as error:
            if error.status.code == _NOT_FOUND:
                return None
            raise
        decoded: Decoded = found.to_dict()
        return decoded

    async def patch(self, name: str, version: str, change: Patch) -> bool:
        """Write *change* to a node of that resource version; False when it has another by now."""
        metadata: Decoded = {
            "resourceVersion": version,
            "annotations": {RECORD: write_record(change.record)},
        }
        body: Decoded = {"metadata": metadata}
        if change.label is not None:
            metadata["labels"] = {MIG_CONFIG_LABEL: change.label}
        if change.cordon is not None:
            body["spec"] = {"unschedulable": True if change.cordon else None}
        try:
            await self.pace.run(
                lambda: self.client.patch(
                    Node, name, body, patch_type=PatchType.MERGE, field_manager=FIELD_MANAGER
                )
            )
        except ApiError as error:
            if error.status.code in (_CONFLICT, _NOT_FOUND):
                return False
            raise
        return True

    async def pods_on(self, node: str) -> list[Decoded]:
        """Return every pod that is bound to *node*."""
        listed = self.client.list(Pod, namespace="*", fields={"spec.nodeName": node})
        return [one.to_dict() async for one in listed]

    async def pods_of(self, key: Key) -> list[Decoded]:
        """Return the pods of a ModelDeployment."""
        listed = self.client.list(Pod, namespace=key[0], labels={OWNER_LABEL: key[1]})
        return [one.to_dict() async for one in listed]

    async def evict(self, namespace: str, name: str) -> str | None:
        """Ask for a pod's eviction; return why it is refused, None when it goes or is gone."""
        if not self.pace.may_act():
            raise NotLeadingError("another operator may lead now")
        metadata = ObjectMeta(name=name, namespace=namespace)
        try:  # not at the pace: a budget's refusal (429) would have all other calls wait
            await self.client.create(Pod.Eviction(metadata=metadata), name, namespace=namespace)
        except ApiError as error:
            if error.status.code == _NOT_FOUND:
                return None
            if error.status.code in (_TOO_MANY, _SEVERAL_BUDGETS):
                return error.status.message or "a PodDisruptionBudget"
            raise
        return None

    async def config_files(self, where: Key) -> tuple[Mapping[str, str], str] | None:
        """Return the files of the ConfigMap, and its resource version; None when there is none."""
        try:
            found = await self.client.get(ConfigMap, where[1], namespace=where[0])
        except ApiError as error:
            if error.status.code == _NOT_FOUND:
                return None
            raise
        metadata = found.metadata
        version = None if metadata is None else metadata.resourceVersion
        return found.data or {}, version or ""

    async def write_config(self, where: Key, version: str, text: str) -> bool:
        """Write the configuration file; False when somebody else changed it by now."""
        body = {"metadata": {"resourceVersion": version}, "data": {FILE: text}}
        try:
            await self.pace.run(
                lambda: self.client.patch(
                    ConfigMap, where[1], body, namespace=where[0], patch_type=PatchType.MERGE,
                    field_manager=FIELD_MANAGER,
                )
            )  # fmt: skip
        except ApiError as error:
            if error.status.code in (_CONFLICT, _NOT_FOUND):
                return False
            raise
        return True
