"""``rightslice fit``: the smallest and cheapest offer that holds a load within its targets."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from rightslice.core.catalog.estimate import check_confidence
from rightslice.core.catalog.question import Isolation, Question
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import sharing_key
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.fit.fit import fit as fit_offers
from rightslice.core.fit.result import Recommendation
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import constants_with
from rightslice.edge.prices_file import read_prices
from rightslice.entry.cli.calibrations import Server, print_calibrations
from rightslice.entry.cli.clusters import ClusterOption, fitted_cluster
from rightslice.entry.cli.confidence import DEFAULT_CONFIDENCE, ConfidenceOption, ReplicasOption
from rightslice.entry.cli.console import Exit, Output, print_json
from rightslice.entry.cli.offers import read_offers, read_shared_offers
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
    read_outputs,
    read_slo,
    read_traffic,
)
from rightslice.errors import InputError
from rightslice.kube.snapshot.stock import ClusterFit

OffersOption = Annotated[
    str | None,
    typer.Option(
        "--offers",
        metavar="LIST",
        help="Boards, instance types or their slices: A100-40GB:2g.10gb,H100-80GB,p4d.24xlarge."
        " Every board with a known price if absent.",
    ),
]
IsolationOption = Annotated[
    Isolation,
    typer.Option("--isolation", help="none: MPS shares and time slices too, at --confidence 50%."),
]
AllowedCacheOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-kv-dtype",
        metavar="DTYPE",
        help="Format that the KV cache may be kept in where 16 bit do not hold: fp8.",
    ),
]
AllOption = Annotated[bool, typer.Option("--all", help="Show every offer, not the nearest ones.")]


def register(app: typer.Typer) -> None:
    """Add the verb to *app*."""
    app.command("fit")(accepts_server_flags(fit))


def fit(  # noqa: PLR0913 - one parameter an option
    *,
    model: ModelArgument,
    inputs: InputOption,
    output: OutputsOption,
    concurrency: ConcurrencyOption = None,
    rate: RateOption = None,
    tpot: TpotOption = None,
    ttft: TtftOption = None,
    percentile: PercentileOption = None,
    offers: OffersOption = None,
    cluster: ClusterOption = None,
    confidence: ConfidenceOption = None,
    max_replicas: ReplicasOption = 1,
    isolation: IsolationOption = Isolation.HARDWARE,
    prefix_hit: PrefixHitOption = None,
    allow_kv_dtype: AllowedCacheOption = None,
    prices: PricesOption = None,
    engine_version: EngineVersionOption = None,
    calibrations: CalibrationsOption = None,
    show_all: AllOption = False,
    server: ServerConfig,
) -> int:
    """The smallest and cheapest offer that holds a load, and why every other one was not taken.

    Example: rightslice fit opt-1.3b --input 128 --output 128 --concurrency 64 --tpot 30ms
    """
    lengths, form = read_outputs(output)
    slo = read_slo(tpot, ttft, percentile)
    if slo is None:
        raise InputError("fit needs a target: give --tpot, as in 30ms, or --ttft, as in 500ms")
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
        kv_cache_dtypes=tuple(allow_kv_dtype or ()),
    )
    own = {} if prices is None else read_prices(prices)
    constants = constants_with(calibrations)
    if cluster is not None:
        if offers is not None:
            raise InputError("--offers and --cluster: a cluster names its own offers; give one")
        found = fitted_cluster(question, cluster, own, constants)
        return _in_cluster(found, constants, form, show_all=show_all)
    read = read_shared_offers if isolation is Isolation.NONE else read_offers
    answer = fit_offers(question, read(offers, catalog, own), constants=constants)
    if form is Output.JSON:
        print_json(answer)
    else:
        _print(answer, constants, show_all=show_all)
    return Exit.DONE if answer.chosen is not None else Exit.NO


def _print(answer: Recommendation, constants: FittedConstants, *, show_all: bool) -> None:
    """Print the answer, and whose calibration it rests on."""
    from rightslice.entry.cli.fit_tables import print_recommendation  # noqa: PLC0415 - rich loads where it is used

    print_recommendation(answer, show_all=show_all)
    shown = answer.chosen or answer.best_effort
    if shown is None:
        return
    asked = Server(
        name="",
        model=answer.question.model,
        engine=answer.question.engine,
        gpu=str(shown.offer.device.gpu_name),
        sharing=sharing_key(shown.offer.device.share),
    )
    print_calibrations(constants, [asked], dt.datetime.now(tz=dt.UTC).date())


def _in_cluster(
    found: ClusterFit, constants: FittedConstants, form: Output, *, show_all: bool
) -> int:
    """Print the answer over what a cluster hands out."""
    if form is Output.JSON:
        print_json(found)
    else:
        from rightslice.entry.cli.cluster_tables import print_stock  # noqa: PLC0415 - rich loads where it is used

        _print(found.recommendation, constants, show_all=show_all)
        print_stock(found)
    return Exit.DONE if found.recommendation.chosen is not None else Exit.NO
