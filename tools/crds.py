"""Write the chart's CustomResourceDefinitions from the dataclasses: `python -m tools.crds`."""

from __future__ import annotations

from pathlib import Path

from rightslice.edge.yaml_text import dump_yaml
from rightslice.kube.crd.definition import DEFINITIONS, manifest

FOLDER = Path(__file__).parents[1] / "charts" / "rightslice" / "crds"
HEAD = "# Made by `python -m tools.crds` from src/rightslice/kube/crd; do not edit.\n"


def files() -> dict[Path, str]:
    """Return the text of each file."""
    return {FOLDER / f"{one.plural}.yaml": HEAD + dump_yaml([manifest(one)]) for one in DEFINITIONS}


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(exist_ok=True)
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
