"""``rightslice snapshot``: a cluster, live or from kubectl's files, into one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rightslice.edge.text_files import check_target, write_text
from rightslice.entry.cli.clusters import live_snapshot, tell_gaps
from rightslice.entry.cli.console import Exit, warn
from rightslice.errors import InputError

OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE.json", help="Where to; standard output if absent."),
]
FromOption = Annotated[
    list[Path],
    typer.Option(
        "--from",
        metavar="FILE",
        help="A file of `kubectl get ... -o json`, or a folder of these, instead; may be repeated.",
    ),
]
KubeconfigOption = Annotated[
    Path | None,
    typer.Option(
        "--kubeconfig", metavar="FILE", help="Way to the cluster; as kubectl finds it if absent."
    ),
]
ContextOption = Annotated[
    str | None, typer.Option("--context", metavar="NAME", help="One of its contexts.")
]
NamespaceOption = Annotated[
    str | None,
    typer.Option("--namespace", "-n", metavar="NS", help="Only this one; all if absent."),
]
_MOST_NAMED = 10
"""Hidden values that are named one by one; the file names all."""


def register(app: typer.Typer) -> None:
    """Add the verb to *app*."""
    app.command("snapshot")(snapshot)


def snapshot(
    *,
    out: OutOption = None,
    files: FromOption = [],  # noqa: B006 - typer reads the default and never changes it
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> int:
    """One moment of a cluster in one file, which plan, fit and repack take as --cluster.

    It only lists; it never reads Secrets, and of ConfigMaps nothing but the config.json that a
    Model names. Values that look like secrets are left out and named. What may not be listed is
    named in the file and on standard error.

    Example: rightslice snapshot --out state.json
    """
    from rightslice.edge.cluster.snapshot import (  # noqa: PLC0415 - only for a snapshot
        snapshot_of_files,
        snapshot_text,
    )

    if out is not None:
        check_target(out)
    if files:
        if kubeconfig is not None or context is not None or namespace is not None:
            raise InputError(
                "--from reads files; --kubeconfig, --context and --namespace a cluster"
            )
        found = snapshot_of_files(files)
    else:
        found = live_snapshot(kubeconfig, context, namespace)
    text = snapshot_text(found)
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_text(out, text)
    tell_gaps(found)
    for place in found.hidden[:_MOST_NAMED]:
        warn(f"hidden, since it looks like a secret: {place}")
    if len(found.hidden) > _MOST_NAMED:
        warn(f"and {len(found.hidden) - _MOST_NAMED} more hidden; the file names them")
    if out is not None:
        counts = ", ".join(f"{len(every)} {kind}" for kind, every in found.objects.items())
        typer.echo(f"wrote {out}: {counts}")
    return Exit.DONE
