"""Options of the verbs that serve in a cluster: `webhook` and `operator`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Kubeconfig = Annotated[
    Path | None, typer.Option("--kubeconfig", help="Way to the cluster from outside it.")
]
Calibrations = Annotated[
    Path | None, typer.Option("--calibrations", help="Folder of calibration files.")
]
HealthPort = Annotated[
    int, typer.Option("--health-port", help="Of /healthz, /readyz and /metrics.")
]
