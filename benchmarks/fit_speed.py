"""Time of one `fit` over every board, slice and group of the market, beside brute force.

.venv/bin/python benchmarks/fit_speed.py [--rounds N] [--questions N]

Offers: every board and slice at the lowest price of some cloud, and the same of every board as
cards of one's own. Flags are swept on each. Cold: a question not asked before, numpy loaded.
Repeated: asked again, with the same list of offers, and with an equal list made anew. One by one:
the plain way, a trial after another, whose answer must be the same, to the last word of every
offer. Processor time of one process on one core, the best of several rounds: others only add.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.question import Question
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.traffic import ClosedLoop, Load, OpenLoop, Slo, Traffic
from rightslice.core.fit.answers import Answers
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.fit.market import unpriced_offers
from rightslice.core.fit.recommend import recommend
from rightslice.core.fit.result import Offer, Recommendation
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import fitted_constants
from rightslice.entry.cli.offers import read_offers
from rightslice.records import to_json

MODELS: Final = (
    "facebook/opt-1.3b", "meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-70B-Instruct",
    "mistralai/Mixtral-8x7B-v0.1",
)  # fmt: skip
LOADS: Final[tuple[tuple[str, Load], ...]] = (
    ("32 clients", ClosedLoop(concurrency=32)),
    ("10 requests/s", OpenLoop(requests_per_second=10)),
)
INPUT, OUTPUT = Lengths.fixed(1024), Lengths.fixed(128)
SLO: Final = Slo(tpot_seconds=0.03, ttft_seconds=0.5)
ONE_BY_ONE: Final = 10**9
AIM_COLD: Final = 20.0
AIM_REPEATED: Final = 0.2


def offers_of(catalog: Catalog) -> tuple[Offer, ...]:
    """Return every offer: of the market, and of every board without a price."""
    own = (unpriced_offers(gpu) for gpu in catalog.gpus() if gpu.memory_bytes)
    return (*read_offers(None, catalog, {}), *(offer for board in own for offer in board))


def milliseconds(work: Callable[[], object], rounds: int) -> float:
    """Return the processor time of the fastest of *rounds* calls."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best * 1e3


def asked(catalog: Catalog, model: str, load: Load, **changes: object) -> Question:
    """Return the question that is timed."""
    question = Question(
        model=catalog.model(model),
        engine=catalog.engine(None),
        server=ServerConfig(),
        traffic=Traffic(load=load, input=INPUT, output=OUTPUT),
        slo=SLO,
    )
    return replace(question, **changes)  # type: ignore[arg-type]  # fields of several types


def measure(
    name: str, question: Question, offers: Sequence[Offer], constants: FittedConstants, rounds: int
) -> None:
    """Print one line: cold, repeated in two ways, one by one, and their ratio."""
    answers = Answers(constants)
    answers.recommend(question, offers)
    anew = [replace(offer) for offer in offers]

    def cold(few: int) -> Callable[[], Recommendation]:
        return lambda: recommend(question, offers, constants, few=few)

    arrays = milliseconds(cold(0), rounds)
    same = milliseconds(lambda: answers.recommend(replace(question), offers), 10 * rounds)
    equal = milliseconds(lambda: answers.recommend(replace(question), anew), 10 * rounds)
    single = milliseconds(cold(ONE_BY_ONE), max(rounds // 5, 1))
    print(
        f"{name:58}{arrays:8.1f} ms{same:8.3f} ms{equal:8.3f} ms{single:9.0f} ms"
        f"{single / arrays:7.0f}x"
    )


def compare(
    catalog: Catalog, offers: Sequence[Offer], constants: FittedConstants, count: int
) -> None:
    """Print in how many of *count* drawn questions brute force gives the same JSON."""
    draw, same = random.Random(0), 0  # noqa: S311 - a repeatable sample, not a secret
    tpots, ttfts = (0.02, 0.05, 0.1), (0.5, 2.0)
    names = [str(model.name) for model in catalog.models()]
    for _ in range(count):
        clients, rate = draw.choice((1, 8, 64, 300)), draw.choice((0.1, 1.0, 20.0))
        load: Load = ClosedLoop(concurrency=clients)
        if draw.random() < 0.5:
            load = OpenLoop(requests_per_second=rate)
        question = asked(
            catalog, draw.choice(names), load,
            max_replicas=draw.choice((1, 4)), confidence=draw.choice((0.5, 0.9)),
            slo=Slo(tpot_seconds=draw.choice(tpots), ttft_seconds=draw.choice(ttfts)),
        )  # fmt: skip
        some = draw.sample(list(offers), 40)
        one, other = (recommend(question, some, constants, few=n) for n in (0, ONE_BY_ONE))
        same += to_json(one) == to_json(other)
    print(f"\n{same} of {count} drawn questions over 40 offers each: the same JSON as one by one")


def main() -> None:
    """Print every time beside its aim."""
    parser = argparse.ArgumentParser(description="Speed of fit")
    parser.add_argument("--rounds", type=int, default=10, help="rounds, of which the best counts")
    parser.add_argument("--questions", type=int, default=10, help="drawn, compared word by word")
    arguments = parser.parse_args()
    catalog, constants = Catalog(), fitted_constants()
    offers = offers_of(catalog)
    first = milliseconds(
        lambda: recommend(asked(catalog, MODELS[0], LOADS[0][1]), offers, constants), 1
    )
    print(f"{len(offers)} offers; the very first question, numpy loaded on the way: {first:.0f} ms")
    print(
        f"{'':58}{'cold':>11}{'again':>11}{'equal':>11}{'one by one':>12}{'':>8}\n"
        f"{'aims':58}{AIM_COLD:8.1f} ms{AIM_REPEATED:8.3f} ms"
    )
    for model in MODELS:
        for load, value in LOADS:
            name = f"{model.partition('/')[2]}, {load}"
            measure(name, asked(catalog, model, value), offers, constants, arguments.rounds)
    for name, changes in (
        ("Llama-3.1-8B-Instruct, 10 requests/s, 1 to 4 replicas", {"max_replicas": 4}),
        ("Llama-3.1-8B-Instruct, 10 requests/s, KV cache fp8 too", {"kv_cache_dtypes": ("fp8",)}),
    ):
        question = asked(catalog, MODELS[1], LOADS[1][1], **changes)
        measure(name, question, offers, constants, arguments.rounds)
    compare(catalog, offers, constants, arguments.questions)


if __name__ == "__main__":
    main()
