"""``rightslice parse``: what the manifests of others say of their vLLM servers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rightslice.edge.manifest_files import decode_yaml, read_manifests
from rightslice.entry.cli.console import Exit, Output, OutputOption, print_json
from rightslice.errors import InputError
from rightslice.kube.parse.parse import parse_objects
from rightslice.kube.parse.values import Parsed, columns

FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="YAML or JSON manifests; - reads the input.")
]


def register(app: typer.Typer) -> None:
    """Add the verb to *app*."""
    app.command("parse")(parse)


def parse(files: FilesArgument, *, output: OutputOption = Output.TABLE) -> int:
    """What manifests say of their vLLM servers: model, flags, load, targets, GPU; and what not.

    Example: rightslice parse deployment.yaml --output json
    """
    found: list[tuple[Path, Parsed]] = []
    for path in files:
        documents = read_manifests(path)
        try:
            parsed = parse_objects(documents, decode=decode_yaml)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        found += [(path, one) for one in parsed]
    if output is Output.JSON:
        print_json({"workloads": [{"file": str(path), **columns(one)} for path, one in found]})
    else:
        from rightslice.entry.cli.parse_tables import print_workloads  # noqa: PLC0415 - rich loads where it is used

        print_workloads(found)
    return Exit.DONE
