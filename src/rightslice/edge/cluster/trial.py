"""What the API server would say to a changed Model or ModelDeployment: dry runs, never a write.

A dry run goes through schema, CEL rules, quotas and webhooks, and is not stored (kubernetes.io
"API concepts", dry run). It needs the right to do the real thing; who lacks it is told so, and
everything else goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Self

import httpx2
from lightkube import ApiError, Client
from lightkube.generic_resource import (
    GenericNamespacedResource,
    create_api_info,
)
from lightkube.resources.core_v1 import Event
from lightkube.types import PatchType

from rightslice.edge.cluster.listing import code_of
from rightslice.errors import InputError, UnavailableError
from rightslice.kube.crd.definition import API_VERSION, DEFINITIONS, MODEL_DEPLOYMENT, VERSION
from rightslice.kube.manifest import GROUP
from rightslice.kube.operate.view import Key

FIELD_MANAGER: Final = "kubectl-rightslice"
_INVALID: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
_LACKS_RIGHT: Final = " cannot "
"""How the API server's authorizer writes it: ``User "x" cannot patch resource ...``."""
_Errors: Final = (ApiError, httpx2.HTTPStatusError)


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What came of a dry run."""

    manifest: Mapping[str, Any] | None
    """The object as it would be stored; None when the API server was not to be asked."""
    told: str
    """What the API server said: that it accepts it, or that the right to ask is missing."""


class RefusedError(InputError):
    """The API server refuses the object: quota, webhook, policy; its words are the message."""


@dataclass
class Trials:
    """The API server, asked and never told; a context, which closes the client."""

    client: Client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def found(self, namespace: str, name: str) -> dict[str, Any] | None:
        """Return a ModelDeployment as it is; None when there is none.

        Raises:
            UnavailableError: when it cannot be read.
        """
        try:
            one: Any = self.client.get(_resource(MODEL_DEPLOYMENT.kind), name, namespace=namespace)
        except _Errors as error:
            if code_of(error) == HTTPStatus.NOT_FOUND:
                return None
            raise UnavailableError(f"ModelDeployment {namespace}/{name}: {error}") from None
        return _whole(one, MODEL_DEPLOYMENT.kind)

    def names(self, namespace: str) -> list[Key]:
        """Return namespace and name of every ModelDeployment of *namespace*; [] where forbidden."""
        try:
            listed: Any = self.client.list(_resource(MODEL_DEPLOYMENT.kind), namespace=namespace)
            return [(namespace, str(one.metadata.name)) for one in listed]
        except _Errors:
            return []

    def events(self, namespace: str, name: str) -> list[dict[str, Any]]:
        """Return what was told of a ModelDeployment, the latest first; [] where it may not be read.

        Events go after an hour by default (kube-apiserver --event-ttl).
        """
        fields: Any = {
            "involvedObject.kind": MODEL_DEPLOYMENT.kind, "involvedObject.name": name,
        }  # fmt: skip
        try:
            listed = [
                one.to_dict() for one in self.client.list(Event, namespace=namespace, fields=fields)
            ]
        except _Errors:
            return []
        return sorted(listed, key=lambda one: str(one.get("lastTimestamp") or ""), reverse=True)

    def patched(self, namespace: str, name: str, patch: Mapping[str, Any]) -> Tried:
        """Return a ModelDeployment as *patch* (a merge patch) would leave it.

        Raises:
            InputError: with the API server's words, when it refuses the object.
        """
        kind = MODEL_DEPLOYMENT.kind
        try:
            made: Any = self.client.patch(
                _resource(kind), name, dict(patch), namespace=namespace,
                patch_type=PatchType.MERGE, field_manager=FIELD_MANAGER, dry_run=True,
            )  # fmt: skip
        except _Errors as error:
            return _refused(error, kind)
        return Tried(manifest=_whole(made, kind), told=f"{kind} {name} is accepted (dry run)")

    def put(self, manifest: Mapping[str, Any]) -> Tried:
        """Return a Model or ModelDeployment as the server would store it, new or in place of one.

        Raises:
            InputError: with the API server's words, when it refuses the object.
        """
        kind = str(manifest["kind"])
        resource, metadata = _resource(kind), manifest["metadata"]
        where = {"namespace": str(metadata["namespace"])}
        client: Any = self.client
        try:
            there = _found(client, resource, str(metadata["name"]), where)
            if there is None:
                made = client.create(resource.from_dict(dict(manifest)), **where, dry_run=True)
            else:
                body = {**_whole(there, kind), "spec": manifest.get("spec")}
                made = client.replace(resource.from_dict(body), **where, dry_run=True)
        except _Errors as error:
            return _refused(error, kind)
        told = f"{kind} {metadata['name']} is accepted (dry run)"
        return Tried(manifest=_whole(made, kind), told=told)


def _found(client: Any, resource: Any, name: str, where: Mapping[str, str]) -> Any:  # noqa: ANN401 - lightkube's generic classes
    try:
        return client.get(resource, name, **where)
    except _Errors as error:
        if code_of(error) == HTTPStatus.NOT_FOUND:
            return None
        raise


def _resource(kind: str) -> Any:  # noqa: ANN401 - a class of lightkube's generic kind
    """Return the class of one of our kinds, outside lightkube's registry."""
    plural = next(one.plural for one in DEFINITIONS if one.kind == kind)
    info = create_api_info(GROUP, VERSION, kind, plural)
    return type(kind, (GenericNamespacedResource,), {"_api_info": info})


def _whole(one: Any, kind: str) -> dict[str, Any]:  # noqa: ANN401 - lightkube's generic classes
    return {**one.to_dict(), "apiVersion": API_VERSION, "kind": kind}


def _refused(error: ApiError | httpx2.HTTPStatusError, kind: str) -> Tried:
    """Return that the server was not to be asked; raise what it said otherwise."""
    code, said = code_of(error), _said(error)
    if code == HTTPStatus.FORBIDDEN and _LACKS_RIGHT in said:
        return Tried(manifest=None, told=f"{kind} was not tried on the API server: {said}")
    if code in _INVALID:
        raise InputError(said)
    if code == HTTPStatus.NOT_FOUND and not isinstance(error, ApiError):
        raise UnavailableError(f"{API_VERSION} is not installed: apply charts/rightslice/crds")
    if code in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
        raise RefusedError(said)
    raise UnavailableError(f"the API server does not answer: {said}")


def _said(error: ApiError | httpx2.HTTPStatusError) -> str:
    if isinstance(error, ApiError):
        return error.status.message or str(error)
    return str(error)
