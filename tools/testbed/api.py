"""The API server by HTTPS over one kept-alive connection: status, warnings and time of a call."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools.testbed.control_plane import ControlPlane

_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
"""A Warning header as the API server writes it (RFC 7234, 5.5)."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the API server said to one call, and how long it took."""

    status: int
    body: Mapping[str, Any]
    warnings: tuple[str, ...]
    seconds: float


class Api:
    """The administrator's connection."""

    def __init__(self, plane: ControlPlane) -> None:
        context = ssl.create_default_context(cafile=str(plane.authority))
        pki = plane.folder / "pki"
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        self._connection = http.client.HTTPSConnection("127.0.0.1", plane.port, context=context)

    def call(self, method: str, path: str, body: object = None) -> Reply:
        """Make one call; the time is that from the first byte sent to the last one read."""
        given = None if body is None else json.dumps(body)
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        began = time.perf_counter()
        self._connection.request(method, path, given, {"Content-Type": kind})
        reply = self._connection.getresponse()
        read = reply.read()
        seconds = time.perf_counter() - began
        told = ", ".join(value for name, value in reply.getheaders() if name == "Warning")
        return Reply(
            status=reply.status,
            body=json.loads(read),
            warnings=tuple(_WARNING.findall(told)),
            seconds=seconds,
        )

    def create_pod(
        self, namespace: str, pod: Mapping[str, object], *, dry_run: bool = False
    ) -> Reply:
        """Create *pod*, or ask what would come of it."""
        query = "?dryRun=All" if dry_run else ""
        return self.call("POST", f"/api/v1/namespaces/{namespace}/pods{query}", pod)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
