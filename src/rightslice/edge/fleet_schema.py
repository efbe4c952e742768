"""The fleet file as people write it (kind ``Fleet``), field by field.

These are the shapes that msgspec checks and describes as a JSON Schema; `fleet_file` turns them
into the core's values. Quantities are text with units, as in Kubernetes files.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

API_VERSION: Final = "rightslice.dev/v1alpha1"

Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
        description="Lower-case letters, digits and dashes, as Kubernetes wants names.",
        examples=["granite-search"],
    ),
]
Count = Annotated[int, Meta(ge=1, le=100_000)]
Tokens = Annotated[int, Meta(ge=1, le=100_000_000)]
Share = Annotated[float, Meta(gt=0, le=1)]
Clients = Annotated[int, Meta(ge=1, le=1_000_000)]
Quantity = str | int | float


class _Shape(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Unknown fields are errors: a misspelt one must not be lost silently."""


class Metadata(_Shape, frozen=True, kw_only=True):
    """Names the fleet."""

    name: Name


class Gpus(_Shape, frozen=True, kw_only=True):
    """Cards of a node that is no known instance type."""

    model: Annotated[str, Meta(description="Board name or alias.", examples=["A100-SXM-40GB"])]
    count: Annotated[Count, Meta(description="Cards of one node.")]
    memory: Annotated[
        str | None, Meta(description="Memory that CUDA reports.", examples=["39.38GiB"])
    ] = None


class TimeSlicing(_Shape, frozen=True, kw_only=True):
    """The device plugin's time-slicing configuration of a node."""

    replicas: Annotated[int, Meta(description="Turns that a card is handed out in.", ge=2, le=64)]


class Mps(_Shape, frozen=True, kw_only=True):
    """The device plugin's MPS configuration of a node."""

    replicas: Annotated[
        int, Meta(description="Clients that a card is handed out to, in equal parts.", ge=2, le=48)
    ]


class Node(_Shape, frozen=True, kw_only=True):
    """A group of nodes of one kind."""

    name: Name
    count: Annotated[Count, Meta(description="Nodes in the group.")] = 1
    instance_type: Annotated[
        str | None, Meta(description="Cloud instance type.", examples=["p4d.24xlarge"])
    ] = None
    gpus: Annotated[
        Gpus | None, Meta(description="Cards of a node, when it is no known instance type.")
    ] = None
    vcpus: Annotated[
        Count | None, Meta(description="vCPUs of one node; an instance type knows its own.")
    ] = None
    memory: Annotated[str | None, Meta(description="RAM of one node.", examples=["1152GiB"])] = None
    mig: Annotated[
        Literal["none", "single", "mixed"],
        Meta(description="mig.strategy: cards whole, one profile a node, or any layout a card."),
    ] = "none"
    time_slicing: Annotated[
        TimeSlicing | None, Meta(description="Every card is handed out in equal turns.")
    ] = None
    mps: Annotated[
        Mps | None,
        Meta(description="Every card is handed out in equal parts of memory and threads."),
    ] = None
    region: Annotated[
        str | None,
        Meta(description="Where the price is looked up; the cloud's home region if absent."),
    ] = None
    capacity_type: Annotated[
        Literal["on-demand", "spot"], Meta(description="How the nodes are bought.")
    ] = "on-demand"


class Quota(_Shape, frozen=True, kw_only=True):
    """What a team may hold at once; what is not named is not limited."""

    gpus: Annotated[
        Quantity | None, Meta(description="Whole-card equivalents, slices by their price share.")
    ] = None
    usd_per_hour: Annotated[
        Quantity | None, Meta(description="Dollars per hour, at the list share of each slice.")
    ] = None
    resources: Annotated[
        dict[str, int],
        Meta(
            description="Counts by extended resource name.",
            examples=[{"nvidia.com/mig-1g.10gb": 4}],
        ),
    ] = {}


class Team(_Shape, frozen=True, kw_only=True):
    """A team and its quota."""

    name: Name
    quota: Annotated[Quota, Meta(description="What the team may hold at once.")] = Quota()


class Engine(_Shape, frozen=True, kw_only=True):
    """The serving engine."""

    name: Annotated[Literal["vllm"], Meta(description="The engine.")] = "vllm"
    version: Annotated[
        str | None, Meta(description="Release; the newest known if absent.", examples=["0.19.0"])
    ] = None


class Flags(_Shape, frozen=True, kw_only=True):
    """vLLM flags that are given; what is not given is chosen for the slice."""

    tensor_parallel_size: Annotated[
        Count | None, Meta(description="GPUs that share each layer; chosen if absent.")
    ] = None
    pipeline_parallel_size: Annotated[
        Count | None, Meta(description="GPUs that share the layers.")
    ] = None
    gpu_memory_utilization: Annotated[
        Share | None, Meta(description="Share of device memory that vLLM may take.")
    ] = None
    kv_cache_memory_bytes: Annotated[
        str | None, Meta(description="Size of the KV pool, fixed.")
    ] = None
    max_model_len: Annotated[Tokens | None, Meta(description="Longest context.")] = None
    max_num_seqs: Annotated[Count | None, Meta(description="Sequences that run at once.")] = None
    max_num_batched_tokens: Annotated[Tokens | None, Meta(description="Tokens of one step.")] = None
    dtype: Annotated[
        Literal["auto", "half", "float16", "bfloat16", "float", "float32"] | None,
        Meta(description="Format of weights that are not quantized."),
    ] = None
    quantization: Annotated[str | None, Meta(description="Run-time quantization, such as fp8.")] = (
        None
    )
    kv_cache_dtype: Annotated[
        Literal["auto", "fp8", "fp8_e4m3", "fp8_e5m2"] | None,
        Meta(description="Format of the KV cache."),
    ] = None
    enforce_eager: Annotated[bool, Meta(description="No CUDA graphs.")] = False
    block_size: Annotated[Count | None, Meta(description="Tokens a KV block.")] = None


class Load(_Shape, frozen=True, kw_only=True):
    """Either so many clients at once, or a request rate."""

    concurrency: Annotated[
        Clients | None,
        Meta(description="Clients that each send the next request when the last one ended."),
    ] = None
    rate: Annotated[
        str | None,
        Meta(
            description="Requests that arrive, whatever the server does.",
            examples=["5/s", "300/min"],
        ),
    ] = None


class Slo(_Shape, frozen=True, kw_only=True):
    """Latency targets: TPOT in the mean and TTFT at p95 unless a percentile is given."""

    tpot: Annotated[str | None, Meta(description="Time per output token.", examples=["30ms"])] = (
        None
    )
    ttft: Annotated[str | None, Meta(description="Time to first token.", examples=["500ms"])] = None
    tpot_percentile: Annotated[
        Quantity | None, Meta(description="50 to 99.9, or 'mean'.", examples=["mean", 95])
    ] = None
    ttft_percentile: Annotated[
        Quantity | None, Meta(description="50 to 99.9, or 'mean'; 95 if absent.")
    ] = None


class Replicas(_Shape, frozen=True, kw_only=True):
    """How few and how many servers."""

    min: Annotated[Count, Meta(description="Fewest servers.")] = 1
    max: Annotated[Count | None, Meta(description="Defaults to min.")] = None


class Workload(_Shape, frozen=True, kw_only=True):
    """A model to serve, its load and its target."""

    name: Name
    team: Name
    model: Annotated[
        str,
        Meta(
            description="Hugging Face id, short name, or path to a config.json.",
            examples=["ibm-granite/granite-7b-base"],
        ),
    ]
    engine: Annotated[Engine, Meta(description="The serving engine and its release.")] = Engine()
    flags: Annotated[
        Flags, Meta(description="vLLM flags that are given; the rest is chosen for the slice.")
    ] = Flags()
    load: Annotated[Load, Meta(description="Clients at once, or requests a second.")]
    input: Annotated[
        Quantity,
        Meta(
            description="Prompt tokens: a number, uniform(a, b), lognormal(median, sigma), or a"
            " trace file.csv:Column.",
            examples=[512, "lognormal(512, 1.0)"],
        ),
    ]
    output: Annotated[Quantity, Meta(description="Generated tokens, in the same forms.")]
    prefix_cache_hit: Annotated[
        Quantity, Meta(description="Share of prompt tokens found in the prefix cache.")
    ] = 0
    slo: Annotated[Slo, Meta(description="Latency targets.")]
    replicas: Annotated[
        Replicas, Meta(description="Fewest and most servers that share the load.")
    ] = Replicas()
    priority: Annotated[
        int,
        Meta(
            description="Larger is served first when room or quota is short.",
            ge=-1_000_000_000,
            le=1_000_000_000,
        ),
    ] = 0
    cpu: Annotated[
        Quantity | None,
        Meta(
            description="CPU that each replica asks for; its slice's part of the node if absent.",
            examples=[4, "500m"],
        ),
    ] = None
    memory: Annotated[
        str | None, Meta(description="The same of the node's memory.", examples=["32GiB"])
    ] = None
    apart: Annotated[
        Literal["nothing", "gpu", "node"],
        Meta(description="What no two replicas may share: a hard rule."),
    ] = "nothing"
    prefer: Annotated[
        Literal["spread", "pack"] | None,
        Meta(
            description="Among equal costs: replicas on many nodes, or on few; if absent, spread"
            " over cards that are in use anyway."
        ),
    ] = None
    isolation: Annotated[
        Literal["hardware", "none"],
        Meta(description="hardware: whole cards and MIG slices only; none: shared cards too."),
    ] = "hardware"
    kv_cache_dtypes: Annotated[
        list[Literal["fp8"]],
        Meta(
            description="Formats that the KV cache may be kept in where 16 bit do not hold: twice"
            " the tokens, at some loss of precision. flags.kvCacheDtype asks for one outright."
        ),
    ] = []
    confidence: Annotated[
        Quantity | None,
        Meta(
            description="How sure its offer must be to hold; the fleet's if absent. Shared cards"
            " are taken at 50 % only."
        ),
    ] = None


class Reserve(_Shape, frozen=True, kw_only=True):
    """Slices that are cut and kept free: head-room for large profiles."""

    profile: Annotated[str, Meta(description="MIG profile.", examples=["7g.80gb"])]
    count: Annotated[int, Meta(description="How many.", ge=1, le=100)] = 1
    gpu: Annotated[
        str | None, Meta(description="On this board only; absent: on each that has the profile.")
    ] = None


class Spec(_Shape, frozen=True, kw_only=True):
    """The fleet's content."""

    confidence: Annotated[
        Quantity, Meta(description="How sure an offer must be to hold: 50 to 99.9 %.")
    ] = 0.9
    nodes: Annotated[list[Node], Meta(description="Groups of equal nodes.", min_length=1)]
    teams: Annotated[list[Team], Meta(description="Teams that workloads are charged to.")] = []
    workloads: Annotated[list[Workload], Meta(description="Models to serve.", min_length=1)]
    reserve: Annotated[
        list[Reserve], Meta(description="Head-room, kept free as far as workloads leave room.")
    ] = []


class FleetFile(_Shape, frozen=True, kw_only=True):
    """Nodes with GPUs, teams with quotas, and the models to serve on them."""

    api_version: Annotated[
        Literal["rightslice.dev/v1alpha1"], Meta(description="Version of this format.")
    ]
    kind: Annotated[Literal["Fleet"], Meta(description="Kind of this file.")]
    metadata: Annotated[Metadata, Meta(description="The fleet's name.")]
    spec: Annotated[Spec, Meta(description="Nodes, teams and workloads.")]


class OwnPrice(_Shape, frozen=True, kw_only=True):
    """One price of your own."""

    item: Annotated[
        str,
        Meta(
            description="A node group's name, an instance type, or a GPU (price of one card).",
            examples=["p4d.24xlarge", "A100-SXM-40GB"],
        ),
    ]
    usd_per_hour: Annotated[float, Meta(ge=0, le=1_000_000)] | str
    as_of: Annotated[str | None, Meta(description="ISO date.", examples=["2026-11-01"])] = None
    source: str = "your price file"


class PricesFile(_Shape, frozen=True, kw_only=True):
    """Prices that go before the catalogue's: on-prem, reserved or negotiated."""

    api_version: Literal["rightslice.dev/v1alpha1"]
    kind: Literal["Prices"]
    prices: list[OwnPrice]
