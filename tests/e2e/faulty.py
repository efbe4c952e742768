"""A webhook that misbehaves in one way at a time, and the chart's configuration pointed at it."""

from __future__ import annotations

import base64
import datetime as dt
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from rightslice.edge.cluster.authority import Authority, Subject
from tools.testbed.control_plane import ControlPlane, free_port
from tools.testbed.release import CHART

NAME = "faulty"
HOURS = dt.timedelta(hours=1)


class Fault(Enum):
    """What goes wrong."""

    KILLED = "nobody listens"
    SILENT = "connections are taken, and nothing is said"
    SLOW = "the reply comes after the API server's patience"
    EXPIRED = "the certificate has ended"
    ERROR = "500"
    UNAVAILABLE = "503"
    NOT_JSON = "text that is no JSON"
    TRUNCATED = "half of the announced bytes"
    WRONG_UID = "the reply to another request"
    WRONG_PATCH = "a patch of a field that is not there"
    EMPTY = "200 and nothing"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    fault = Fault.ERROR

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of connections that the API server gave up."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        """Misbehave."""
        size = int(self.headers.get("Content-Length", "0"))
        uid = json.loads(self.rfile.read(size))["request"]["uid"]
        status, body = _reply(self.server.fault, uid)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        extra = len(body) if self.server.fault is Fault.TRUNCATED else 0
        self.send_header("Content-Length", str(len(body) + extra))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def _reply(fault: Fault, uid: str) -> tuple[int, bytes]:
    response: dict[str, Any] = {"uid": uid, "allowed": True}
    match fault:
        case Fault.SLOW:
            time.sleep(5)
        case Fault.ERROR:
            return 500, b"Traceback (most recent call last)"
        case Fault.UNAVAILABLE:
            return 503, b"{}"
        case Fault.NOT_JSON:
            return 200, b"<html>a proxy's page</html>"
        case Fault.EMPTY:
            return 200, b""
        case Fault.WRONG_UID:
            response["uid"] = "00000000-0000-0000-0000-000000000000"
        case Fault.WRONG_PATCH:
            patch = [{"op": "replace", "path": "/spec/nowhere/1", "value": 1}]
            patch64 = base64.b64encode(json.dumps(patch).encode()).decode()
            response |= {"patchType": "JSONPatch", "patch": patch64}
        case _:
            pass
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
    return 200, json.dumps(review).encode()


@contextmanager
def faulty(plane: ControlPlane, namespace: str, fault: Fault) -> Iterator[None]:
    """Send the pods of *namespace* to a webhook with *fault*, as the chart would."""
    folder = plane.folder / f"{NAME}-{fault.name.lower()}"
    folder.mkdir(exist_ok=True)
    authority = Authority(NAME, HOURS)
    served = Authority(NAME, -dt.timedelta(minutes=1)) if fault is Fault.EXPIRED else authority
    pair = served.sign(Subject(common_name="127.0.0.1", names=("127.0.0.1",)))
    (folder / "tls.crt").write_bytes(pair.certificate)
    (folder / "tls.key").write_bytes(pair.key)
    port = free_port()
    url = f"https://127.0.0.1:{port}/mutate"
    bundle = base64.b64encode(served.certificate).decode()
    configuration = _configuration(plane, namespace, {"url": url, "caBundle": bundle})
    with _listening(fault, port, folder):
        plane.kubectl("apply", "-f", "-", stdin=json.dumps(configuration))
        time.sleep(1.0)  # the API server follows webhook configurations within a moment
        try:
            yield
        finally:
            plane.kubectl(
                "delete", "mutatingwebhookconfiguration", configuration["metadata"]["name"]
            )


@contextmanager
def _listening(fault: Fault, port: int, folder: Path) -> Iterator[None]:
    if fault is Fault.KILLED:
        yield
    elif fault is Fault.SILENT:
        with socket.create_server(("127.0.0.1", port)):
            yield
    else:
        server = _Server(("127.0.0.1", port), _Handler)
        server.fault = fault
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _configuration(plane: ControlPlane, namespace: str, client: dict[str, str]) -> dict[str, Any]:
    """Return the chart's webhook configuration for one namespace, with another address."""
    rendered = plane.helm("template", NAME, str(CHART), "--show-only", "templates/webhook.yaml")
    found: dict[str, Any] = yaml.safe_load(rendered)
    found["metadata"] = {"name": f"{NAME}-{namespace}"}
    for webhook in found["webhooks"]:
        webhook["clientConfig"] = client
        webhook["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    return found
