"""Options that kubectl's own commands have, and how an answer is printed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from rightslice.kube.admission.settings import Mode
from rightslice.records import to_json


class Form(Enum):
    """How an answer is printed."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"


Kubeconfig = Annotated[
    Path | None,
    typer.Option("--kubeconfig", metavar="FILE", help="Way to the cluster, as kubectl's."),
]
Context = Annotated[
    str | None, typer.Option("--context", metavar="NAME", help="One of its contexts.")
]
Namespace = Annotated[
    str | None,
    typer.Option("--namespace", "-n", metavar="NS", help="The context's own if absent."),
]
Everywhere = Annotated[
    bool, typer.Option("--all-namespaces", "-A", help="ModelDeployments of every namespace.")
]
FormOption = Annotated[Form, typer.Option("--output", "-o", help="For people, or for machines.")]
Ceiling = Annotated[
    Mode | None,
    typer.Option("--ceiling", help="The operator's; by its Deployment if absent."),
]
Settle = Annotated[
    float | None,
    typer.Option("--settle", min=0, help="The operator's seconds; by its Deployment if absent."),
]
Calibrations = Annotated[
    Path | None,
    typer.Option("--calibrations", metavar="DIR", help="Calibrations that the operator has."),
]
ClusterFile = Annotated[
    Path | None,
    typer.Option(
        "--cluster", metavar="STATE", help="A file of `rightslice snapshot` in place of a cluster."
    ),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A ModelDeployment.")]


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Which cluster, and whose objects of it."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None
    """None: that of the context."""
    everywhere: bool = False
    file: Path | None = None
    """A snapshot in place of a cluster."""


@dataclass(frozen=True, kw_only=True)
class OperatorAs:
    """How the operator is taken to run; what is None is read from the cluster, or its default."""

    ceiling: Mode | None = None
    settle_seconds: float | None = None
    calibrations: Path | None = None


def print_record(value: object, form: Form) -> None:
    """Print *value* for machines."""
    plain = to_json(value)
    if form is Form.YAML:
        import yaml  # noqa: PLC0415 - only for this form

        typer.echo(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True), nl=False)
    else:
        typer.echo(json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False))
