"""How sure an offer must be, and how many servers may share a load: options of two verbs."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from rightslice.entry.cli.options import named
from rightslice.units import parse_ratio

DEFAULT_CONFIDENCE: Final = 0.9

ConfidenceOption = Annotated[
    float | None,
    typer.Option(
        "--confidence",
        parser=named("--confidence", parse_ratio),
        metavar="C",
        help="How sure the offer must be to hold: 90 (the default); 50 is the point estimate.",
    ),
]
ReplicasOption = Annotated[
    int, typer.Option("--max-replicas", min=1, help="Servers that may share the load.")
]
