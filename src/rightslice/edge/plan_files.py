"""A plan as a folder of manifests: written whole or not at all.

Everything is written to a temporary folder beside the target, which then takes the target's
place in one rename. A folder that holds anything we did not write is never replaced: ours carry a
``.rightslice`` file that lists what is in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rightslice.core.plan.result import Plan
from rightslice.edge.yaml_text import dump_yaml
from rightslice.errors import InputError, UnavailableError
from rightslice.kube import files
from rightslice.kube.assignments import assignments
from rightslice.kube.nodes import node_settings
from rightslice.kube.render import mig_parted, readme, time_slicing, workload

MARKER: Final = ".rightslice"


def plan_files(plan: Plan) -> dict[str, str]:
    """Return the text of every file of *plan*, by its path inside the folder."""
    nodes, running = node_settings(plan), assignments(plan)
    texts = {files.README: readme.render(plan, nodes, running)}
    texts[files.NODE_LABELS] = dump_yaml([{node.node: {**node.labels} for node in nodes}])
    config = mig_parted.render(nodes)
    if config:
        texts[files.MIG_PARTED] = dump_yaml(config)
    for name, sharing in time_slicing.render(nodes).items():
        texts[files.device_plugin_file(name)] = dump_yaml([sharing])
    for item in running:
        texts[files.workload_file(item)] = dump_yaml(workload.render(item))
    return texts


def write_plan(plan: Plan, folder: Path) -> tuple[Path, ...]:
    """Write the manifests of *plan* into *folder*, and return the files written.

    What an earlier run wrote there is replaced as a whole.

    Raises:
        InputError: when *folder* is a file, or holds what we did not write.
        UnavailableError: when the file system refuses; nothing is left behind then.
    """
    texts = plan_files(plan)
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
