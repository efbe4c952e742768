"""The points asked for are those that settle the decision, and the chances told are true."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.share import Exclusive
from rightslice.core.catalog.traffic import ClosedLoop, Traffic
from rightslice.core.perf.advice import Stake, advise_for, chance_wrong, weights_of
from rightslice.core.perf.observation import Observation, TpotKind, tpot_as_measured
from rightslice.core.perf.result import PerfConstants
from rightslice.core.perf.work import ServedAs
from rightslice.edge.catalog_files import Catalog

CATALOG = Catalog()


def point(clients: int, inputs: int = 512, outputs: int = 128, ranks: int = 1) -> Observation:
    """Return a point of Llama-3.1-8B on H100s, not measured yet."""
    return Observation(
        row=clients,
        source="test",
        engine="vllm",
        era="2026",
        model=CATALOG.model("meta-llama/Llama-3.1-8B-Instruct"),
        device=device_of(CATALOG.gpu("H100-SXM-80GB"), Exclusive()),
        served=ServedAs(tensor_parallel=ranks),
        sequences=clients,
        traffic=Traffic(
            load=ClosedLoop(concurrency=clients),
            input=Lengths.fixed(inputs),
            output=Lengths.fixed(outputs),
        ),
        chunk_tokens=8192,
        is_eager=False,
        tpot_kind=TpotKind.CLOSED_LOOP,
        is_static_ttft=False,
        is_vague=False,
        tpot_seconds=None,
        ttft_seconds=None,
    )


OFFERED = [
    point(clients, inputs, ranks=ranks)
    for clients in (1, 16, 128)
    for inputs in (128, 4096)
    for ranks in (1, 4)
]


def stake(at: Observation, log_margin: float | None = 0.0, *, first: bool = False) -> Stake:
    """Return a latency that decides."""
    return Stake(name="it", point=at, log_margin=log_margin, is_first_token=first)


def test_the_nearest_offer_weighs_most(constants: PerfConstants) -> None:
    """One at its target counts, one that surely holds or surely fails hardly."""
    stakes = [stake(point(16), margin) for margin in (-1.0, 0.0, 1.0)]
    low, near, high = weights_of(stakes, constants)
    assert near > 100 * max(low, high)


def test_where_nothing_is_open_all_count_alike(constants: PerfConstants) -> None:
    """Two offers far from their targets do not make a division by zero."""
    stakes = [stake(point(16), margin) for margin in (-9.0, 9.0)]
    assert list(weights_of(stakes, constants)) == [0.5, 0.5]


@pytest.mark.parametrize("ranks", [1, 4])
def test_the_ranks_at_stake_are_measured(constants: PerfConstants, ranks: int) -> None:
    """A decision about four cards asks for a point on four cards, one about one card for one."""
    found = advise_for([stake(point(16, ranks=ranks))], OFFERED, (), constants, 1)
    assert OFFERED[found.chosen[0]].served.tensor_parallel == ranks


def test_measuring_never_makes_less_sure(constants: PerfConstants) -> None:
    """What is expected after is at most what is known before, for TPOT and for TTFT."""
    stakes = [stake(point(16)), stake(point(64), None), stake(point(16, 4096), first=True)]
    found = advise_for(stakes, OFFERED, (), constants, 3)
    assert len(set(found.chosen)) == 3
    assert all(after <= before for before, after in zip(found.before, found.after, strict=True))
    assert found.after[0] < found.before[0]


def test_points_known_already_are_not_asked_for(constants: PerfConstants) -> None:
    """One new point, one update: the next advice is another point."""
    stakes = [stake(point(16))]
    first = OFFERED[advise_for(stakes, OFFERED, (), constants, 1).chosen[0]]
    seen = replace(first, tpot_seconds=tpot_as_measured(first, constants))
    then = advise_for(stakes, OFFERED, (seen,), constants, 1)
    assert OFFERED[then.chosen[0]] is not first


@given(st.floats(-1, 1), st.floats(0.05, 0.5), st.floats(0.01, 1.0))
def test_a_chance_lies_between_the_sure_and_the_blind(
    margin: float, before: float, share: float
) -> None:
    """Measuring never makes a wrong judgement likelier, and a coin is the worst judge."""
    after = before * share
    wrong, now = chance_wrong(margin, before, after), chance_wrong(margin, before, before)
    assert -1e-9 <= wrong <= now + 1e-3
    assert now <= 0.5 + 1e-9


def test_the_chance_is_that_of_a_simulation() -> None:
    """Truth and expectation on different sides of the target, drawn 40,000 times."""
    draw = random.Random(7)  # noqa: S311 - a simulation
    margin, before, after = 0.05, 0.2, 0.12
    moved = (before**2 - after**2) ** 0.5
    wrong = 0
    for _ in range(40_000):
        expected = draw.gauss(margin, moved)
        wrong += (expected > 0) != (draw.gauss(expected, after) > 0)
    assert chance_wrong(margin, before, after) == pytest.approx(wrong / 40_000, abs=0.01)
