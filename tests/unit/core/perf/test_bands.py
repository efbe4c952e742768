"""Bands keep the order of devices: what has more of everything is promised no worse."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from rightslice.core.catalog.device import Device, device_of
from rightslice.core.catalog.gpu import Gpu
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.share import Exclusive, MigSlice, Share
from rightslice.core.catalog.traffic import ClosedLoop, Traffic
from rightslice.core.perf.bands import dominates, doubt_on
from rightslice.core.perf.rates import Schedule
from rightslice.core.perf.sweep import clients
from rightslice.core.perf.tables import Server, points, servers_of, shapes_of
from rightslice.core.perf.work import ServedAs, work_of
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.perf_constants import load_constants

CATALOG = Catalog()
BOARDS = [gpu for gpu in CATALOG.gpus() if gpu.memory_bytes and gpu.bandwidth_bytes_per_second]


def devices(gpu: Gpu) -> list[Device]:
    """Return a board whole and in its slices: shares without isolation are less sure by design."""
    profiles = () if gpu.mig is None else gpu.mig.profiles
    slices = [MigSlice(profile=p.name) for p in profiles if p.memory_bytes and p.sms]
    shares: list[Share] = [Exclusive(), *slices]
    return [d for share in shares if (d := device_of(gpu, share)).flops]


@pytest.mark.parametrize("model", ["meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen3-30B-A3B"])
@pytest.mark.parametrize("era", sorted(era for era in load_constants() if era.isdigit()))
def test_what_has_more_of_everything_has_no_higher_upper_band(era: str, model: str) -> None:
    """Of all boards and slices none that dominates another has a higher upper end of TPOT."""
    parts = [device for gpu in BOARDS for device in devices(gpu)]
    served = ServedAs()
    work = work_of(CATALOG.model(model), served)
    schedule = Schedule(work=work, chunk_tokens=2048)
    table = servers_of([Server(d, served, schedule, load_constants()[era]) for d in parts])
    traffic = Traffic(
        load=ClosedLoop(concurrency=1), input=Lengths.fixed(900), output=Lengths.fixed(200)
    )
    rows = points(table, shapes_of(work, [traffic]), np.full(len(parts), 256.0))
    ordered = [
        (one, other)
        for one, other in permutations(range(len(parts)), 2)
        if dominates(parts[one], parts[other])
    ]
    assert len(ordered) > 4_000
    more, less = np.array(ordered).T
    for load in (1, 8, 32, 200):
        upper = np.asarray(clients(rows, np.full(len(parts), load)).band()[0][1])
        assert np.all(upper[more] <= upper[less] * (1 + 1e-9))


def test_what_was_not_measured_is_doubted_once() -> None:
    """A slice of a board without rows is as sure as a slice of one with rows."""
    constants = load_constants()["2026"]
    known, new = CATALOG.gpu("B200"), CATALOG.gpu("H100")
    assert str(new.name) not in constants.fitted_gpus
    one, other = (
        device_of(gpu, MigSlice(profile=gpu.mig.profiles[0].name))
        for gpu in (known, new)
        if gpu.mig
    )
    assert doubt_on(one, constants) == doubt_on(other, constants)


@pytest.mark.parametrize("era", sorted(era for era in load_constants() if era.isdigit()))
@pytest.mark.parametrize("gpu", BOARDS, ids=lambda gpu: str(gpu.name))
def test_a_larger_part_of_a_board_has_no_higher_upper_band(gpu: Gpu, era: str) -> None:
    """On one board no part that dominates another has a higher upper end of TPOT, at any load."""
    served = ServedAs()
    work = work_of(CATALOG.model("meta-llama/Llama-3.1-8B-Instruct"), served)
    schedule = Schedule(work=work, chunk_tokens=2048)
    parts = devices(gpu)
    if not parts:
        return
    table = servers_of([Server(d, served, schedule, load_constants()[era]) for d in parts])
    traffic = Traffic(
        load=ClosedLoop(concurrency=1), input=Lengths.fixed(900), output=Lengths.fixed(200)
    )
    rows = points(table, shapes_of(work, [traffic]), np.full(len(parts), 256.0))
    for load in (1, 32, 200):
        upper = clients(rows, np.full(len(parts), load)).band()[0][1]
        for one, other in permutations(range(len(parts)), 2):
            if dominates(parts[one], parts[other]):
                assert upper[one] <= upper[other] * (1 + 1e-9)
