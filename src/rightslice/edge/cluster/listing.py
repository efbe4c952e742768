"""Every object that a snapshot holds, listed from a live cluster.

Only lists are asked for, and each ConfigMap that a Model names.

A kind that the API server does not serve is as if there were none of it; one that may not be
listed is named with the server's own words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx2
from lightkube import ApiError, Client
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.core.exceptions import ConfigError
from lightkube.generic_resource import (
    GenericGlobalResource,
    GenericNamespacedResource,
    create_api_info,
)

from rightslice.errors import UnavailableError
from rightslice.kube.snapshot.kinds import KINDS, ApiKind
from rightslice.kube.snapshot.value import NotRead, Snapshot, files_named, snapshot_of

PAGE: Final = 500
"""Objects a request: what kubectl takes."""
TIMEOUT_SECONDS: Final = 30.0
_REFUSED: Final = (HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED)


@dataclass(frozen=True, kw_only=True)
class Way:
    """Which cluster, and how much of it."""

    kubeconfig: Path | None = None
    """None: ``KUBECONFIG``, the home folder's, or a pod's own ServiceAccount."""
    context: str | None = None
    namespace: str | None = None
    """None: all; else kinds that live in namespaces are listed in this one only."""


@dataclass
class _Listing:
    client: Client
    namespace: str | None
    not_read: list[NotRead] = field(default_factory=list)

    def everything(self) -> Iterator[dict[str, Any]]:
        """Yield every object of every kind, and note what may not be listed."""
        models: list[dict[str, Any]] = []
        for kind in KINDS:
            if kind.is_named:
                yield from self._named(kind, models)
                continue
            for one in self._all_of(kind):
                if kind.name == "Model":
                    models.append(one)
                yield one
        if self.namespace is not None:
            reason = f"only namespace {self.namespace} was read; what others hold is not known"
            self.not_read.append(NotRead(object_kind="Pod", reason=reason))

    def _named(self, kind: ApiKind, models: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the ConfigMaps that *models* name."""
        resource: Any = _resource(kind, kind.versions[0])
        for namespace, name in sorted(files_named(models)):
            try:
                found = self.client.get(resource, name, namespace=namespace)
            except (ApiError, httpx2.HTTPStatusError) as error:
                code = code_of(error)
                if code == HTTPStatus.NOT_FOUND:
                    continue
                if code not in _REFUSED:
                    raise
                self.not_read.append(NotRead(object_kind=kind.name, reason=str(error)))
                return
            yield {**found.to_dict(), "apiVersion": kind.versions[0], "kind": kind.name}

    def _all_of(self, kind: ApiKind) -> Iterable[dict[str, Any]]:
        for version in kind.versions:
            try:
                return list(self._listed(kind, version))
            except (ApiError, httpx2.HTTPStatusError) as error:
                code = code_of(error)
                if code == HTTPStatus.NOT_FOUND:
                    continue
                if code not in _REFUSED:
                    raise
                self.not_read.append(NotRead(object_kind=kind.name, reason=str(error)))
                return ()
        return ()

    def _listed(self, kind: ApiKind, version: str) -> Iterator[dict[str, Any]]:
        resource = _resource(kind, version)
        where: dict[str, Any] = {}
        if kind.is_namespaced:
            where = {"namespace": self.namespace or "*"}
        api = f"{kind.group}/{version}" if kind.group else version
        client: Any = self.client  # its overloads tell global kinds from namespaced ones
        for one in client.list(resource, chunk_size=PAGE, **where):
            yield {**one.to_dict(), "apiVersion": api, "kind": kind.name}


def _resource(kind: ApiKind, version: str) -> type[Any]:
    """Return the class of a kind as plain data.

    It is not put into lightkube's registry, where the typed class of the same kind may stand.
    """
    parent = GenericNamespacedResource if kind.is_namespaced else GenericGlobalResource
    info = create_api_info(kind.group, version, kind.name, kind.plural)
    return type(kind.name, (parent,), {"_api_info": info})


def code_of(error: ApiError | httpx2.HTTPStatusError) -> int | None:
    """Return the status of a refusal; a group that is not served answers with no Status object."""
    return error.status.code if isinstance(error, ApiError) else error.response.status_code


def take_snapshot(way: Way, *, taken_at: str | None) -> Snapshot:
    """Return the snapshot of a live cluster.

    Raises:
        UnavailableError: when there is no way to it, or it fails to answer.
    """
    try:
        with client_of(way) as client:
            listing = _Listing(client, way.namespace)
            objects = list(listing.everything())
    except ApiError as error:
        raise UnavailableError(f"the cluster does not answer: {error}") from None
    except (httpx2.HTTPError, OSError, ValueError) as error:
        raise UnavailableError(f"the cluster cannot be reached: {error}") from None
    return snapshot_of(objects, not_read=listing.not_read, taken_at=taken_at)


def client_of(way: Way) -> Client:
    """Return a client of the cluster that *way* leads to.

    Raises:
        UnavailableError: when there is none, or its configuration cannot be read.
    """
    try:
        return Client(config=_config(way), timeout=httpx2.Timeout(TIMEOUT_SECONDS))
    except (ConfigError, OSError, ValueError, KeyError) as error:
        raise UnavailableError(f"no way to the cluster: {error}") from None


def context_namespace(way: Way) -> str:
    """Return the namespace of *way*'s context; ``default`` where it names none.

    Raises:
        UnavailableError: when its configuration cannot be read.
    """
    try:
        return _config(way).namespace or "default"
    except (ConfigError, OSError, ValueError, KeyError) as error:
        raise UnavailableError(f"no way to the cluster: {error}") from None


def _config(way: Way) -> SingleConfig:
    if way.kubeconfig is None:
        config = KubeConfig.from_env()
    else:
        config = KubeConfig.from_file(way.kubeconfig)
    found: SingleConfig | None = config.get(context_name=way.context)
    if found is None:
        raise ValueError("no context is chosen; give --context, or set one in the kubeconfig")
    return found
