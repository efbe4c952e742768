"""``ModelDeployment``: a load and a latency target of one model, and what rightslice says of them.

The owner states what is asked; which card or slice, how many and with which flags is in the status.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from rightslice.core.catalog.question import Isolation
from rightslice.kube.admission.settings import Mode
from rightslice.kube.crd.condition import Condition
from rightslice.kube.crd.pod import PodSettings
from rightslice.kube.crd.shape import Rule, Shape, written
from rightslice.kube.crd.texts import (
    Confidence,
    Duration,
    Name,
    Percentile,
    Rate,
    Share,
    TokenLengths,
)
from rightslice.kube.relayout.step import LayoutStep
from rightslice.kube.repack.step import MoveStep


@dataclass(frozen=True, kw_only=True)
class Load:
    """How much is asked at once, or a second, of all replicas together."""

    __rules__: ClassVar[tuple[Rule, ...]] = (
        Rule(
            holds="has(self.concurrency) != has(self.rate)",
            message="give either concurrency, as in 64 clients that each wait for their answer, or"
            " rate, as in 5/s",
        ),
    )

    concurrency: Annotated[int, Shape(least=1, most=1_000_000)] | None = None
    """Clients that each send their next request when the last has ended."""
    rate: Rate | None = None
    """Requests that arrive, whatever the server does."""


@dataclass(frozen=True, kw_only=True)
class LatencyTarget:
    """Latency targets. TPOT is held in the mean and TTFT at p95 unless a percentile is given."""

    __rules__: ClassVar[tuple[Rule, ...]] = (
        Rule(
            holds="has(self.tpot) || has(self.ttft)",
            message="give a target: tpot (time per output token), as in 30ms, or ttft (time to the"
            " first token), as in 500ms",
        ),
    )

    tpot: Duration | None = None
    """Time per output token."""
    ttft: Duration | None = None
    """Time to the first token."""
    percentile: Percentile | None = None
    """The percentile at which both targets hold."""


@dataclass(frozen=True, kw_only=True)
class Replicas:
    """Fewest and most servers that share the load."""

    __rules__: ClassVar[tuple[Rule, ...]] = (
        Rule(
            holds="self.min <= self.max", message="min must be at most max; raise max or lower min"
        ),
    )

    min: Annotated[int, Shape(least=1, most=1000)] = 1
    """Servers that are always there: never fewer are ready because of a change made here."""
    max: Annotated[int, Shape(least=1, most=1000)] = 1
    """Servers that the load may be spread over."""


_OURS = "port|host|model|served-model-name|tensor-parallel-size|pipeline-parallel-size"


@dataclass(frozen=True, kw_only=True)
class Engine:
    """The serving engine: vLLM."""

    version: (
        Annotated[
            str,
            Shape(
                longest=24,
                rules=(
                    written(
                        "v?[0-9]+[.][0-9]+([.][0-9]+)?", "must be a vLLM release, as in 0.19.0"
                    ),
                ),
            ),
        ]
        | None
    ) = None
    """Absent: the newest that the catalogue knows."""
    image: Annotated[str, Shape(longest=512)] | None = None
    """Absent: vLLM's own image of the release."""
    flags: Annotated[
        tuple[str, ...],
        Shape(
            longest=32,
            each=(
                written(
                    "--[a-z0-9][-a-z0-9]*(=.*)?",
                    "must be one flag with its value, as in --max-model-len=8192",
                ),
                Rule(
                    holds=f"!self.matches('^--({_OURS})(=.*)?$')",
                    message="is set by rightslice: leave it out (parallelism is chosen with the"
                    " offer)",
                ),
            ),
        ),
    ] = ()
    """Flags of `vllm serve` that stay as they are; what is not given is sized to the load."""


@dataclass(frozen=True, kw_only=True)
class ModelDeploymentSpec:
    """A model to serve, its load and its targets."""

    __rules__: ClassVar[tuple[Rule, ...]] = (
        Rule(
            holds="self.model == oldSelf.model",
            message="model cannot change: another model is another service; make a ModelDeployment"
            " beside it",
        ),
    )

    model: Name
    """The Model that is served, of the same namespace."""
    load: Load
    """What is asked of all replicas together."""
    input: TokenLengths
    """Prompt tokens of a request: ``512``, ``uniform(100,900)``, ``lognormal(512,1.0)``."""
    output: TokenLengths
    """Generated tokens of a request, in the same forms."""
    prefix_cache_hit: Share = "0%"
    """Share of prompt tokens found in the prefix cache."""
    slo: LatencyTarget
    """Latency targets."""
    replicas: Replicas = field(default_factory=Replicas)
    """How many servers may share the load."""
    priority: Annotated[int, Shape(least=-1_000_000, most=1_000_000)] = 0
    """Larger is served first when slices are short."""
    isolation: Isolation = Isolation.HARDWARE
    """``hardware``: whole cards and MIG slices only; ``none``: shared cards will do."""
    confidence: Confidence = "90%"
    """Chance that the offer holds the load."""
    engine: Engine = field(default_factory=Engine)
    """vLLM's release and flags."""
    pod: PodSettings = field(default_factory=PodSettings)
    """What its pods have beside the engine."""
    mode: Mode = Mode.ADVISE
    """``advise``: the status says what should run; ``enforce``: it runs; ``off``: neither."""


@dataclass(frozen=True, kw_only=True)
class PredictedLatency:
    """A predicted latency with the band that it lies in nine times of ten."""

    of: Annotated[str, Shape(longest=24)]
    """``mean TPOT``, ``p95 TTFT``."""
    expected: Annotated[str, Shape(longest=24)]
    """The best guess."""
    low: Annotated[str, Shape(longest=24)]
    """Lower end of the 90 % band."""
    high: Annotated[str, Shape(longest=24)]
    """Upper end of the 90 % band."""
    target: Annotated[str, Shape(longest=24)] | None = None
    """What was asked for."""


@dataclass(frozen=True, kw_only=True)
class RefusedOffer:
    """An offer that would cost less, and why it was not taken."""

    offer: Annotated[str, Shape(longest=253)]
    """Its name."""
    usd_per_hour: Annotated[str, Shape(longest=24)] | None = None
    """One replica's price, where it is known."""
    reason: Annotated[str, Shape(longest=1024)]
    """What it falls short by, in numbers."""
    remedy: Annotated[str, Shape(longest=512)]
    """The smallest change that would turn it."""


@dataclass(frozen=True, kw_only=True)
class OfferStatus:
    """One way to run the model: what each replica holds, and how many there are."""

    offer: Annotated[str, Shape(longest=253)]
    """``A100-SXM-40GB 2g.10gb``."""
    resource: Annotated[str, Shape(longest=253)]
    """The extended resource that a pod asks for; under DRA its claim, ``resourceclaim:2g.10gb``."""
    count: int
    """How many of it a pod asks for."""
    replicas: int
    """Servers that hold the load together."""
    usd_per_hour: Annotated[str, Shape(longest=24)] | None = None
    """All replicas together; absent where no price is known."""
    revision: Annotated[str, Shape(longest=16)] = ""
    """Changes when the pods have to be made anew."""


@dataclass(frozen=True, kw_only=True)
class RecommendationStatus:
    """What the load needs, with the numbers that it rests on."""

    offer: OfferStatus
    """The cheapest that holds the load and can be had."""
    flags: Annotated[tuple[str, ...], Shape(longest=64)] = ()
    """Arguments of `vllm serve`."""
    latency: Annotated[tuple[PredictedLatency, ...], Shape(longest=4)] = ()
    """Predicted at the stated load."""
    headroom: Annotated[str, Shape(longest=8)] = ""
    """Room to the nearest target."""
    because: Annotated[str, Shape(longest=1024)] = ""
    """Why this one, in a sentence."""
    refused: Annotated[tuple[RefusedOffer, ...], Shape(longest=16)] = ()
    """Cheaper offers, the nearest first."""
    assumed: Annotated[tuple[str, ...], Shape(longest=32)] = ()
    """What was taken for granted because nobody said it."""


@dataclass(frozen=True, kw_only=True)
class Lowering:
    """A cheaper offer that would do since then, and is waited for: loads come back."""

    offer: Annotated[str, Shape(longest=253)]
    """What would do."""
    since: Annotated[str, Shape(longest=40)]
    """Since when it would, without a break."""


@dataclass(frozen=True, kw_only=True)
class LayoutChange:
    """A change of how cards are cut, made so that the load gets what it needs."""

    step: LayoutStep
    """How far it has come."""
    node: Annotated[str, Shape(longest=253)] = ""
    """Which node; absent where none will do."""
    former: Annotated[str, Shape(longest=253)] = ""
    """The layout before: the value of ``nvidia.com/mig.config``."""
    wanted: Annotated[str, Shape(longest=253)] = ""
    """The layout that is made, in the same words."""
    since: Annotated[str, Shape(longest=40)] = ""
    """When this step was reached."""
    message: Annotated[str, Shape(longest=2048)] = ""
    """What is done and why; where nothing helps: each node's reason, and what would help."""


@dataclass(frozen=True, kw_only=True)
class PodMove:
    """A pod that is moved to another card under DRA, so that its own comes free."""

    step: MoveStep
    """How far it has come."""
    pod: Annotated[str, Shape(longest=253)] = ""
    """Which one."""
    former: Annotated[str, Shape(longest=253)] = ""
    """UUID of the card that it leaves."""
    wanted: Annotated[str, Shape(longest=253)] = ""
    """UUID of the card that it goes to."""
    since: Annotated[str, Shape(longest=40)] = ""
    """When this step was reached."""
    message: Annotated[str, Shape(longest=1024)] = ""
    """What it is for, and what it waits for."""


@dataclass(frozen=True, kw_only=True)
class ModelDeploymentStatus:
    """What rightslice says of a ModelDeployment, and what runs."""

    observed_generation: int = 0
    """The generation of the spec that the rest speaks of."""
    replicas: int = 0
    """Pods of all its Deployments."""
    ready_replicas: int = 0
    """Of them, those that serve."""
    guaranteed_replicas: int = 0
    """Pods of the guaranteed part. The scale subresource speaks of that part alone: what is asked
    of it is ``replicas.min``."""
    selector: Annotated[str, Shape(longest=512)] = ""
    """Labels of these pods, for the scale subresource."""
    current: OfferStatus | None = None
    """What runs now; absent while nothing does."""
    proposed: OfferStatus | None = None
    """What should run instead; absent where that is what runs."""
    recommendation: RecommendationStatus | None = None
    """What the load needs, and why."""
    lowering: Lowering | None = None
    """A cheaper offer that would do, and since when."""
    waiting_for: Annotated[tuple[str, ...], Shape(longest=8)] = ()
    """What it waits for."""
    layout_change: LayoutChange | None = None
    """A node that is cut anew for it, or would be; absent where nothing of the kind is needed."""
    move: PodMove | None = None
    """The last move of one of its pods to another card; absent where none was moved."""
    conditions: Annotated[tuple[Condition, ...], Shape(longest=8, key="type")] = ()
    """``Accepted``, ``Recommended``, ``Available`` and ``Settled``."""
