"""Every object that a snapshot holds, listed from a live cluster. Only lists are asked for.

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
from lightkube.config.kubeconfig import KubeConfig
from lightkube.core.exceptions import ConfigError
from lightkube.generic_resource import create_global_resource, create_namespaced_resource

from rightslice.errors import UnavailableError
from rightslice.kube.snapshot.kinds import KINDS, ApiKind
from rightslice.kube.snapshot.value import NotRead, Snapshot, snapshot_of

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
        for kind in KINDS:
            yield from self._all_of(kind)

    def _all_of(self, kind: ApiKind) -> Iterable[dict[str, Any]]:
        for version in kind.versions:
            try:
                return list(self._listed(kind, version))
            except ApiError as error:
                if error.status.code == HTTPStatus.NOT_FOUND:
                    continue
                if error.status.code not in _REFUSED:
                    raise
                self.not_read.append(NotRead(object_kind=kind.name, reason=str(error)))
                return ()
        return ()

    def _listed(self, kind: ApiKind, version: str) -> Iterator[dict[str, Any]]:
        create = create_namespaced_resource if kind.is_namespaced else create_global_resource
        resource = create(kind.group, version, kind.name, kind.plural)
        where: dict[str, Any] = {}
        if kind.is_namespaced:
            where = {"namespace": self.namespace or "*"}
        api = f"{kind.group}/{version}" if kind.group else version
        client: Any = self.client  # its overloads tell global kinds from namespaced ones
        for one in client.list(resource, chunk_size=PAGE, **where):
            yield {**one.to_dict(), "apiVersion": api, "kind": kind.name}


def take_snapshot(way: Way, *, taken_at: str | None) -> Snapshot:
    """Return the snapshot of a live cluster.

    Raises:
        UnavailableError: when there is no way to it, or it fails to answer.
    """
    client = _client(way)
    listing = _Listing(client, way.namespace)
    try:
        objects = list(listing.everything())
    except ApiError as error:
        raise UnavailableError(f"the cluster does not answer: {error}") from None
    except (httpx2.HTTPError, OSError, ValueError) as error:
        raise UnavailableError(f"the cluster cannot be reached: {error}") from None
    return snapshot_of(objects, not_read=listing.not_read, taken_at=taken_at)


def _client(way: Way) -> Client:
    try:
        if way.kubeconfig is None:
            config = KubeConfig.from_env()
        else:
            config = KubeConfig.from_file(way.kubeconfig)
        chosen = config.get(context_name=way.context)
        return Client(config=chosen, timeout=httpx2.Timeout(TIMEOUT_SECONDS))
    except (ConfigError, OSError, ValueError) as error:
        raise UnavailableError(f"no way to the cluster: {error}") from None
