"""Start everything the webhook is made of, and stop it in order.

On SIGTERM the server first turns unready, so that the Service stops sending, then answers what is
under way, and ends.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from errno import EADDRNOTAVAIL, EAFNOSUPPORT
from pathlib import Path
from typing import Final

import httpx2
from aiohttp import web
from lightkube import ApiError, AsyncClient
from lightkube.config.kubeconfig import KubeConfig
from lightkube.core.exceptions import ConfigError

from rightslice.core.fit.answers import Answers
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster.certificate import ServingCertificate
from rightslice.edge.cluster.mirror import Mirror
from rightslice.edge.cluster.self_managed import SelfManaged
from rightslice.edge.cluster.state import ClusterState
from rightslice.edge.constants import constants_with
from rightslice.entry.webhook.answers import Reviewer
from rightslice.entry.webhook.events import Events
from rightslice.entry.webhook.metrics import Metrics
from rightslice.entry.webhook.server import Served, admission_app, health_app
from rightslice.entry.webhook.warm import warm_up
from rightslice.errors import UnavailableError
from rightslice.kube.admission.reading import reader
from rightslice.kube.admission.settings import Settings
from rightslice.kube.parse.question import Lookups

logger = logging.getLogger(__name__)
CERTIFICATE_CHECK_SECONDS: Final = 5.0
IPV4: Final = "0.0.0.0"  # noqa: S104 - a server in a pod listens on the pod's address


@dataclass(frozen=True, kw_only=True)
class WebhookOptions:
    """How the webhook is run."""

    certificates: Path
    """Folder with tls.crt and tls.key."""
    settings: Settings = field(default_factory=Settings)
    self_managed: SelfManaged | None = None
    """The certificate is made here, not mounted; its folder is `certificates`."""
    kubeconfig: Path | None = None
    """None: the pod's own ServiceAccount, or the user's kubeconfig."""
    calibrations: Path | None = None
    host: str = ""
    """Address to listen on; empty: every one of the pod, IPv4 and IPv6."""
    port: int = 9443
    health_port: int = 8081
    renewal_check_seconds: float = 60.0
    """How often a self-managed certificate is looked at, in the Secret that replicas share."""
    drain_seconds: float = 5.0
    """From SIGTERM until connections are refused: Endpoints take a moment to follow."""


def cluster_client(kubeconfig: Path | None) -> AsyncClient:
    """Return a client of the cluster.

    Raises:
        UnavailableError: when there is no configuration, or it cannot be read.
    """
    try:
        config = KubeConfig.from_env() if kubeconfig is None else KubeConfig.from_file(kubeconfig)
        return AsyncClient(config=config, field_manager="rightslice")
    except (ConfigError, OSError) as error:
        raise UnavailableError(f"no way to the cluster: {error}") from None


async def serve(options: WebhookOptions) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        InputError: when the certificate does not load.
        UnavailableError: when there is no way to the cluster, or a port is taken.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    client = cluster_client(options.kubeconfig)
    certificate = await _certificate(options, client)
    served, mirror = assemble(options, client, stop)
    tasks = [
        asyncio.create_task(mirror.run()),
        asyncio.create_task(served.events.run()),
        asyncio.create_task(_watch_certificate(certificate, served.metrics, mirror)),
        asyncio.create_task(_renew(options, client)),
    ]
    try:
        async with (
            _listening(admission_app(served), options, options.port, certificate.context),
            _listening(health_app(served), options, options.health_port, None),
        ):
            logger.info("listening on port %d of %s", options.port, options.host or "every address")
            await stop.wait()
            await asyncio.sleep(options.drain_seconds)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await client.close()


def assemble(
    options: WebhookOptions, client: AsyncClient, stop: asyncio.Event
) -> tuple[Served, Mirror]:
    """Return what the handlers share, and the mirror that keeps it current."""
    catalog = Catalog()
    metrics = Metrics()
    state = ClusterState(find_gpu=catalog.gpu, now=time.monotonic)
    mirror = Mirror(client, state)
    reviewer = Reviewer(
        state=state,
        settings=options.settings,
        read=reader(Lookups(model=catalog.model, engine=catalog.engine), options.settings.defaults),
        answers=Answers(constants_with(options.calibrations)),
        problem=lambda: mirror.problem,
    )
    warm_up(reviewer, catalog)
    served = Served(
        reviewer=reviewer,
        metrics=metrics,
        events=Events(client, metrics),
        is_ready=lambda: mirror.is_ready and not stop.is_set(),
    )
    return served, mirror


@asynccontextmanager
async def _listening(
    app: web.Application, options: WebhookOptions, port: int, context: ssl.SSLContext | None
) -> AsyncIterator[None]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=options.drain_seconds)
    await runner.setup()
    try:
        await _listen(runner, options, port, context)
    except OSError as error:
        await runner.cleanup()
        raise UnavailableError(f"port {port} cannot be listened on: {error.strerror}") from None
    try:
        yield
    finally:
        await runner.cleanup()


async def _listen(
    runner: web.AppRunner, options: WebhookOptions, port: int, context: ssl.SSLContext | None
) -> None:
    """Listen on every address, IPv4's alone where the kernel has no IPv6."""
    hosts = [options.host] if options.host else [None, IPV4]
    for host in hosts:
        site = web.TCPSite(runner, host, port, ssl_context=context)
        try:
            await site.start()
        except OSError as error:
            await site.stop()
            if host is not None or error.errno not in (EADDRNOTAVAIL, EAFNOSUPPORT):
                raise
        else:
            return


async def _certificate(options: WebhookOptions, client: AsyncClient) -> ServingCertificate:
    if options.self_managed is not None:
        try:
            await options.self_managed.refresh(client)
        except (ApiError, httpx2.HTTPError) as error:
            raise UnavailableError(f"no certificate could be made: {error}") from None
    return ServingCertificate(options.certificates)


async def _renew(options: WebhookOptions, client: AsyncClient) -> None:
    while options.self_managed is not None:
        await asyncio.sleep(options.renewal_check_seconds)
        try:
            await options.self_managed.refresh(client)
        except (ApiError, httpx2.HTTPError, UnavailableError) as error:
            logger.warning("the certificate could not be checked: %s", error)


async def _watch_certificate(
    certificate: ServingCertificate, metrics: Metrics, mirror: Mirror
) -> None:
    while True:
        certificate.reload_if_changed()
        metrics.certificate_expiry.set(certificate.expires.timestamp())
        metrics.ready.set(mirror.is_ready)
        await asyncio.sleep(CERTIFICATE_CHECK_SECONDS)
