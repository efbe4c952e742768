"""Scripts of nvidia-smi commands, run against a card that is a text file."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.core.packing.geometry import Layout, states
from rightslice.edge.catalog_files import Catalog
from rightslice.errors import InputError
from rightslice.kube.render.nvidia_smi import script

CARD = r"""#!/bin/sh
# A card: one line "GPU PROFILE_ID INSTANCE START" an instance.
while [ $# -gt 0 ]; do case $1 in
  -i) gpu=$2; shift ;; -gi) gi=$2; shift ;; -cgi) new=$2; shift ;;
  --query-gpu=*) echo "${MODE:-Enabled}"; exit ;; -lgi) list=1 ;; -dgi) gone=1 ;; -dci) busy=1 ;;
esac; shift; done
n=$(($(wc -l < "$STATE") + 1))
[ -z "${new:-}" ] || echo "$gpu ${new%:*} $n ${new#*:}" >> "$STATE"
[ -z "${busy:-}" ] || [ "${BUSY:-}" != "$gi" ] || { echo "In use by another client" >&2; exit 19; }
[ -z "${gone:-}" ] || { grep -v "^$gpu [0-9]* $gi " "$STATE" > "$STATE.new" || :
  mv "$STATE.new" "$STATE"; }
[ -z "${list:-}" ] || { echo "| GPU   Name  Profile  Instance   Placement  |"
  while read -r g p i s; do
    [ "$g" = "${gpu:-$g}" ] && echo "|   $g  MIG x.y    $p     $i    $s:1 |"
  done < "$STATE"; }
exit 0
"""
GRID = Catalog().mig_gpu("A100-40GB")
LAYOUTS = st.sampled_from(states(GRID, frozenset(("1g.5gb", "2g.10gb", "3g.20gb", "4g.20gb"))))


def ids(grid: MigGrid, layout: Layout) -> set[tuple[str, str]]:
    """Return profile ids and starts."""
    return {(str(grid.profile(p.profile).profile_id), str(p.start)) for p in layout}


def run(folder: Path, text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run *text* on the card in *folder*."""
    tool = folder / "nvidia-smi"
    tool.write_text(CARD)
    tool.chmod(0o755)
    (folder / "state").touch()
    values = {"PATH": f"{folder}:{os.environ['PATH']}", "STATE": str(folder / "state")}
    return subprocess.run(
        ["sh", "-c", text],
        env={**values, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def standing(folder: Path) -> set[tuple[str, str]]:
    """Return what the card holds."""
    rows = [line.split() for line in (folder / "state").read_text().splitlines()]
    return {(row[1], row[3]) for row in rows}


@given(before=LAYOUTS, after=LAYOUTS)
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_layout_becomes_any_other(tmp_path: Path, before: Layout, after: Layout) -> None:
    """What is not planned goes, what is missing is made, and a second run changes nothing."""
    (tmp_path / "state").write_text("")
    for layout in (before, after, after):
        if layout:
            done = run(tmp_path, script(GRID, "n", {0: layout}))
            assert (done.returncode, done.stderr) == (0, "")
            assert standing(tmp_path) == ids(GRID, layout)


def test_a_slice_in_use_ends_the_script(tmp_path: Path) -> None:
    """The driver refuses to remove an instance in use, and nothing more is done."""
    run(tmp_path, script(GRID, "n", {0: (Placement(profile=ProfileName("1g.5gb"), start=0),)}))
    other = {0: (Placement(profile=ProfileName("1g.5gb"), start=3),)}
    done = run(tmp_path, script(GRID, "n", other), BUSY="1")
    assert done.returncode == 19
    assert standing(tmp_path) == {("19", "0")}


def test_mig_must_be_on(tmp_path: Path) -> None:
    """A card whose MIG mode is off is left alone, with the command that turns it on."""
    layout = {0: (Placement(profile=ProfileName("1g.5gb"), start=0),)}
    done = run(tmp_path, script(GRID, "n", layout), MODE="Disabled")
    assert done.returncode == 1
    assert "nvidia-smi -i 0 -mig 1" in done.stderr


def test_unknown_ids_are_refused() -> None:
    """A profile whose id nobody has published has no command."""
    grid = Catalog().mig_gpu("RTX-PRO-4500-Blackwell-32GB")
    layout = (Placement(profile=grid.profiles[0].name, start=0),)
    with pytest.raises(InputError, match="-lgip"):
        script(grid, "n", {0: layout})
