"""A plan as a folder of manifests: written whole or not at all.

Everything is written to a temporary folder beside the target, which then takes the target's
place in one rename. A folder that holds anything we did not write is never replaced: ours carry a
``.rightslice`` file that lists what is in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, assert_never

from rightslice.core.packing.backends import Backend
from rightslice.core.plan.result import Plan
from rightslice.edge.yaml_text import dump_yaml
from rightslice.errors import InputError, UnavailableError
from rightslice.kube import files
from rightslice.kube.assignments import Assignment, assignments
from rightslice.kube.gpu_ask import gpu_ask, why_not_asked
from rightslice.kube.nodes import NodeSetting, node_settings
from rightslice.kube.render import (
    das,
    dra,
    mig_parted,
    nvidia_smi,
    readme,
    sharing,
    workload,
)

MARKER: Final = ".rightslice"


def plan_files(plan: Plan, backend: Backend = Backend.DEVICE_PLUGIN) -> dict[str, str]:
    """Return the text of every file of *plan* for *backend*, by its path inside the folder.

    Raises:
        InputError: when *backend* cannot hand out what the plan gives a workload.
    """
    nodes, running = node_settings(plan, backend), assignments(plan)
    refused = [reason for item in running if (reason := why_not_asked(item, backend)) is not None]
    if refused:
        raise InputError(f"{backend.value} cannot carry out this plan: {'; '.join(refused)}")
    texts = {files.README: readme.render(plan, nodes, running, backend)}
    texts[files.NODE_LABELS] = dump_yaml([{node.node: {**node.labels} for node in nodes}])
    texts.update(_slicing_files(plan, nodes, running, backend))
    for name, config in sharing.render(nodes).items():
        texts[files.device_plugin_file(name)] = dump_yaml([config])
    is_dra = backend in (Backend.DRA, Backend.DRA_TAINT_RULES)
    for item in running:
        objects = workload.render(item, gpu_ask(item, backend))
        if is_dra:
            # Hidden placements leave no other profile, so alternatives would never be taken.
            with_others = backend is Backend.DRA
            objects = [dra.render_template(item, with_alternatives=with_others), *objects]
        texts[files.workload_file(item)] = dump_yaml(objects)
    return texts


def _slicing_files(
    plan: Plan, nodes: Sequence[NodeSetting], running: Sequence[Assignment], backend: Backend
) -> dict[str, str]:
    """Return the files that cut cards or steer placements."""
    match backend:
        case Backend.DEVICE_PLUGIN:
            config = mig_parted.render(nodes)
            return {files.MIG_PARTED: dump_yaml(config)} if config else {}
        case Backend.NVIDIA_SMI:
            scripts = nvidia_smi.render(plan.cards)
            return {files.smi_file(node): text for node, text in scripts.items()}
        case Backend.DAS:
            names = {item.workload.name: (item.workload.team, item.name) for item in running}
            claims = das.render(plan.cards, names)
            return {files.DAS_CLAIMS: dump_yaml(claims)} if claims else {}
        case Backend.DRA_TAINT_RULES:
            rules = dra.render_taints(plan.cards)
            return {files.TAINT_RULES: dump_yaml(rules)} if rules else {}
        case Backend.DRA:
            return {}
        case _:
            assert_never(backend)


def write_plan(
    plan: Plan, folder: Path, backend: Backend = Backend.DEVICE_PLUGIN
) -> tuple[Path, ...]:
    """Write the manifests of *plan* for *backend* into *folder*, and return the files written.

    What an earlier run wrote there is replaced as a whole.

    Raises:
        InputError: when *folder* is a file, or holds what we did not write; when *backend* cannot
            hand out what the plan gives a workload.
        UnavailableError: when the file system refuses; nothing is left behind then.
    """
    texts = plan_files(plan, backend)
    try:
        target = folder.resolve()
        _check_target(target, folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(
            prefix=".rightslice-", dir=target.parent, ignore_cleanup_errors=True
        ) as beside:
            new = Path(beside) / "new"
            _write_all(texts, new)
            _check_target(target, folder)
            _swap(new, target, Path(beside) / "old")
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnavailableError(f"{folder}: could not be written: {reason}") from error
    return tuple(folder / path for path in texts)


def _check_target(target: Path, shown: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"{shown}: is a file; give a folder to write to")
    present = {str(path.relative_to(target)) for path in target.rglob("*") if not path.is_dir()} - {
        MARKER
    }
    marker = target / MARKER
    ours = set(marker.read_text("utf-8", "replace").splitlines()) if marker.is_file() else set()
    foreign = sorted(present - ours)
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise InputError(
            f"{shown}: holds {foreign[0]}{more}, which rightslice did not write; give an empty or"
            " new folder, or move that away"
        )


def _write_all(texts: Mapping[str, str], folder: Path) -> None:
    listing = "".join(f"{path}\n" for path in texts)
    for path, text in {**texts, MARKER: listing}.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _swap(new: Path, target: Path, old: Path) -> None:
    """Put *new* in *target*'s place; the earlier content comes back when that fails."""
    if not target.exists():
        new.rename(target)
        return
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
