"""``rightslice share``: a card alone, cut by MIG, by MPS or in turns, compared for one workload."""

from __future__ import annotations

from typing import Annotated

import typer

from rightslice.core.catalog.estimate import check_confidence
from rightslice.core.catalog.question import Isolation, Question
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.fit.sharing import advise_sharing
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import constants_with
from rightslice.edge.prices_file import read_prices
from rightslice.entry.cli.confidence import DEFAULT_CONFIDENCE, ConfidenceOption, ReplicasOption
from rightslice.entry.cli.console import Exit, Output, print_json
from rightslice.entry.cli.offers import read_shared_offers
from rightslice.entry.cli.options import (
    CalibrationsOption,
    ConcurrencyOption,
    EngineVersionOption,
    InputOption,
    ModelArgument,
    OutputsOption,
    PercentileOption,
    PrefixHitOption,
    PricesOption,
    RateOption,
    TpotOption,
    TtftOption,
    accepts_server_flags,
    named,
    read_outputs,
    read_slo,
    read_traffic,
)
from rightslice.errors import InputError
from rightslice.units import parse_bytes

BoardsOption = Annotated[
    str,
    typer.Option(
        "--offers", metavar="LIST", help="Boards or instance types at hand: L4,A100-40GB."
    ),
]
NeighboursOption = Annotated[
    int | None,
    typer.Option(
        "--neighbours",
        parser=named("--neighbours", parse_bytes),
        metavar="SIZE",
        help="Memory that other servers hold on a shared card: 12GiB.",
    ),
]
IsolationOption = Annotated[
    Isolation, typer.Option("--isolation", help="none: modes without isolation may be recommended.")
]


def register(app: typer.Typer) -> None:
    """Add the verb to *app*."""
    app.command("share")(accepts_server_flags(share))


def share(  # noqa: PLR0913 - one parameter an option
    *,
    model: ModelArgument,
    offers: BoardsOption,
    inputs: InputOption,
    output: OutputsOption,
    concurrency: ConcurrencyOption = None,
    rate: RateOption = None,
    tpot: TpotOption = None,
    ttft: TtftOption = None,
    percentile: PercentileOption = None,
    confidence: ConfidenceOption = None,
    max_replicas: ReplicasOption = 1,
    isolation: IsolationOption = Isolation.HARDWARE,
    neighbours: NeighboursOption = None,
    prefix_hit: PrefixHitOption = None,
    prices: PricesOption = None,
    engine_version: EngineVersionOption = None,
    calibrations: CalibrationsOption = None,
    server: ServerConfig,
) -> int:
    """Whether a load should have a card alone, a MIG slice, an MPS share or turns on it.

    Example: rightslice share opt-1.3b --offers L4 --input 99 --output 99 --rate 2/s --tpot 30ms
    """
    lengths, form = read_outputs(output)
    slo = read_slo(tpot, ttft, percentile)
    if slo is None:
        raise InputError("share needs a target: give --tpot, as in 30ms, or --ttft, as in 500ms")
    catalog = Catalog()
    question = Question(
        model=catalog.model(model),
        engine=catalog.engine(engine_version),
        server=server,
        tensor_parallel=server.tensor_parallel if server.tensor_parallel > 1 else None,
        traffic=read_traffic(inputs, lengths, concurrency, rate, prefix_hit),
        slo=slo,
        max_replicas=max_replicas,
        isolation=isolation,
        confidence=check_confidence(DEFAULT_CONFIDENCE if confidence is None else confidence),
    )
    own = {} if prices is None else read_prices(prices)
    answer = advise_sharing(
        question,
        read_shared_offers(offers, catalog, own),
        constants=constants_with(calibrations),
        neighbours_bytes=neighbours,
    )
    if form is Output.JSON:
        print_json(answer)
    else:
        from rightslice.entry.cli.share_tables import print_sharing  # noqa: PLC0415 - rich loads where it is used

        print_sharing(answer)
    return Exit.DONE if answer.recommended is not None else Exit.NO
