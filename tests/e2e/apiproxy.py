"""A door before the API server that a test can shut: replies of its own, lost calls, cut watches.

The operator speaks plain HTTP to it, with its own token, and is forwarded with its own rights.
Every call is kept, so that a test can say who did what, how often and when.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import yaml

from tools.testbed.control_plane import ControlPlane

HOP: Final = ("connection", "keep-alive", "transfer-encoding", "content-length", "host")
_READS: Final = ("GET", "HEAD")
_REASONS: Final = {409: "Conflict", 429: "TooManyRequests", 503: "ServiceUnavailable"}


@dataclass(frozen=True)
class Refuse:
    """The call never reaches the API server; it answers with *status*."""

    status: int


@dataclass(frozen=True)
class Cut:
    """The connection ends without a reply, before the call is carried out or after it."""

    is_done: bool


Fault = Refuse | Cut | None


@dataclass(frozen=True)
class Call:
    """One call, and when it came."""

    method: str
    path: str
    at: float

    @property
    def place(self) -> str:
        """The path without its query."""
        return self.path.partition("?")[0]

    @property
    def writes(self) -> bool:
        """Whether it changes something beside Leases, events and statuses."""
        beside = ("/leases", "/events", "/status")
        return self.method not in _READS and not any(one in self.place for one in beside)


@dataclass
class Door:
    """What the proxy does with calls, and what it has seen."""

    plane: ControlPlane
    fault: Callable[[Call], Fault] = field(default=lambda _call: None)
    after: Callable[[Call], None] = field(default=lambda _call: None)
    """Called when the API server has carried a call out, before the operator hears of it."""
    calls: list[tuple[Call, int]] = field(default_factory=list)
    """Every call that ended, with the status; 0 where the operator heard none."""
    _open: set[socket.socket] = field(default_factory=set)

    def writes(self, status: int | None = None) -> list[Call]:
        """Return the calls that changed something."""
        return [
            one for one, found in list(self.calls)
            if one.writes and (found < 300 if status is None else found == status)
        ]  # fmt: skip

    def cut_watches(self) -> int:
        """End every watch that goes through the door now; return how many."""
        found = list(self._open)
        for one in found:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        return len(found)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    door: Door

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of connections that their client gave up."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    _upstream: http.client.HTTPSConnection | None = None

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Every method (`do_GET` and so on) is passed alike."""
        if not name.startswith("do_"):
            raise AttributeError(name)
        return self._pass

    def _pass(self) -> None:
        door = self.server.door
        size = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(size) if size else None
        call = Call(self.command, self.path, time.monotonic())
        fault = door.fault(call)
        if isinstance(fault, Refuse):
            door.calls.append((call, fault.status))
            return self._refuse(fault.status)
        if isinstance(fault, Cut) and not fault.is_done:
            return self._hang_up(call)
        reply = self._forward(body)
        door.after(call)
        if isinstance(fault, Cut):
            return self._hang_up(call)
        door.calls.append((call, reply.status))
        return self._answer(reply)

    def _hang_up(self, call: Call) -> None:
        self.server.door.calls.append((call, 0))
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _refuse(self, status: int) -> None:
        told = {
            "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": status,
            "reason": _REASONS.get(status, "InternalError"), "message": "the test says so",
        }  # fmt: skip
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == http.HTTPStatus.TOO_MANY_REQUESTS:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _forward(self, body: bytes | None) -> http.client.HTTPResponse:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
        if self._upstream is None:
            plane = self.server.door.plane
            context = ssl.create_default_context(cafile=str(plane.authority))
            self._upstream = http.client.HTTPSConnection("127.0.0.1", plane.port, context=context)
        self._upstream.request(self.command, self.path, body, headers)
        return self._upstream.getresponse()

    def _answer(self, reply: http.client.HTTPResponse) -> None:
        self.send_response(reply.status)
        for name, value in reply.getheaders():
            if name.lower() not in HOP:
                self.send_header(name, value)
        if "watch=" not in self.path:
            body = reply.read()
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        self._stream(reply)

    def _stream(self, reply: http.client.HTTPResponse) -> None:
        opened = self.server.door._open
        opened.add(self.connection)
        try:
            while part := reply.read1():
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()
        finally:
            opened.discard(self.connection)

    def finish(self) -> None:
        """End what was opened for this connection."""
        if self._upstream is not None:
            self._upstream.close()
        with suppress(OSError):
            super().finish()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def door(plane: ControlPlane, kubeconfig: Path) -> Iterator[tuple[Door, Path]]:
    """Open a door, and yield it with a kubeconfig that leads through it."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.door = Door(plane)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    port = server.server_address[1]
    config: dict[str, Any] = yaml.safe_load(kubeconfig.read_text("utf-8"))
    config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{port}"}
    path = kubeconfig.with_name(f"{kubeconfig.stem}-{port}.kubeconfig")
    path.write_text(yaml.safe_dump(config), "utf-8")
    try:
        yield server.door, path
    finally:
        server.shutdown()
        server.door.cut_watches()
        server.server_close()
        thread.join(10)
