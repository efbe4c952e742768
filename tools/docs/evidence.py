"""How right it is: the rows of the explanation pages that the README repeats."""

from __future__ import annotations

from statistics import median

from tools.docs.transcript import ROOT

_EXPLANATION = ROOT / "docs" / "explanation"
_ARRIVALS = {"static batches:": "a static batch", "clients:": "clients"}
"""How the rows of first tokens start, and what the README calls them."""


def accuracy() -> None:
    """Print predicted against measured, as the pages on memory and performance state it."""
    memory = _page("memory.md")
    performance = _page("performance.md")
    tpot = _rows(performance, "all")[0]
    ttft = [next(row for row in _table(performance) if row[0].startswith(one)) for one in _ARRIVALS]
    slices = [_percent(row[4]) for name in ("16 bit", "FP8") for row in _rows(performance, name)]
    kv = _rows(memory, "KV pool, cross-validated")[0]
    weights = _rows(memory, "weights")[0]
    print("| predicted | against | rows | median error | most rows within |")
    print("|---|---|---|---|---|")
    print(f"| weights | vLLM start-up logs | {weights[1]} | {weights[2]} | {weights[4]} (95 %) |")
    print(f"| KV pool, model left out of the fit | the same | {kv[1]} | {kv[2]} | {kv[4]} (95 %) |")
    print(
        f"| TPOT, model and GPU left out | public benchmarks | {tpot[1]} | {tpot[2]}"
        f" | {tpot[3]} (90 %) |"
    )
    for row, name in zip(ttft, _ARRIVALS.values(), strict=True):
        error, _, band = row[2].partition(" (")
        print(f"| TTFT of {name}, left out | same | {row[1]} | {error} | {band[:-1]} in the band |")
    print(
        f"| TPOT on a MIG slice, no slice in the fit | one public series | {len(slices)}"
        f" | {median(slices):.1f} % | {max(slices):.1f} % (all) |"
    )


def _percent(text: str) -> float:
    return abs(float(text.removesuffix("%")))


def _page(name: str) -> list[str]:
    return (_EXPLANATION / name).read_text(encoding="utf-8").splitlines()


def _rows(lines: list[str], label: str) -> list[list[str]]:
    """Return the cells of every table row that starts with *label*.

    Raises:
        LookupError: when there is none.
    """
    found = [row for row in _table(lines) if row[0] == label]
    if not found:
        raise LookupError(label)
    return found


def _table(lines: list[str]) -> list[list[str]]:
    """Return the cells of every table row of five or more."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if len(row) > 4]
