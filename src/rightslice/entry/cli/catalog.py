"""`rightslice catalog`: the facts that every answer rests on, with source and date of each."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Annotated

import typer

from rightslice.edge.catalog_files import Catalog
from rightslice.entry.cli.console import Output, OutputOption, print_json

NameArgument = Annotated[
    str | None, typer.Argument(metavar="NAME", help="One entry, with all that is known of it.")
]

verbs = typer.Typer(invoke_without_command=True)


@verbs.callback()
def _root(context: typer.Context) -> None:
    """The facts: GPUs, MIG profiles, models, vLLM releases, instance types.

    Example: rightslice catalog gpus H100-80GB
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.add_typer(verbs, name="catalog")


@verbs.command()
def gpus(name: NameArgument = None, output: OutputOption = Output.TABLE) -> None:
    """GPU boards: memory as CUDA reports it, bandwidth, dense compute, SMs, links, power."""
    catalog = Catalog()
    if name is not None:
        gpu = catalog.gpu(name)
        _show(gpu, output, lambda: _tables().print_gpu(gpu))
    else:
        boards = catalog.gpus()
        _show(boards, output, lambda: _tables().print_gpus(boards))


@verbs.command()
def mig(name: NameArgument = None, output: OutputOption = Output.TABLE) -> None:
    """MIG GPUs and their profiles: memory, SMs, legal starts, engines."""
    catalog = Catalog()
    if name is not None:
        grid = catalog.mig_gpu(name)
        _show(grid, output, lambda: _tables().print_grid(grid))
    else:
        grids = catalog.mig_gpus()
        _show(grids, output, lambda: _tables().print_grids(grids, catalog.gpus()))


@verbs.command()
def models(name: NameArgument = None, output: OutputOption = Output.TABLE) -> None:
    """Models: found by Hugging Face id, short name or the path of a config.json."""
    catalog = Catalog()
    if name is not None:
        model = catalog.model(name)
        _show(model, output, lambda: _tables().print_facts(str(model.name), model))
    else:
        entries = catalog.models()
        _show(entries, output, lambda: _tables().print_models(entries))


@verbs.command()
def engines(name: NameArgument = None, output: OutputOption = Output.TABLE) -> None:
    """Releases of vLLM: defaults and memory bookkeeping of each range that behaves alike."""
    catalog = Catalog()
    if name is not None:
        release = catalog.engine(name)
        _show(release, output, lambda: _tables().print_facts(f"vLLM {release.version}", release))
    else:
        releases = catalog.engines()
        _show(releases, output, lambda: _tables().print_engines(releases, catalog.engine(None)))


@verbs.command()
def instances(name: NameArgument = None, output: OutputOption = Output.TABLE) -> None:
    """Instance types: GPUs, vCPUs, memory, EFA, and prices with their dates."""
    catalog = Catalog()
    if name is not None:
        instance = catalog.instance(name)
        held = tuple(price for price in catalog.prices() if price.item == instance.name)
        _show(
            {"instance": instance, "prices": held},
            output,
            lambda: _tables().print_instance(instance, held),
        )
    else:
        types = catalog.instances()
        _show(types, output, lambda: _tables().print_instances(types, catalog.price))


def _show(value: object, output: Output, table: Callable[[], None]) -> None:
    if output is Output.JSON:
        print_json(value)
    else:
        table()


def _tables() -> ModuleType:
    from rightslice.entry.cli import catalog_tables  # noqa: PLC0415 - rich loads where it is used

    return catalog_tables
