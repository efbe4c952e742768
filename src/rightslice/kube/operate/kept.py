"""Which of what runs serves as well as what would be made anew.

Flags follow the load; pods are made anew for them only when those that they have are too small.
"""

from __future__ import annotations

from collections.abc import Sequence

from rightslice.core.catalog.question import Question
from rightslice.core.catalog.traffic import ClosedLoop
from rightslice.kube.operate.objects import Rendered
from rightslice.kube.operate.offers import Choice
from rightslice.kube.operate.view import Part, Running, Served


def kept_deployment(
    served: Served, choice: Choice, question: Question, made: Rendered
) -> Running | None:
    """Return the Deployment that runs already and serves as well as a new one would."""
    for one in sorted(served.running, key=lambda one: (-one.ready, one.name)):
        offer = one.offer
        if one.replicas == 0 or one.part is not Part.GUARANTEED or offer is None:
            continue
        if one.is_drifted and one.revision != made.revision:
            continue  # what it should be is not known any more
        same = (offer.offer, offer.resource, offer.count) == (
            choice.name, choice.cluster_offer.resource, choice.cluster_offer.count,
        )  # fmt: skip
        same = same and (one.image, one.settings) == (made.image, made.settings)
        if same and _serves(one, made, question, choice.replicas):
            return one
    return None


def _serves(one: Running, made: Rendered, question: Question, replicas: int) -> bool:
    """Whether the flags that *one* runs with are those wanted, or larger."""
    has, wants = _split(one.arguments), _split(made.arguments)
    if {name: has.get(name) for name in wants if name not in _SIZES} != {
        name: value for name, value in wants.items() if name not in _SIZES
    }:
        return False
    load = question.traffic.load
    longest = question.traffic.input.largest + question.traffic.output.largest
    least = {"--max-model-len": longest}
    if isinstance(load, ClosedLoop):
        least["--max-num-seqs"] = -(-load.concurrency // replicas)
    else:
        least["--max-num-seqs"] = _number(wants.get("--max-num-seqs"))
    least["--kv-cache-memory-bytes"] = _number(wants.get("--kv-cache-memory-bytes")) * 4 // 5
    return all(_number(has.get(name)) >= value for name, value in least.items())


_SIZES = (
    "--max-model-len", "--max-num-seqs", "--max-num-batched-tokens", "--kv-cache-memory-bytes",
    "--gpu-memory-utilization",
)  # fmt: skip


def _split(arguments: Sequence[str]) -> dict[str, str]:
    return {one.partition("=")[0]: one.partition("=")[2] for one in arguments}


def _number(written: str | None) -> int:
    return int(written) if written is not None and written.isdecimal() else 0
