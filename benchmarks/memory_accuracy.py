"""How right the memory model is: predictions beside what real vLLM start-ups logged.

Usage: memory_accuracy.py [--data CSV] [--models DIR] [--json OUT] [--counts]

CSV has the columns of benchmarks/data/MEMORY_LOGS.md (the table beside it is the default); DIR
holds configs named ORG__NAME.json, used before the catalogue. Cross-validated figures refit the
estimated terms with every row of the judged model left out.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from parts.memory_fitting import (
    Case,
    Prediction,
    activation_of,
    graph_features,
    graphs_of,
    mean_non_torch,
    pool_of,
    refitted,
    sampler_features,
    weights_of,
)
from parts.memory_peer import (
    peer_activation,
    peer_non_torch,
    peer_pool,
)

from rightslice.core.catalog.estimate import Band
from rightslice.core.sizing.kv_cache import max_concurrency
from rightslice.core.sizing.result import Fits, TooBig
from rightslice.core.sizing.stages import staged_sizing
from rightslice.edge.memory_coefficients import memory_coefficients
from rightslice.edge.startup_table import (
    Row,
    find_device,
    find_engine,
    find_model,
    is_inconsistent,
    number,
    phase_named,
    server_of,
    whole,
    with_carried_remarks,
)
from rightslice.errors import InputError
from rightslice.units import GIB

HERE = Path(__file__).parent
KNOWN = memory_coefficients()
GRAPH_TOLERANCE_GIB = 0.3
PRINTED_HALF_GIB = 0.005
COUNT_TOLERANCE = 0.0005
NEEDS_MEMORY = ("kv_bytes", "kv_tokens", "max_concurrency", "fits", "phase")
"""What is null where the device's memory is neither stated nor known."""
NOT_SIZING = "not a "
"""Remarks of failed starts that had other causes say "not a sizing failure" or alike."""


def predict(row: Row, models: Path | None) -> Prediction | None:
    """Return the prediction of one row; None when its architecture is not known."""
    model = find_model(row, models)
    if model is None:
        return None
    device, known = find_device(row)
    server, engine = server_of(row), find_engine(row)
    try:
        staged = staged_sizing(model, device, server, engine=engine, coefficients=KNOWN)
    except InputError as error:
        print(f"{model.name}: left out: {error}")
        return None
    return Prediction(staged=staged, memory_known=known)


def given_pool(row: Row, prediction: Prediction) -> int | None:
    """Return the tokens that the printed pool makes."""
    printed = number(row, "kv_cache_gib")
    return (
        None
        if printed is None or printed <= 0
        else prediction.staged.tokens_of_pool(round(printed * GIB))
    )


def band(value: Band) -> list[int]:
    """Return a band as low, expected, high."""
    return [value.low, value.expected, value.high]


def as_json(index: int, row: Row, prediction: Prediction | None) -> dict[str, object]:
    """Return one row of the JSON document."""
    if prediction is None:
        return {"row": index, "known": False, "predicted": None}
    sizing, kv = prediction.staged.sizing, prediction.staged.sizing.kv
    verdict = sizing.verdict
    predicted: dict[str, object] = {
        "weights_bytes": band(prediction.staged.largest(lambda stage: stage.budget.weights)),
        "activation_bytes": band(prediction.staged.largest(lambda stage: stage.budget.activation)),
        "non_torch_bytes": band(prediction.staged.first.budget.non_torch),
        "graph_bytes": band(prediction.staged.largest(lambda stage: stage.budget.graphs)),
    }
    predicted |= dict.fromkeys(NEEDS_MEMORY)
    if prediction.memory_known:
        length, engine = prediction.staged.startup.flags.max_model_len, sizing.engine
        predicted |= {
            "kv_bytes": band(prediction.staged.first.budget.pool),
            "kv_tokens": band(kv.tokens),
            "max_concurrency": [
                max_concurrency(prediction.staged.first.layout, blocks, length, engine)
                for blocks in band(kv.blocks)
            ],
            "fits": isinstance(verdict, Fits),
            "phase": verdict.phase.value if isinstance(verdict, TooBig) else None,
        }
    tokens = given_pool(row, prediction)
    if tokens is not None:
        predicted["kv_tokens_given_pool"] = tokens
    return {"row": index, "known": True, "predicted": predicted}


def summary(errors: Sequence[float]) -> str:
    """Return count, median, mean, p95 and worst of absolute errors in percent."""
    if not errors:
        return "no rows"
    sizes = [abs(error) * 100 for error in errors]
    p95 = float(np.quantile(np.array(sizes), 0.95))
    return (
        f"{len(sizes):3} rows  median {statistics.median(sizes):5.2f} %"
        f"  mean {statistics.fmean(sizes):5.2f} %  p95 {p95:5.2f} %  worst {max(sizes):6.2f} %"
    )


def relative(
    cases: Iterable[Case], column: str, predicted: Callable[[Case], float | None]
) -> list[tuple[Case, float]]:
    """Return predicted over logged, minus one, of the rows that state *column* above zero."""
    return [
        (case, figure / logged - 1)
        for case in cases
        if (logged := case.logged(column)) is not None and logged > 0
        if (figure := predicted(case)) is not None
    ]


def print_errors(name: str, errors: Sequence[tuple[Case, float]], *, worst: int = 4) -> None:
    """Print one line of statistics, and the worst rows."""
    print(f"{name:28} {summary([error for _, error in errors])}")
    for case, error in sorted(errors, key=lambda item: -abs(item[1]))[:worst]:
        model, version = case.name, case.prediction.staged.startup.engine.version
        print(f"    row {case.index:3} {model:42} {version:8} {error * 100:+7.2f} %")


def print_terms(cases: Sequence[Case]) -> None:
    """Print the error of each term, in sample and cross-validated."""
    cases = [case for case in cases if not is_inconsistent(case.row)]
    started = [c for c in cases if c.row.get("fits") == "yes" and c.prediction.memory_known]
    activation = refitted(
        cases, "activation_peak_gib", sampler_features, activation_of, relative=True
    )
    graphs = refitted(cases, "cuda_graph_gib", graph_features, graphs_of, relative=False)
    non_torch = mean_non_torch(cases)

    def pool(case: Case) -> float:
        change = activation[case.index] - activation_of(case)
        change += non_torch[case.index] - case.prediction.staged.first.budget.non_torch.expected
        return float(pool_of(case) - change)

    print_errors("weights", relative(cases, "weights_gib_per_gpu", weights_of))
    print_errors("activation", relative(cases, "activation_peak_gib", activation_of))
    refit = relative(cases, "activation_peak_gib", lambda case: activation[case.index])
    print_errors("activation, cross-validated", refit, worst=0)
    print_errors("KV pool", relative(started, "kv_cache_gib", pool_of))
    print_errors("KV pool, cross-validated", relative(started, "kv_cache_gib", pool), worst=0)
    for name, predicted in (("graphs", graphs_of), ("graphs, cross-validated", None)):
        misses = [
            ((predicted(case) if predicted else graphs[case.index]) - logged) / GIB
            for case in cases
            if (logged := case.logged("cuda_graph_gib")) is not None and logged > 0
        ]
        if not misses:
            continue
        near = sum(abs(miss) <= GRAPH_TOLERANCE_GIB for miss in misses)
        print(f"{name:28} {len(misses):3} rows  {near} within {GRAPH_TOLERANCE_GIB} GiB, mean"
              f" {statistics.fmean(abs(miss) for miss in misses):.2f} GiB")  # fmt: skip
    print_band(started)


def print_band(cases: Sequence[Case]) -> None:
    """Print how often the KV band holds the logged pool, and how wide it is."""
    bands = [
        (case.prediction.staged.first.budget.pool, logged)
        for case in cases
        if (logged := case.logged("kv_cache_gib")) is not None
    ]
    inside = sum(pool.low <= logged <= pool.high for pool, logged in bands)
    widths = [(pool.high - pool.low) / pool.expected for pool, _ in bands if pool.expected > 0]
    if not widths:
        return
    print(f"{'KV band':28} holds {inside} of {len(bands)} rows, median width"
          f" {statistics.median(widths) * 100:.2f} % of the pool")  # fmt: skip


def print_tokens(cases: Sequence[Case]) -> None:
    """Print how many rows' tokens follow from their printed pool alone."""
    right, missed = 0, []
    for case in cases:
        stated, tokens = whole(case.row, "kv_tokens"), given_pool(case.row, case.prediction)
        if stated is None or tokens is None:
            continue
        layout = case.prediction.staged.first.layout
        per_token = (case.logged("kv_cache_gib") or 0) / max(1, stated)
        blocks = sum(group.block_tokens for group in layout.groups)
        if abs(tokens - stated) <= PRINTED_HALF_GIB * GIB / per_token + blocks:
            right += 1
        else:
            missed.append((case, tokens - stated))
    print(f"{'tokens from the pool':28} {right} of {right + len(missed)} rows within its rounding")
    for case, error in missed:
        print(f"    row {case.index:3} {case.name:42} {error:+d} tokens")


def starts(case: Case) -> bool:
    """Whether the row's server is predicted to start."""
    return isinstance(case.prediction.staged.sizing.verdict, Fits)


def print_peer(cases: Sequence[Case]) -> None:
    """Print the same table for llm-d-planner: its published constants, with logged weights."""
    cases = [case for case in cases if not is_inconsistent(case.row)]
    started = [
        case
        for case in cases
        if case.row.get("fits") == "yes"
        and case.prediction.memory_known
        and peer_pool(case) is not None
    ]
    print("llm-d-planner 0.3.3, its published constants re-applied by us, with the logged weights:")
    models = [(case, case.prediction.staged.startup) for case in cases]
    rows = {case.index: peer_activation(startup.model) for case, startup in models}
    print_errors(
        "  activation", relative(cases, "activation_peak_gib", lambda case: rows[case.index])
    )
    print_errors("  KV pool", relative(started, "kv_cache_gib", peer_pool))
    misses = [
        abs(peer_non_torch(startup.flags.tensor_parallel, startup.flags.pipeline_parallel) - logged)
        for case, startup in models
        if (logged := case.logged("non_torch_gib")) is not None
    ]
    if not misses:
        return
    print(f"{'  non-torch':28} {len(misses):3} rows  mean {statistics.fmean(misses) / GIB:.2f} GiB;"
          " graphs 0, bands none, verdicts none")  # fmt: skip


def print_verdicts(cases: Sequence[Case]) -> None:
    """Print where the verdict and the real start disagree, and where phases do."""
    judged = [
        case
        for case in cases
        if case.prediction.memory_known
        and not (case.row.get("notes") or "").startswith(NOT_SIZING)
        and not is_inconsistent(case.row)
    ]
    wrong = [case for case in judged if starts(case) != (case.row.get("fits") == "yes")]
    print(f"{'verdicts':28} {len(judged) - len(wrong)} of {len(judged)} right")
    for case in wrong:
        print(f"    row {case.index:3} {case.name:42} started: {case.row.get('fits')},"
              f" predicted: {said(case)}")  # fmt: skip
    failed = [case for case in judged if case.row.get("fits") == "no"]
    named = [(case, phase) for case in failed if (phase := phase_named(case.row)) is not None]
    right = [case for case, phase in named if said(case) == phase.value]
    print(f"{'phases':28} {len(right)} of {len(named)} as the row names it;"
          f" {len(failed) - len(named)} failed starts name none")  # fmt: skip
    for case, phase in named:
        if said(case) != phase.value:
            print(f"    row {case.index:3} {case.name:42} died: {phase.value},"
                  f" predicted: {said(case)}")  # fmt: skip


def said(case: Case) -> str:
    """Return the predicted phase, or that it fits."""
    verdict = case.prediction.staged.sizing.verdict
    return verdict.phase.value if isinstance(verdict, TooBig) else "fits"


def count_parameters(options: argparse.Namespace) -> int:
    """Print parameter counts beside stated ones, and write them."""
    found: list[dict[str, object]] = []
    errors = []
    for index, row in enumerate(read_rows(options.data)):
        model = find_model(row, options.models)
        stated = whole(row, "total_params")
        error = model.parameters / stated - 1 if model is not None and stated else None
        if error is not None:
            errors.append(error)
            if abs(error) > COUNT_TOLERANCE:
                print(f"    row {index:3} {row['hf_id'][:50]:50} {error * 100:+.3f} %")
        found.append({
            "row": index, "hf_id": row.get("hf_id") or None,
            "total_params": model.parameters if model else None,
            "text_params": model.text_parameters if model else None,
            "error_ratio": error,
        })  # fmt: skip
    print(f"{'parameters':28} {summary(errors)}")
    write(options.json, found)
    return 0


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path | None, rows: Sequence[Mapping[str, object]]) -> None:
    """Write the JSON document, when one is asked for."""
    if path is not None:
        path.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """Print the tables and write the JSON document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, default=HERE / "data" / "memory_logs.csv")
    parser.add_argument("--models", type=Path, help="folder of ORG__NAME.json configs")
    parser.add_argument("--json", type=Path, help="where to write the predictions")
    parser.add_argument("--counts", action="store_true", help="parameter counts instead")
    options = parser.parse_args()
    if options.counts:
        return count_parameters(options)
    rows = with_carried_remarks(read_rows(options.data))
    predictions = [predict(row, options.models) for row in rows]
    pairs = list(zip(rows, predictions, strict=True))
    write(options.json, [as_json(index, *pair) for index, pair in enumerate(pairs)])
    cases = [
        Case(index=index, row=row, prediction=prediction)
        for index, (row, prediction) in enumerate(pairs)
        if prediction is not None
    ]
    print(f"{len(rows)} rows, {len(cases)} of known architecture")
    for case in cases:
        if is_inconsistent(case.row):
            print(f"    row {case.index:3} {case.name:42} left out: the table says"
                  " that its figures contradict each other")  # fmt: skip
    print_terms(cases)
    print_tokens(cases)
    print_verdicts(cases)
    print_peer(cases)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
