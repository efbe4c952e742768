"""Compare our parameter counts with exact ones.

Takes any CSV with the columns hf_id, total_params and text_params, and a folder of configs, as
``<owner>__<model>.json`` (with ``<owner>__<model>.hf_quant_config.json`` where there is one) or as
``config.json`` in folders of those names.
Models without a config are looked up in the built-in table; what is in neither is unknown.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

from rightslice.edge.startup_table import find_model, whole

COUNTS = Path(__file__).parents[1] / "tests" / "data" / "parameter_counts.csv"
"""The counts that the tests hold to, for a run without arguments."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One model: what we count, and how far that is from the stated total."""

    row: int
    hf_id: str
    total_params: int | None
    text_params: int | None
    error_ratio: float | None


def compare(number: int, stated: dict[str, str], models: Path | None) -> Row:
    """Return row *number* of the comparison."""
    model, total = find_model(stated, models), whole(stated, "total_params")
    return Row(
        row=number,
        hf_id=stated.get("hf_id") or "",
        total_params=None if model is None else model.parameters,
        text_params=None if model is None else model.text_parameters,
        error_ratio=None if model is None or not total else model.parameters / total - 1,
    )


def main() -> None:
    """Print the error of every row and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=COUNTS)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with options.data.open(encoding="utf-8", newline="") as file:
        rows = [
            compare(number, stated, options.models)
            for number, stated in enumerate(csv.DictReader(file))
        ]
    for row in rows:
        error = "unknown" if row.error_ratio is None else f"{row.error_ratio:+.4%}"
        print(f"{row.hf_id:<55} {row.total_params or 0:>20,} {error:>10}")
    errors = [abs(row.error_ratio) for row in rows if row.error_ratio is not None]
    if errors:
        print(
            f"{len(errors)} of {len(rows)} known; |error| median {statistics.median(errors):.4%},"
            f" largest {max(errors):.4%}"
        )
    if options.json is not None:
        document = {"rows": [asdict(row) for row in rows]}
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
