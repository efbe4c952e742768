"""The README of a written plan: what to apply in which order, and what is not in it.

The order for the nodes is mig-manager's: applying a layout clears every instance on the card and
does not wait for pods (NVIDIA/gpu-operator#262), so each node is drained first, one at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

from rightslice.core.catalog.share import MpsShare
from rightslice.core.packing.backends import Backend
from rightslice.core.plan.result import NotPlaced, Plan
from rightslice.kube import files
from rightslice.kube.assignments import Assignment
from rightslice.kube.explain import cost_text, latency_text
from rightslice.kube.gpu_ask import gpu_ask
from rightslice.kube.manifest import GROUP
from rightslice.kube.nodes import (
    MIG_CONFIG_LABEL,
    NodeSetting,
    sharing_name,
    ways_of_sharing,
)
from rightslice.kube.server_args import PORT
from rightslice.kube.slicing_text import SlicingText, slicing_text

_OPERATOR = "gpu-operator"
_STATE = f"{MIG_CONFIG_LABEL}.state"
_NAMESPACE = "the namespace where the GPU operator runs (here `gpu-operator`)"


def render(
    plan: Plan,
    nodes: Sequence[NodeSetting],
    running: Sequence[Assignment],
    backend: Backend = Backend.DEVICE_PLUGIN,
) -> str:
    """Return the README as Markdown."""
    slicing = slicing_text(backend, plan)
    sections = [
        _intro(plan, running, slicing),
        _not_placed(plan),
        _contents(nodes, running, slicing),
        "## Apply in this order\n",
        *_steps(nodes, running, slicing),
        _workloads(running, backend),
        _known(plan, nodes, running, slicing),
    ]
    return "\n".join(section for section in sections if section)


def _intro(plan: Plan, running: Sequence[Assignment], slicing: SlicingText) -> str:
    return (
        f"# Plan for {plan.fleet_name}\n\n"
        f"{len(running)} of {len(plan.workloads)} workloads run on {plan.cards_in_use} of"
        f" {plan.cards_total} cards. Written by rightslice; the next run replaces this folder."
        f" The manifests need Kubernetes {slicing.kubernetes} or newer.\n"
    )


def _not_placed(plan: Plan) -> str:
    if not plan.not_placed:
        return ""
    lines = ["## Not placed\n", "These workloads have no files here.\n"]
    for item in plan.not_placed:
        assert isinstance(item.outcome, NotPlaced)
        lines.append(
            f"- **{item.name}** (team {item.team}): {_plain(item.outcome.reason)}."
            f" What would help: {_plain(item.outcome.remedy)}."
        )
    return "\n".join(lines) + "\n"


def _contents(
    nodes: Sequence[NodeSetting], running: Sequence[Assignment], slicing: SlicingText
) -> str:
    rows = [(files.NODE_LABELS, "the labels of each node, for your own tooling")]
    if _mig_nodes(nodes):
        rows.append((files.MIG_PARTED, "how each node's cards are cut, for mig-manager"))
    rows += slicing.contents
    rows += [
        (files.device_plugin_file(name), "sharing of whole cards, for the device plugin")
        for name in _sharing_names(nodes)
    ]
    if running:
        what = "Service, PodDisruptionBudget and Deployment of each workload"
        rows.append(("workloads/TEAM/NAME.yaml", what))
    lines = ["## What is here\n", "| file | what it is |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {what} |" for name, what in rows)]) + "\n"


def _steps(
    nodes: Sequence[NodeSetting], running: Sequence[Assignment], slicing: SlicingText
) -> list[str]:
    steps = [_label_step(nodes)]
    if _sharing_names(nodes):
        steps.append(_sharing_step(nodes))
    if _mig_nodes(nodes):
        steps.append(_mig_step(nodes))
    steps += slicing.steps
    if running:
        steps.append(_apply_step(running, slicing))
    return [f"### {number}. {step}" for number, step in enumerate(steps, 1)]


def _label_step(nodes: Sequence[NodeSetting]) -> str:
    lines = []
    for node in nodes:
        labels = [f"{k}={v}" for k, v in node.labels.items() if k.startswith(GROUP)]
        lines.append(f"kubectl label node {node.node} --overwrite {' '.join(labels)}")
    return (
        "Label the nodes\n\n"
        "The node names are the plan's own: group and number. Put your nodes' names in their"
        " place, here and below. Pods select nodes by these labels, and nodes that are added"
        " later need them too.\n\n" + _shell(lines)
    )


def _sharing_step(nodes: Sequence[NodeSetting]) -> str:
    keys = [f"--from-file={n}={files.device_plugin_file(n)}" for n in _sharing_names(nodes)]
    patch = '{"spec":{"devicePlugin":{"config":{"name":"rightslice-sharing","default":"default"}}}}'
    lines = [
        f"kubectl create configmap rightslice-sharing -n {_OPERATOR} \\",
        *(f"  {key} \\" for key in keys),
        "  --dry-run=client -o yaml | kubectl apply -f -",
        "kubectl patch clusterpolicies.nvidia.com/cluster-policy --type merge \\",
        f"  -p '{patch}'",
        *(
            f"kubectl label node {node.node} --overwrite"
            f" nvidia.com/device-plugin.config={node.device_plugin_config}"
            for node in nodes
            if node.device_plugin_config is not None
        ),
    ]
    return (
        f"Share cards\n\nThe ConfigMap lies in {_NAMESPACE}. The device plugin restarts on the"
        f" nodes that are labelled. {_isolation_text(nodes)}\n\n" + _shell(lines)
    )


def _isolation_text(nodes: Sequence[NodeSetting]) -> str:
    shares = ways_of_sharing(nodes)
    turns = "Time slices have neither memory nor fault isolation."
    told = [turns] if any(not isinstance(share, MpsShare) for share in shares) else []
    if any(isinstance(share, MpsShare) for share in shares):
        told.append(
            "Under MPS the control daemon limits the memory and threads of each CUDA process (a pod"
            " has one), but a fault stops every client of the card, and neighbours share its"
            " bandwidth. The daemon starts where GPU feature discovery sets"
            " `nvidia.com/mps.capable=true`; pods that start earlier fail with `CUDA-capable"
            " device(s) is/are busy or unavailable` and start again. The cards must not be in MIG"
            " mode."
        )
    return " ".join(told)


def _mig_step(nodes: Sequence[NodeSetting]) -> str:
    return (
        f"Cut the cards\n\nThe ConfigMap lies in {_NAMESPACE}. mig-parted takes counts and"
        " chooses the starts itself; the plan drew the layouts that this reaches. Applying one"
        " clears every MIG instance on the node's cards, so each node is drained first, one after"
        f" the other, until `{_STATE}` says `success`. When it says `failed`, the loop stops with"
        " that node still cordoned: read the log of its mig-manager pod. A configuration is named"
        " after its content: a node whose layout is in place already is passed over."
        f"{_strategy_text(nodes)}\n\n" + _shell(_cutting(nodes))
    )


def _cutting(nodes: Sequence[NodeSetting]) -> list[str]:
    path, config = _STATE.replace(".", "\\."), MIG_CONFIG_LABEL.replace(".", "\\.")
    patch = '{"spec":{"migManager":{"config":{"name":"rightslice-mig-parted"}}}}'
    pairs = [f"{node.node}={node.mig_config}" for node in _mig_nodes(nodes)]
    wait = f'--for=jsonpath="{{.metadata.labels.{path}}}"=success --timeout=20m'
    have = f'-o jsonpath="{{.metadata.labels.{config}}}/{{.metadata.labels.{path}}}"'
    return [
        f"kubectl create configmap rightslice-mig-parted -n {_OPERATOR} \\",
        f"  --from-file=config.yaml={files.MIG_PARTED} \\",
        "  --dry-run=client -o yaml | kubectl apply -f -",
        "kubectl patch clusterpolicies.nvidia.com/cluster-policy --type merge \\",
        f"  -p '{patch}'",
        "for pair in \\",
        *(f"  {pair} \\" for pair in pairs),
        "; do",
        "  node=${pair%=*}; config=${pair#*=}",
        f'  [ "$(kubectl get node "$node" {have})" = "$config/success" ] && continue',
        '  kubectl drain "$node" --ignore-daemonsets --delete-emptydir-data || break',
        f'  kubectl label node "$node" {_STATE}- {MIG_CONFIG_LABEL}="$config" --overwrite',
        f'  kubectl wait node "$node" {wait} || break',
        '  kubectl uncordon "$node"',
        "done",
    ]


def _strategy_text(nodes: Sequence[NodeSetting]) -> str:
    strategies = sorted({node.group.mig.value for node in _mig_nodes(nodes)})
    if len(strategies) == 1:
        return f" The cluster's `mig.strategy` must be `{strategies[0]}`."
    return (
        " This fleet needs both strategies, `mixed` and `single`, while the GPU operator has one"
        " `mig.strategy` for all nodes: say `mig: mixed` for every group in the fleet file, which"
        " can do all that `single` can, or keep the groups in two clusters."
    )


def _apply_step(running: Sequence[Assignment], slicing: SlicingText) -> str:
    teams = dict.fromkeys(item.workload.team for item in running)
    lines = [f"kubectl apply -n {team} -f {files.workload_folder(team)}/" for team in teams]
    if slicing.fills_uuids:
        lines = [
            f'cat {files.workload_folder(team)}/*.yaml | envsubst "$GPUS"'
            f" | kubectl apply -n {team} -f -"
            for team in teams
        ]
    return (
        "Apply the workloads\n\nThe manifests name no namespace. The lines below take one of the"
        " team's name, which must exist; any other will do. A gated model needs a Secret `hf-token`"
        " with the key `token` beside it.\n\n"
        + _shell(lines)
        + f"\nEach workload answers at `http://NAME.NAMESPACE:{PORT}/v1`. After the start compare"
        " vLLM's log with the plan: `GPU KV cache size`, and a line about captured graphs.\n"
    )


def _workloads(running: Sequence[Assignment], backend: Backend) -> str:
    if not running:
        return ""
    lines = [
        "## Workloads\n",
        "| name | resource | replicas | TPOT | TTFT | cost |",
        "|" + "---|" * 6,
    ]
    for item in running:
        slo, prediction = item.workload.slo, item.prediction
        cells = (
            item.name,
            f"{_resource(item, backend)} on {item.group.name}",
            str(item.placed.replicas),
            latency_text(prediction.tpot, slo.tpot_percentile, slo.tpot_seconds),
            latency_text(prediction.ttft, slo.ttft_percentile, slo.ttft_seconds),
            cost_text(item.placed),
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _resource(item: Assignment, backend: Backend) -> str:
    ask = gpu_ask(item, backend)
    return ", ".join(ask.resources) or f"claim of {item.device.label}"


def _known(
    plan: Plan,
    nodes: Sequence[NodeSetting],
    running: Sequence[Assignment],
    slicing: SlicingText,
) -> str:
    notes = [_sentence(note) for note in (*plan.notes, *slicing.notes)]
    alone = [item.name for item in running if item.placed.replicas == 1]
    if alone:
        notes.append(
            f"One replica only: {', '.join(alone)}. A drain stops it: a PodDisruptionBudget that"
            " forbids that would block every drain. A second replica (`replicas: {min: 2}` in the"
            " fleet file) keeps the model up"
        )
    notes += [
        f"{node.node}, cards {', '.join(map(str, node.elsewhere))}: mig-parted may put the same"
        " instances at other starts than the plan drew; the slices are the same, what else would"
        " fit beside them can differ"
        for node in nodes
        if node.elsewhere
    ]
    notes += [
        f"{item.name}: `{item.sizing.model.name}` is no Hugging Face id; put the path or id where"
        " the server finds the weights in its place"
        for item in running
        if not _is_hub_id(item.sizing.model.name)
    ]
    if running:
        notes.append(
            "Each pod downloads the weights anew and keeps them on its node's disk (emptyDir); a"
            " shared volume or an image volume at the same path saves both"
        )
    if not notes:
        return ""
    return "## Good to know\n\n" + "\n".join(f"- {note}." for note in notes) + "\n"


def _is_hub_id(name: str) -> bool:
    owner, slash, model = name.partition("/")
    return bool(owner and slash and model) and "/" not in model and not name.endswith(".json")


def _mig_nodes(nodes: Sequence[NodeSetting]) -> list[NodeSetting]:
    return [node for node in nodes if node.mig_config is not None]


def _sharing_names(nodes: Sequence[NodeSetting]) -> list[str]:
    names = [sharing_name(share) for share in ways_of_sharing(nodes)]
    return ["default", *names] if names else []


def _sentence(text: str) -> str:
    plain = _plain(text)
    return plain[:1].upper() + plain[1:]


def _plain(text: str) -> str:
    """Put *text* on one line, without its full stop."""
    return " ".join(text.split()).removesuffix(".")


def _shell(lines: Sequence[str]) -> str:
    return "```sh\n" + "\n".join(lines) + "\n```\n"
