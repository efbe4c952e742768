"""A sized server to predict for: Llama-3.1-8B on a whole H100 or a slice of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive, MigSlice
from rightslice.core.catalog.traffic import ClosedLoop, OpenLoop, Traffic
from rightslice.core.perf.result import PerfConstants
from rightslice.core.sizing.memory import size
from rightslice.core.sizing.result import Sizing
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.memory_coefficients import memory_coefficients

Server = Callable[..., Sizing]
Load = Callable[..., Traffic]


@pytest.fixture(scope="session")
def constants() -> PerfConstants:
    """Round figures: tests of behaviour must not move with a refit."""
    return PerfConstants(
        era="2026",
        overhead_seconds_per_layer=60e-6,
        eager_factor=2.0,
        weight_ratio=1.05,
        kv_ratio=1.0,
        compute_ratio=1.0,
        prefill_ratio=1.8,
        all_reduce_seconds=5e-6,
        all_reduce_pcie_seconds=50e-6,
        host_seconds_per_sequence=2e-6,
        ttft_seconds=0.01,
        ttft_seconds_per_layer=0.0,
        log_sd_tpot=0.2,
        log_sd_ttft=0.5,
        log_sd_host=0.3,
        log_sd_slice=0.1,
        log_sd_shared=0.3,
        log_sd_new_gpu=0.15,
        fitted_gpus=("H100-SXM-80GB",),
        source="round figures",
    )


@pytest.fixture(scope="session")
def server() -> Server:
    """Build the sizing of a server."""
    catalog = Catalog()

    def build(
        model: str = "meta-llama/Llama-3.1-8B-Instruct",
        gpu: str = "H100-SXM-80GB",
        profile: str | None = None,
        **flags: object,
    ) -> Sizing:
        share = Exclusive() if profile is None else MigSlice(profile=ProfileName(profile))
        return size(
            catalog.model(model),
            device_of(catalog.gpu(gpu), share),
            ServerConfig(**flags),  # type: ignore[arg-type]  # flags of every type, checked there
            engine=catalog.engine("0.19.0"),
            coefficients=memory_coefficients(),
        )

    return build


@pytest.fixture(scope="session")
def load() -> Load:
    """Build a traffic of fixed lengths: a whole number of clients, or a rate as a float."""

    def build(amount: float, inputs: int = 512, outputs: int = 128) -> Traffic:
        return Traffic(
            load=ClosedLoop(concurrency=amount)
            if isinstance(amount, int)
            else OpenLoop(requests_per_second=amount),
            input=Lengths.fixed(inputs),
            output=Lengths.fixed(outputs),
        )

    return build
