"""The webhook's HTTP server: ``/mutate`` over TLS; ``/healthz``, ``/readyz``, ``/metrics`` beside.

A request that is no AdmissionReview gets 400, anything unexpected 500: with failurePolicy Ignore
the API server then lets the pod pass unchanged. A review is never refused.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from rightslice.entry.webhook.answers import Reviewer
from rightslice.entry.webhook.events import Events
from rightslice.entry.webhook.metrics import Metrics
from rightslice.errors import InputError
from rightslice.kube.parse.decoded import mapping

logger = logging.getLogger(__name__)
LARGEST_BODY_BYTES: Final = 8 * 1024 * 1024
"""An object in etcd has at most 1.5 MiB; an AdmissionReview may hold two."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """What the handlers share."""

    reviewer: Reviewer
    metrics: Metrics
    events: Events
    is_ready: Callable[[], bool]
    """False until the cluster has been listed, and again when the server stops."""


SERVED: Final = web.AppKey("served", Served)


def admission_app(served: Served) -> web.Application:
    """Return the application that the API server calls."""
    app = web.Application(client_max_size=LARGEST_BODY_BYTES)
    app[SERVED] = served
    app.router.add_post("/mutate", mutate)
    return app


def health_app(served: Served) -> web.Application:
    """Return the application that the kubelet and Prometheus call."""
    app = web.Application()
    app[SERVED] = served
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz)
    app.router.add_get("/metrics", _metrics)
    return app


async def mutate(request: web.Request) -> web.Response:
    """Answer one AdmissionReview."""
    served = request.app[SERVED]
    body = await request.read()
    began = time.perf_counter()
    try:
        reviewed = served.reviewer.review(mapping(msgspec.json.decode(body)))
    except (InputError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        served.metrics.failures.labels(reason="not a review").inc()
        return web.Response(status=HTTPStatus.BAD_REQUEST, text=f"not an AdmissionReview: {error}")
    decision = reviewed.decision
    served.metrics.reviews.labels(decision.mode.value, decision.outcome.value).inc()
    served.events.tell(reviewed)
    reply = msgspec.json.encode(reviewed.response)
    response = web.Response(body=reply, content_type="application/json")
    served.metrics.seconds.observe(time.perf_counter() - began)
    return response


async def _healthz(_request: web.Request) -> web.Response:
    return web.Response(text="ok")


async def _readyz(request: web.Request) -> web.Response:
    if request.app[SERVED].is_ready():
        return web.Response(text="ok")
    return web.Response(
        status=HTTPStatus.SERVICE_UNAVAILABLE, text="the cluster has not been listed yet"
    )


async def _metrics(request: web.Request) -> web.Response:
    served = request.app[SERVED]
    text = generate_latest(served.metrics.registry)
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})
