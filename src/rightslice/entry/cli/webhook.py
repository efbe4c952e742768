"""`rightslice webhook`: serve the admission webhook in a cluster."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rightslice.entry.cli.serving import Calibrations, HealthPort, Kubeconfig
from rightslice.errors import InputError, UnavailableError
from rightslice.kube.admission.settings import Mode, Settings
from rightslice.kube.parse.question import Defaults
from rightslice.units import parse_ratio

if TYPE_CHECKING:
    from rightslice.edge.cluster.self_managed import SelfManaged


def register(app: typer.Typer) -> None:
    """Add the verb to *app*."""
    app.command()(webhook)


def _self_managed(
    secret: str | None, folder: Path, service: str, configuration: str
) -> SelfManaged | None:
    if secret is None:
        return None
    namespace, _, name = secret.partition("/")
    if not namespace or not name:
        raise InputError(f"--self-managed {secret} must be NAMESPACE/SECRET")
    from rightslice.edge.cluster.self_managed import (  # noqa: PLC0415 - the cluster's packages load where they are used
        SelfManaged,
    )

    return SelfManaged(
        namespace=namespace,
        secret=name,
        service=service,
        configuration=configuration,
        folder=folder,
    )


Certificates = Annotated[
    Path, typer.Option("--certificates", help="Folder with tls.crt and tls.key.")
]
Secret = Annotated[
    str | None,
    typer.Option(
        "--self-managed",
        metavar="NAMESPACE/SECRET",
        help="Make the certificate, keep it in this Secret, and renew it.",
    ),
]
Service = Annotated[str, typer.Option("--service", help="Service that the certificate names.")]
Configuration = Annotated[
    str, typer.Option("--configuration", help="MutatingWebhookConfiguration that has to trust it.")
]
DefaultMode = Annotated[
    Mode, typer.Option("--mode", help="Of namespaces without the label rightslice.dev/mode.")
]
Ceiling = Annotated[
    Mode, typer.Option("--ceiling", help="The most that a label or annotation can ask for.")
]
Confidence = Annotated[
    str, typer.Option("--confidence", help="Chance that the offer holds the load.")
]
EngineVersion = Annotated[
    str | None, typer.Option("--engine-version", help="vLLM of images whose tag names none.")
]
Host = Annotated[
    str, typer.Option("--host", help="Address to listen on; empty: every one, IPv4 and IPv6.")
]
Port = Annotated[int, typer.Option("--port", help="Of the API server's calls, TLS.")]
RenewalCheck = Annotated[
    float, typer.Option("--renewal-check", help="Seconds between looks at a self-made certificate.")
]
Drain = Annotated[float, typer.Option("--drain", help="Seconds from SIGTERM to the end.")]


def webhook(  # noqa: PLR0913 - one parameter an option
    *,
    certificates: Certificates = Path("/tls"),
    self_managed: Secret = None,
    service: Service = "rightslice-webhook",
    configuration: Configuration = "rightslice",
    mode: DefaultMode = Mode.ADVISE,
    ceiling: Ceiling = Mode.ENFORCE,
    confidence: Confidence = "90%",
    engine_version: EngineVersion = None,
    kubeconfig: Kubeconfig = None,
    calibrations: Calibrations = None,
    host: Host = "",
    port: Port = 9443,
    health_port: HealthPort = 8081,
    renewal_check: RenewalCheck = 60.0,
    drain: Drain = 5.0,
) -> None:
    """Serve the admission webhook.

    It needs the packages of `rightslice[cluster]`, and in a cluster the rights that the Helm chart
    gives it.

    Example: rightslice webhook --certificates /tls --mode advise
    """
    try:
        from rightslice.entry.webhook.run import (  # noqa: PLC0415 - the cluster's packages load where they are used
            WebhookOptions,
            serve,
        )
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("rightslice"):
            raise
        raise UnavailableError(
            f"{error.name} is not installed: install rightslice[cluster]"
        ) from None
    share = parse_ratio(confidence)
    if not 0.5 <= share < 1:
        raise InputError(f"--confidence {confidence} must be from 50% to less than 100%")
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    settings = Settings(
        mode=mode,
        ceiling=ceiling,
        defaults=Defaults(confidence=share, engine_version=engine_version),
    )
    options = WebhookOptions(
        certificates=certificates,
        self_managed=_self_managed(self_managed, certificates, service, configuration),
        settings=settings,
        kubeconfig=kubeconfig,
        calibrations=calibrations,
        host=host,
        port=port,
        health_port=health_port,
        renewal_check_seconds=renewal_check,
        drain_seconds=drain,
    )
    asyncio.run(serve(options))
