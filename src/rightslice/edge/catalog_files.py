"""The catalogue: every fact that ships with the package, read when it is first asked for.

A `Catalog` holds nothing; each table is parsed once a process. What the columns mean and where the
figures come from stands in `data/README.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.catalog.gpu import Gpu
from rightslice.core.catalog.instance import InstanceType, Price, PriceKind
from rightslice.core.catalog.mig import MigGrid
from rightslice.core.catalog.model import Model
from rightslice.edge import engine_table, gpu_table, instance_table, mig_table
from rightslice.errors import InputError

if TYPE_CHECKING:
    from rightslice.edge.huggingface.catalog import ModelEntry


class Catalog:
    """GPUs, MIG grids, models, engines, instance types and prices, by name."""

    def gpus(self) -> tuple[Gpu, ...]:
        """Return every GPU board."""
        return gpu_table.gpus()

    def gpu(self, name: str) -> Gpu:
        """Return the board called *name*, an alias or a cluster's product label.

        >>> Catalog().gpu("nvidia-h100-80gb-hbm3").name
        'H100-SXM-80GB'

        Raises:
            UnknownNameError: when there is none; near matches are named.
        """
        return gpu_table.find_gpu(name)

    def mig_gpus(self) -> tuple[MigGrid, ...]:
        """Return the grid of every GPU that has MIG; several boards may share one."""
        return tuple(mig_table.mig_grids().values())

    def mig_gpu(self, name: str) -> MigGrid:
        """Return the grid called *name*, or that of the board called *name*.

        Raises:
            UnknownNameError: when no GPU is called so; near matches are named.
            InputError: when the board has no MIG.
        """
        grids = {key.lower(): grid for key, grid in mig_table.mig_grids().items()}
        if name.strip().lower() in grids:
            return grids[name.strip().lower()]
        board = gpu_table.find_gpu(name)
        if board.mig is None:
            raise InputError(
                f"{name!r} ({board.name}) has no MIG; `catalog mig` lists the boards that have"
            )
        return board.mig

    def instances(self) -> tuple[InstanceType, ...]:
        """Return every instance type."""
        return instance_table.instances()

    def instance(self, name: str) -> InstanceType:
        """Return the instance type called *name*.

        Raises:
            UnknownNameError: when there is none; near matches are named.
        """
        return instance_table.find_instance(name)

    def prices(self) -> tuple[Price, ...]:
        """Return every price: on demand and spot, USD per hour, each with its date."""
        return instance_table.prices()

    def price(self, item: str, *, region: str | None, kind: PriceKind) -> Price | None:
        """Return the price of an instance type, or None when it is not known.

        Without a region: us-east-1, us-central1 or eastus. Where the zones of a region differ
        (AWS spot), the median zone, the dearer of the middle two.

        Raises:
            UnknownNameError: when there is no such instance type; near matches are named.
        """
        return instance_table.find_price(item, region=region, kind=kind)

    def engines(self) -> tuple[EngineRelease, ...]:
        """Return one vLLM release for every range that behaves alike, oldest first."""
        return engine_table.engines()

    def engine(self, version: str | None) -> EngineRelease:
        """Return what a vLLM release does; None or ``latest`` is the newest one known.

        >>> Catalog().engine("v0.6.3").generation
        'V0'

        Raises:
            InputError: when it is no version, or older or newer than the catalogue knows.
        """
        return engine_table.find_engine(version)

    def models(self) -> tuple[ModelEntry, ...]:
        """Return every model of the built-in table, by name; `model` builds one."""
        from rightslice.edge.huggingface import catalog  # noqa: PLC0415 - large, rarely needed

        return catalog.load_models()

    def model(self, name: str) -> Model:
        """Return the model called *name*: an id, a short name or a path to a config.json.

        Raises:
            UnknownNameError: when there is none; near matches are named.
            InputError: when the file is not a usable config.json.
        """
        from rightslice.edge.huggingface import catalog  # noqa: PLC0415 - large, rarely needed

        return catalog.find_model(name)
