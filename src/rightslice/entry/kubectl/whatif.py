"""``kubectl rightslice whatif``: what a change would do, before it is applied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rightslice.entry.cli.console import Exit
from rightslice.entry.kubectl.changes import (
    Asked,
    changed_snapshot,
    patch_of,
    read_file,
    refuse_invalid,
)
from rightslice.entry.kubectl.options import (
    Calibrations,
    Ceiling,
    ClusterFile,
    Context,
    Form,
    Kubeconfig,
    Namespace,
    OperatorAs,
    Reach,
    Settle,
    print_record,
)
from rightslice.entry.kubectl.reading import (
    namespace_of,
    read_cluster,
    reader_of,
    tell_rules,
)
from rightslice.errors import InputError

if TYPE_CHECKING:
    from rightslice.edge.cluster.operated import Operated
    from rightslice.kube.snapshot.value import Snapshot

Target = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="A ModelDeployment; not with --filename.")
]
FileOption = Annotated[
    Path | None,
    typer.Option(
        "--filename", "-f", metavar="FILE", help="Changed or new ModelDeployments, and Models."
    ),
]
ConcurrencyOption = Annotated[
    int | None, typer.Option("--concurrency", metavar="N", help="Load: clients at once.")
]
RateOption = Annotated[
    str | None, typer.Option("--rate", metavar="RATE", help="Load: 5/s, 300/min.")
]
InputOption = Annotated[
    str | None, typer.Option("--input", metavar="LENGTHS", help="Prompt tokens: 512.")
]
OutputOption = Annotated[
    list[str] | None,
    typer.Option(
        "--output",
        "-o",
        metavar="LENGTHS|FORM",
        help="Output tokens; or again with json, yaml or wide for the answer's form.",
    ),
]
TpotOption = Annotated[str | None, typer.Option("--tpot", metavar="TIME", help="Target: 30ms.")]
TtftOption = Annotated[str | None, typer.Option("--ttft", metavar="TIME", help="Target: 2s.")]
PercentileOption = Annotated[
    str | None, typer.Option("--percentile", metavar="P", help="Of both targets: p95.")
]
LeastOption = Annotated[int | None, typer.Option("--replicas-min", metavar="N", help="Fewest.")]
MostOption = Annotated[int | None, typer.Option("--replicas-max", metavar="N", help="Most.")]
ConfidenceOption = Annotated[
    str | None, typer.Option("--confidence", metavar="C", help="How sure it must hold: 90%.")
]
PriorityOption = Annotated[
    int | None, typer.Option("--priority", metavar="N", help="Larger first.")
]
ModeOption = Annotated[
    str | None, typer.Option("--mode", metavar="MODE", help="off, advise or enforce.")
]


def register(app: typer.Typer) -> None:
    """Add the verb to *app*."""
    app.command("whatif")(whatif)


def whatif(  # noqa: PLR0913 - one parameter an option
    *,
    name: Target = None,
    file: FileOption = None,
    concurrency: ConcurrencyOption = None,
    rate: RateOption = None,
    inputs: InputOption = None,
    output: OutputOption = None,
    tpot: TpotOption = None,
    ttft: TtftOption = None,
    percentile: PercentileOption = None,
    replicas_min: LeastOption = None,
    replicas_max: MostOption = None,
    confidence: ConfidenceOption = None,
    priority: PriorityOption = None,
    mode: ModeOption = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    cluster: ClusterFile = None,
    ceiling: Ceiling = None,
    settle: Settle = None,
    calibrations: Calibrations = None,
) -> int:
    """What a changed load, target or replica count would do, to it and its neighbours.

    The API server tries the change without storing it; the operator's own decision follows, over
    what the cluster has now. Nothing is written.

    Example: kubectl rightslice whatif chat --concurrency 128
    """
    lengths, form = _output(output or [])
    reach = Reach(kubeconfig=kubeconfig, context=context, namespace=namespace, file=cluster)
    here = namespace_of(reach)
    patch = patch_of(
        {
            "load.concurrency": concurrency, "load.rate": rate, "input": inputs, "output": lengths,
            "slo.tpot": tpot, "slo.ttft": ttft, "slo.percentile": percentile,
            "replicas.min": replicas_min, "replicas.max": replicas_max, "confidence": confidence,
            "priority": priority, "mode": mode,
        }
    )  # fmt: skip
    if (name is None) == (file is None):
        raise InputError("give either the NAME of a ModelDeployment or -f FILE")
    if file is not None and patch:
        raise InputError("-f FILE says what changes; leave the other options out")
    asked = Asked(key=None if name is None else (here, name), patch=patch,
                  documents=() if file is None else read_file(file, here))  # fmt: skip
    see = reader_of(OperatorAs(ceiling=ceiling, settle_seconds=settle, calibrations=calibrations))
    return _answer(asked, reach, see, form)


def _answer(asked: Asked, reach: Reach, see: Callable[[Snapshot], Operated], form: Form) -> int:
    from rightslice.entry.kubectl.answers import WhatIfAnswer  # noqa: PLC0415 - only with a cluster
    from rightslice.kube.operate.what_if import what_if  # noqa: PLC0415 - as above

    snapshot = read_cluster(reach)
    changed, told = changed_snapshot(asked, snapshot, reach)
    before, after = see(snapshot), see(changed)
    found = what_if(before.moment, after.moment, asked.keys)
    refuse_invalid(found)
    if form in (Form.JSON, Form.YAML):
        rules = after.rules
        limits = f"ceiling {rules.ceiling.value}, settling time {rules.settle_seconds:g} s"
        answer = WhatIfAnswer(what_if=found, told=told, rules=f"{limits}: {rules.origin}")
        print_record(answer, form)
    else:
        from rightslice.entry.kubectl.tables import print_what_if  # noqa: PLC0415 - rich loads where it is used

        print_what_if(found, told)
        tell_rules(after.rules)
    return Exit.DONE if found.holds else Exit.NO


def _output(given: list[str]) -> tuple[str | None, Form]:
    """Return the output tokens and the answer's form, both of which ``--output`` names."""
    forms = [text for text in given if text in {form.value for form in Form}]
    lengths = [text for text in given if text not in forms]
    if len(lengths) > 1 or len(forms) > 1:
        raise InputError(
            "--output takes output tokens once, as in --output 128, and the answer's form once, as"
            " in --output json"
        )
    return lengths[0] if lengths else None, Form(forms[0]) if forms else Form.TABLE
