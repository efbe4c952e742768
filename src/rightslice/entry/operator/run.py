"""Start everything the operator is made of, and stop it in order.

kopf watches Models, ModelDeployments and the Deployments that belong to them, and takes the watches
up again whatever happens to the API server or to the definitions; it writes nothing. The cluster's
nodes and pods are mirrored as for the webhook. On SIGTERM the Lease is given back.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Final

import kopf
from aiohttp import web
from lightkube.config.kubeconfig import SingleConfig
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster.lease import Leadership
from rightslice.edge.cluster.mirror import KINDS, VOLUMES, Mirror
from rightslice.edge.cluster.node_prices import CardPrices
from rightslice.edge.cluster.recommenders import Recommenders
from rightslice.edge.cluster.state import ClusterState
from rightslice.edge.constants import constants_with
from rightslice.entry.operator.api import ClusterCalls
from rightslice.entry.operator.layouts import LayoutRules, Layouts
from rightslice.entry.operator.loop import POLL_SECONDS, Operator, Rules, kinds_made
from rightslice.entry.operator.metrics import Metrics
from rightslice.entry.operator.move_calls import MoveCalls
from rightslice.entry.operator.node_calls import NodeCalls
from rightslice.entry.operator.pace import Pace
from rightslice.entry.operator.repacks import RepackRules, Repacks
from rightslice.entry.operator.sight import DEPLOYMENT
from rightslice.entry.webhook.run import cluster_client
from rightslice.errors import UnavailableError
from rightslice.kube.crd.definition import MODEL, MODEL_DEPLOYMENT, VERSION
from rightslice.kube.manifest import GROUP
from rightslice.kube.operate.view import OWNER_LABEL

logger = logging.getLogger(__name__)
PLACES: Final[Mapping[str, tuple[str, str, str]]] = {
    DEPLOYMENT: ("apps", "v1", "deployments"),
    "Service": ("", "v1", "services"),
    "PodDisruptionBudget": ("policy", "v1", "poddisruptionbudgets"),
}
"""Group, version and plural of what is followed; claim templates never change, and are listed."""
SWITCH_SECONDS: Final = 0.0005
"""While a pass decides in its thread, watches and Lease wait so long at most for their turn: a
tenth of Python's own interval."""
LEASE: Final = "rightslice-operator"


@dataclass(frozen=True, kw_only=True)
class OperatorOptions:
    """How the operator is run."""

    namespace: str = "default"
    """Where its Lease is."""
    rules: Rules = field(default_factory=Rules)
    layouts: LayoutRules = field(default_factory=LayoutRules)
    repacks: RepackRules = field(default_factory=RepackRules)
    kubeconfig: Path | None = None
    """None: the pod's own ServiceAccount, or the user's kubeconfig."""
    calibrations: Path | None = None
    host: str = "0.0.0.0"  # noqa: S104 - a server in a pod listens on the pod's address
    health_port: int = 8081


async def serve(options: OperatorOptions) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        UnavailableError: when there is no way to the cluster, or the port is taken.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    stop = asyncio.Event()
    _obey(stop)
    client = cluster_client(options.kubeconfig)
    operator = assemble(options, client)
    runner = await _health(options, operator)
    tasks = [
        asyncio.create_task(operator.mirror.run()),
        asyncio.create_task(operator.leadership.run()),
        asyncio.create_task(operator.run()),
        asyncio.create_task(_watch(operator, client.config, stop)),
        asyncio.create_task(stop.wait()),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await operator.leadership.release()
        await runner.cleanup()
        await client.close()


def assemble(options: OperatorOptions, client: Any) -> Operator:  # noqa: ANN401 - lightkube's client is generic over modes
    """Return the operator, nothing of it running yet."""
    catalog = Catalog()
    state = ClusterState(find_gpu=catalog.gpu, now=time.monotonic)
    leadership = Leadership(
        client=client,
        namespace=options.namespace,
        name=LEASE,
        identity=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}",
    )
    pace, metrics = Pace(lambda: leadership.leads), Metrics()
    calls = ClusterCalls(client, pace)
    return Operator(
        calls=calls,
        mirror=Mirror(client, state, KINDS.keys() - set(VOLUMES)),  # what it makes mounts none
        leadership=leadership,
        metrics=metrics,
        recommend_by=Recommenders(constants_with(options.calibrations)).by,
        card_price=CardPrices(catalog).of,
        rules=options.rules,
        layouts=Layouts(options.layouts, NodeCalls(client, pace), calls, metrics),
        repacks=Repacks(options.repacks, MoveCalls(client, pace), calls, metrics),
        catalog=catalog,
    )


DISCOVERY_SECONDS: Final = 3.0
"""From a definition that is served to the API server's own list of what it serves."""


class _BackOffs:
    """Seconds between tries of a watch: an API server that is away for long is waited for."""

    def __iter__(self) -> Iterator[float]:
        """Yield them, ever longer up to half a minute, without end."""
        return chain((1.0, 1.0, 2.0, 4.0, 8.0, 15.0), repeat(30.0))


def _obey(stop: asyncio.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


async def _watch(operator: Operator, config: SingleConfig, stop: asyncio.Event) -> None:
    """Have our kinds followed from when their definitions are there, and anew when they come back.

    kopf looks at what the API server serves whenever a definition changes; the server's own list
    (discovery) is a little later, and nothing would tell kopf of it.
    """
    found = 0
    while True:
        await _found_again(operator, found)
        if operator.was_missing:
            await asyncio.sleep(DISCOVERY_SECONDS)
        found = operator.times_found
        await _follow_until_found_again(operator, config, found)
        if operator.times_found == found:  # it was told to end
            return
        _obey(stop)  # kopf had taken the signals to itself


async def _follow_until_found_again(operator: Operator, config: SingleConfig, found: int) -> None:
    stop = asyncio.Event()
    following = asyncio.create_task(_follow(operator, config, stop))
    again = asyncio.create_task(_found_again(operator, found))
    try:
        await asyncio.wait((following, again), return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        await following
    finally:
        following.cancel()
        again.cancel()
        await asyncio.gather(following, again, return_exceptions=True)


async def _found_again(operator: Operator, found: int) -> None:
    while operator.times_found == found:  # noqa: ASYNC110 - a count of the pass, looked at as often
        await asyncio.sleep(POLL_SECONDS)


async def _follow(operator: Operator, config: SingleConfig, stop: asyncio.Event) -> None:
    """Let kopf follow our kinds and hand over what it sees, until *stop*."""
    registry = kopf.OperatorRegistry()
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.networking.error_backoffs = _BackOffs()

    async def see(event: Any, resource: Any, **_: object) -> None:  # noqa: ANN401 - kopf hands over decoded objects
        operator.see(resource.kind, dict(event["object"]), is_gone=event["type"] == "DELETED")

    def connection(**_: object) -> kopf.ConnectionInfo:
        return _connection(config)

    kopf.on.login(registry=registry)(connection)
    for one in (MODEL, MODEL_DEPLOYMENT):
        kopf.on.event(GROUP, VERSION, one.plural, registry=registry)(see)
    labels = {OWNER_LABEL: kopf.PRESENT}
    for kind in PLACES.keys() & kinds_made(operator.rules.ceiling):
        kopf.on.event(*PLACES[kind], labels=labels, registry=registry)(see)
    await kopf.operator(
        registry=registry, settings=settings, standalone=True, clusterwide=True, stop_flag=stop
    )


def _connection(config: SingleConfig) -> kopf.ConnectionInfo:
    cluster, user = config.cluster, config.user
    given: dict[str, Any] = {"server": cluster.server, "insecure": cluster.insecure or None}
    if cluster.certificate_auth is not None:
        given["ca_path"] = str(config.abs_file(cluster.certificate_auth))
    elif cluster.certificate_auth_data is not None:
        given["ca_data"] = cluster.certificate_auth_data
    if user is not None:
        given |= {"token": user.token, "username": user.username, "password": user.password}
        if user.client_cert is not None and user.client_key is not None:
            given["certificate_path"] = str(config.abs_file(user.client_cert))
            given["private_key_path"] = str(config.abs_file(user.client_key))
        elif user.client_cert_data is not None:
            given["certificate_data"] = user.client_cert_data
            given["private_key_data"] = user.client_key_data
        if user.token is None and user.token_file is not None:
            path = Path(config.abs_file(user.token_file))
            given["token"] = path.read_text(encoding="utf-8").strip()
    return kopf.ConnectionInfo(**given)


async def _health(options: OperatorOptions, operator: Operator) -> web.AppRunner:
    async def healthz(_request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def readyz(_request: web.Request) -> web.Response:
        mirror = operator.mirror
        problem = operator.waits_for or (None if mirror.is_ready else mirror.problem)
        return web.Response(status=200 if problem is None else 503, text=problem or "ok")

    async def metrics(_request: web.Request) -> web.Response:
        body = generate_latest(operator.metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, options.host, options.health_port).start()
    except OSError as error:
        await runner.cleanup()
        problem = f"port {options.health_port} cannot be listened on: {error.strerror}"
        raise UnavailableError(problem) from None
    return runner
