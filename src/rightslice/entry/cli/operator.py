"""`rightslice operator`: decide about ModelDeployments in a cluster."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated

import typer

from rightslice.entry.cli.serving import Calibrations, HealthPort, Kubeconfig
from rightslice.errors import InputError, UnavailableError
from rightslice.kube.admission.settings import Mode
from rightslice.kube.relayout.limits import Limits


def register(app: typer.Typer) -> None:
    """Add the verb to *app*."""
    app.command()(operator)


Ceiling = Annotated[
    Mode, typer.Option("--ceiling", help="The most that a ModelDeployment can ask for.")
]
Settle = Annotated[
    float,
    typer.Option("--settle", help="Seconds that a cheaper offer has to do before it is taken."),
]
Resync = Annotated[
    float, typer.Option("--resync", help="Seconds after which everything is listed anew.")
]
LeaseNamespace = Annotated[
    str, typer.Option("--namespace", help="Where the Lease is, by which one operator leads.")
]
Relayout = Annotated[
    bool, typer.Option("--relayout", help="Cut nodes anew for what no free slice gives.")
]
RelayoutToSave = Annotated[
    bool, typer.Option("--relayout-to-save", help="Cut empty nodes also to lower bills.")
]
MigConfigMap = Annotated[
    str,
    typer.Option("--mig-config-map", help="Namespace/name of what mig-manager reads."),
]
Patience = Annotated[
    float, typer.Option("--relayout-patience", help="Seconds to wait before a node is cut.")
]
ConfigDelay = Annotated[
    float, typer.Option("--config-delay", help="Seconds until mig-manager sees its ConfigMap.")
]
ChangeLimit = Annotated[
    float, typer.Option("--change-limit", help="Seconds that mig-manager may take.")
]
Repack = Annotated[
    bool,
    typer.Option("--repack", help="Move pods between cards under DRA, so that cards come free."),
]
MovesPerCard = Annotated[
    float,
    typer.Option(
        "--moves-per-card", help="Moves that a freed card, or a slice waited for, is worth."
    ),
]
RepackRest = Annotated[
    float, typer.Option("--repack-rest", help="Seconds of rest before each move.")
]
Host = Annotated[str, typer.Option("--host", help="Address to listen on.")]


def operator(  # noqa: PLR0913 - one parameter an option
    *,
    ceiling: Ceiling = Mode.ADVISE,
    settle: Settle = 600.0,
    resync: Resync = 300.0,
    namespace: LeaseNamespace = "default",
    relayout: Relayout = False,
    relayout_to_save: RelayoutToSave = False,
    mig_config_map: MigConfigMap = "gpu-operator/custom-mig-parted-config",
    relayout_patience: Patience = 60.0,
    config_delay: ConfigDelay = 90.0,
    change_limit: ChangeLimit = 600.0,
    repack: Repack = False,
    moves_per_card: MovesPerCard = 3.0,
    repack_rest: RepackRest = 60.0,
    kubeconfig: Kubeconfig = None,
    calibrations: Calibrations = None,
    host: Host = "",
    health_port: HealthPort = 8081,
) -> None:
    """Decide about ModelDeployments, and say why in their status.

    Under the ceiling advise nothing else changes. It needs the packages of `rightslice[cluster]`
    and the resources Model and ModelDeployment.

    Example: rightslice operator --ceiling enforce --namespace rightslice
    """
    try:
        from rightslice.entry.operator import layouts, loop, repacks, run  # noqa: PLC0415 - heavy
    except ModuleNotFoundError as error:
        raise UnavailableError(
            f"{error.name} is not installed: install rightslice[cluster]"
        ) from None
    _check(settle, resync)
    _log()
    limits = _limits(relayout_patience, config_delay, change_limit)
    options = run.OperatorOptions(
        namespace=namespace,
        rules=loop.Rules(ceiling=ceiling, settle_seconds=settle, resync_seconds=resync),
        layouts=layouts.layout_rules(
            mig_config_map, limits, is_on=relayout or relayout_to_save, to_save=relayout_to_save
        ),
        repacks=repacks.repack_rules(moves_per_card, repack_rest, is_on=repack),
        kubeconfig=kubeconfig,
        calibrations=calibrations,
        host=host or "0.0.0.0",  # noqa: S104 - a server in a pod listens on the pod's address
        health_port=health_port,
    )
    asyncio.run(run.serve(options))


def _check(settle: float, resync: float) -> None:
    if settle < 0 or resync <= 0:
        raise InputError("--settle must be at least 0 seconds, --resync more than 0")


def _limits(patience: float, config: float, change: float) -> Limits:
    return Limits(patience_seconds=patience, config_seconds=config, change_seconds=change)


def _log() -> None:
    """Write what happens to standard error, and of the clients only what is wrong."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)
    for name in ("httpx2", "kopf"):
        logging.getLogger(name).setLevel(logging.WARNING)
