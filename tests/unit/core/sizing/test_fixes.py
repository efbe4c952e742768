"""Tests of the fewest changes and of the inverse."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.device import Device, device_of
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.model import Model
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import MigSlice
from rightslice.core.sizing.fixes import (
    largest_max_model_len,
    largest_max_num_seqs,
    smallest_fix,
)
from rightslice.core.sizing.kv_cache import sequences_that_fit
from rightslice.core.sizing.levers import Trial, levers
from rightslice.core.sizing.memory import size
from rightslice.core.sizing.result import Fits, Fix, Sizing
from rightslice.core.sizing.startup import Startup, startup_of
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.memory_coefficients import memory_coefficients
from rightslice.units import GIB

CATALOG = Catalog()
H100 = CATALOG.gpu("H100-SXM-80GB")
LLAMA = CATALOG.model("meta-llama/Llama-3.1-8B-Instruct")
ENGINE = CATALOG.engine("0.33.0")
KNOWN = memory_coefficients()


def piece(memory_bytes: int) -> Device:
    """Return a slice with this much memory."""
    share = MigSlice(profile=ProfileName("1g.20gb"))
    return device_of(H100, share, memory_bytes=memory_bytes)


def start(device: Device, server: ServerConfig, *, model: Model = LLAMA) -> Startup:
    """Return a start-up under the newest release."""
    return startup_of(model, device, server, engine=ENGINE, coefficients=KNOWN)


def sized(trial: Trial) -> Sizing:
    """Size what a lever made."""
    return size(trial.model, trial.device, trial.server, engine=ENGINE, coefficients=KNOWN)


def weakened(fix: Fix, trial: Trial, place: int) -> Sizing | None:
    """Return the sizing with one change pushed one step back; None at its first step."""
    every = {lever.flag: lever for lever in levers(sized(trial), ())}
    for index, change in enumerate(fix.changes):
        lever = every[change.flag]
        steps = [step for step, value in enumerate(lever.values) if value == change.value]
        if not steps:
            return None
        step = steps[0] - (1 if index == place else 0)
        trial = lever.put(trial, step) if step >= 0 else trial
    return sized(trial)


servers = st.builds(
    ServerConfig,
    max_model_len=st.integers(2048, 131072),
    max_num_seqs=st.none() | st.integers(16, 1024),
    gpu_memory_utilization=st.none() | st.floats(0.6, 0.95),
)


@settings(deadline=None, max_examples=60)
@given(server=servers, memory=st.integers(6 * GIB, 40 * GIB))
def test_a_fix_is_sufficient_and_minimal(server: ServerConfig, memory: int) -> None:
    """Applied, it fits; with one step less of any change, it does not."""
    trial = Trial(model=LLAMA, device=piece(memory), server=server)
    fix = smallest_fix(start(trial.device, server))
    if fix is None:
        return
    assert isinstance(fix.sizing.verdict, Fits)
    for place, change in enumerate(fix.changes):
        if change.flag == "gpu-memory-utilization":
            continue  # cuts both ways: minimal among its own steps, tested by the search itself
        weaker = weakened(fix, trial, place)
        assert weaker is None or not isinstance(weaker.verdict, Fits)


def test_what_fits_needs_no_fix() -> None:
    """A server that starts is left alone."""
    server = ServerConfig(max_model_len=4096)
    device = piece(40 * GIB)
    assert smallest_fix(start(device, server)) is None


def test_the_next_profile_is_offered() -> None:
    """With other devices at hand, a larger one is a change like any other."""
    model = CATALOG.model("meta-llama/Llama-3.1-70B-Instruct")
    small = start(piece(10 * GIB), ServerConfig(), model=model)
    fix = smallest_fix(small, [piece(78 * GIB)])
    assert fix is not None
    assert "profile" in {change.flag for change in fix.changes}


def test_longest_context_is_the_longest() -> None:
    """It starts, and one token more does not."""
    device, server = piece(20 * GIB), ServerConfig()
    longest = largest_max_model_len(start(device, server))
    assert longest is not None
    fits = [
        isinstance(
            sized(
                Trial(model=LLAMA, device=device, server=ServerConfig(max_model_len=length))
            ).verdict,
            Fits,
        )
        for length in (longest, longest + 1)
    ]
    assert fits == [True, False]


def test_most_sequences_are_held_by_the_pool() -> None:
    """That many full-length sequences fit the pool that their own sampling leaves."""
    device, server = piece(20 * GIB), ServerConfig(max_model_len=1024)
    most = largest_max_num_seqs(start(device, server))
    assert most is not None
    sizing = sized(Trial(model=LLAMA, device=device, server=replace(server, max_num_seqs=most)))
    assert sequences_that_fit(sizing, 1024) >= most


def test_neighbours_are_counted_in_fixes() -> None:
    """Beside a neighbour that holds half the device, less of it is asked for."""
    server = ServerConfig(max_model_len=4096)
    fix = smallest_fix(replace(start(piece(60 * GIB), server), neighbours_bytes=15 * GIB))
    assert fix is not None
    assert [change.flag for change in fix.changes] == ["gpu-memory-utilization"]
    assert isinstance(fix.sizing.verdict, Fits)
