"""Ways to share a card compared for one workload: alone, cut by MIG, by MPS, in turns.

For each board and mode the offer that would be taken, with what the mode guarantees and what it
needs. Latencies under MPS and in turns are unmeasured: they are shown at their worst, with the
widest band, and are not recommended above the point estimate (`judge.unmeasured`).

Sources: NVIDIA MIG user guide (isolation, no P2P); NVIDIA/k8s-device-plugin README, "Shared Access
to GPUs" (MPS limits memory and threads of a client, time-slicing nothing; no MPS in MIG mode);
kubernetes-sigs/dra-driver-nvidia-gpu (MPS on MIG devices, gate MPSSupport); vllm
v1/worker/gpu_worker.py (free memory checked at start).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from typing import ClassVar, Final, assert_never

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.estimate import Estimate
from rightslice.core.catalog.gpu import Gpu
from rightslice.core.catalog.question import Isolation, Question
from rightslice.core.catalog.share import Exclusive, MigSlice, MpsShare, Share, TimeSlice
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.fit.fit import judge_all
from rightslice.core.fit.judge import EVEN
from rightslice.core.fit.result import Candidate, Constraint, Holds, Offer, Outcome, Refused
from rightslice.core.sizing.result import Sizing
from rightslice.errors import InputError
from rightslice.units import format_gib, format_ratio, format_usd


class SharingMode(Enum):
    """How a server may hold a card."""

    EXCLUSIVE = "exclusive"
    MIG = "MIG"
    MIG_MPS = "MIG + MPS"
    MPS = "MPS"
    TURNS = "time-slicing"


_ISOLATION: Final = {
    SharingMode.EXCLUSIVE: "full: nobody else on the card",
    SharingMode.MIG: "hardware: own memory, bandwidth, SMs and faults",
    SharingMode.MIG_MPS: "slice only: as MPS among those on the slice",
    SharingMode.MPS: "threads only: shared bandwidth, a fault stops every client",
    SharingMode.TURNS: "none: shared bandwidth, a fault stops every process",
}
_NEEDS: Final = {
    SharingMode.EXCLUSIVE: "nothing",
    SharingMode.MIG: "MIG mode",
    SharingMode.MIG_MPS: "the DRA driver's alpha gate MPSSupport on static MIG",
    SharingMode.MPS: "the device plugin's MPS daemon, MIG mode off",
    SharingMode.TURNS: "the device plugin's time-slicing",
}


@dataclass(frozen=True, kw_only=True)
class StartCheck:
    """What vLLM asks of a card that it shares when it starts."""

    asked_bytes: int
    """Its utilization of the whole card: refused at start when less is free."""
    neighbours_may_hold_bytes: int | None
    """What others may hold by then, so that it starts; None where MPS limits each client."""
    kv_cache_memory_bytes: int
    """To pin: a pinned pool is not measured while neighbours allocate."""


@dataclass(frozen=True, kw_only=True)
class SharingRow:
    """One way to share one board."""

    __record__: ClassVar = (
        "gpu", "mode", "offer", "outcome", "confidence", "is_measured", "isolation", "memory",
        "tpot", "ttft", "replicas", "usd_per_hour", "start", "needs",
    )  # fmt: skip

    gpu: str
    mode: SharingMode
    candidate: Candidate | None
    """The offer of this mode, judged at ``confidence``; None where the board has none."""
    outcome: Outcome
    """At the confidence and isolation asked for."""
    confidence: float
    """At which latency, price and replicas hold: 0.5 where nothing can be promised."""
    is_measured: bool
    """Whether latencies in this mode rest on measured points."""
    isolation: str
    memory: str
    """What guarantees the memory, in words."""
    tpot: Estimate | None
    """Time per output token at the load, at its target's percentile; None: not worked out."""
    ttft: Estimate | None
    """Time to first token, likewise."""
    start: StartCheck | None
    """For servers that share memory."""
    needs: str
    """What the cluster needs to hand it out."""

    @property
    def offer(self) -> str | None:
        """The offer's name."""
        return None if self.candidate is None else self.candidate.offer.name

    @property
    def replicas(self) -> int:
        """How many hold the load at ``confidence``; 0 when none of the allowed do."""
        return 0 if self.candidate is None else self.candidate.replicas

    @property
    def usd_per_hour(self) -> Fraction | None:
        """Of all replicas; of one where the load is not held."""
        return None if self.candidate is None else self.candidate.usd_per_hour

    @property
    def holds(self) -> bool:
        """Whether it holds the load as asked."""
        return isinstance(self.outcome, Holds)


@dataclass(frozen=True, kw_only=True)
class SharingAdvice:
    """The modes of sharing compared, and the one to take."""

    question: Question
    rows: tuple[SharingRow, ...]
    recommended: SharingRow | None
    reason: str


def advise_sharing(
    question: Question,
    offers: Sequence[Offer],
    *,
    constants: FittedConstants,
    neighbours_bytes: int | None = None,
) -> SharingAdvice:
    """Return one row a board and mode of *offers*, and which of them to take.

    Args:
        question: the workload; its isolation and confidence say what may be recommended.
        offers: whole cards, slices and shares of them.
        constants: fitted numbers.
        neighbours_bytes: memory that other servers hold on a shared card, when it is known.

    Raises:
        InputError: when there is no offer at all.
    """
    if not offers:
        raise InputError("there is no offer to compare")
    open_to_all = replace(question, isolation=Isolation.NONE)
    surely = judge_all(open_to_all, offers, constants)
    evenly = judge_all(replace(open_to_all, confidence=EVEN), offers, constants)
    boards = {str(offer.device.gpu_name): offer.device.gpu for offer in offers}
    scene = _Scene(question, constants, neighbours_bytes)
    rows = tuple(
        scene.row(gpu, mode, _of(surely, gpu, mode), _of(evenly, gpu, mode))
        for gpu in boards.values()
        for mode in SharingMode
    )
    taken = min((row for row in rows if row.holds), key=_order, default=None)
    return SharingAdvice(
        question=question, rows=rows, recommended=taken, reason=_reason(question, rows, taken)
    )


def mode_of(share: Share) -> SharingMode:
    """Return the mode of sharing that *share* belongs to."""
    match share:
        case Exclusive():
            return SharingMode.EXCLUSIVE
        case MigSlice():
            return SharingMode.MIG
        case MpsShare(profile=None):
            return SharingMode.MPS
        case MpsShare():
            return SharingMode.MIG_MPS
        case TimeSlice():
            return SharingMode.TURNS
        case _:
            assert_never(share)


def _of(candidates: Iterable[Candidate], gpu: Gpu, mode: SharingMode) -> list[Candidate]:
    return [
        candidate
        for candidate in candidates
        if candidate.offer.device.gpu.name == gpu.name
        and mode_of(candidate.offer.device.share) is mode
    ]


def _order(row: SharingRow) -> tuple[bool, Fraction, float, int]:
    """Cheapest first; of equals the one with more room, then the one that shares least."""
    price, outcome = row.usd_per_hour, row.outcome
    room = outcome.headroom_ratio if isinstance(outcome, Holds) else 0.0
    cards = None if row.candidate is None else row.candidate.offer.cards
    size = price if price is not None else (cards or Fraction(1)) * max(row.replicas, 1)
    return price is None, size, -room, list(SharingMode).index(row.mode)


class _Scene:
    """What all rows have in common."""

    def __init__(
        self, question: Question, constants: FittedConstants, neighbours_bytes: int | None
    ) -> None:
        self._question = question
        self._constants = constants
        self._neighbours_bytes = neighbours_bytes

    def row(
        self, gpu: Gpu, mode: SharingMode, surely: list[Candidate], evenly: list[Candidate]
    ) -> SharingRow:
        """Return the row of *mode* on *gpu*: the cheapest that holds, else the nearest."""
        confidence, found = self._question.confidence, surely
        taken = next((each for each in surely if each.replicas), None)
        if taken is None and evenly and not self._is_measured(evenly[0].offer.device):
            confidence, found = EVEN, evenly
            taken = next((each for each in evenly if each.replicas), None)
        taken = taken or _nearest(found)
        start = None if taken is None else self._start(taken)
        tpot, ttft = self._latencies(taken)
        return SharingRow(
            gpu=str(gpu.name),
            mode=mode,
            candidate=taken,
            outcome=self._outcome(gpu, mode, taken, start),
            confidence=confidence,
            is_measured=taken is not None and self._is_measured(taken.offer.device),
            isolation=_ISOLATION[mode],
            memory=_memory_text(mode, taken),
            tpot=tpot,
            ttft=ttft,
            start=start,
            needs=_NEEDS[mode],
        )

    def _latencies(self, taken: Candidate | None) -> tuple[Estimate | None, Estimate | None]:
        prediction, slo = None if taken is None else taken.prediction, self._question.slo
        if prediction is None:
            return None, None
        return prediction.tpot.at(slo.tpot_percentile), prediction.ttft.at(slo.ttft_percentile)

    def _is_measured(self, device: Device) -> bool:
        return self._constants.is_measured(self._question, device)

    def _outcome(
        self, gpu: Gpu, mode: SharingMode, taken: Candidate | None, start: StartCheck | None
    ) -> Outcome:
        if taken is None:
            return _absent(gpu, mode)
        crowded = None if start is None else self._crowded(start)
        if not taken.replicas:
            return taken.outcome
        if crowded is not None:
            return crowded
        asked = judge_all(self._question, [taken.offer], self._constants)
        return asked[0].outcome

    def _crowded(self, start: StartCheck) -> Refused | None:
        held, most = self._neighbours_bytes, start.neighbours_may_hold_bytes
        if held is None or most is None or held <= most:
            return None
        return Refused(
            constraint=Constraint.MEMORY,
            reason=(
                f"neighbours hold {format_gib(held)}; with more than"
                f" {format_gib(most)} vLLM finds less free than the"
                f" {format_gib(start.asked_bytes)} it asks for, and does not start"
            ),
            remedy="more shares a card, or neighbours with a lower gpu-memory-utilization",
            needed=float(held),
            available=float(most),
            unit="bytes",
        )

    def _start(self, taken: Candidate) -> StartCheck | None:
        share, sizing = taken.offer.device.share, taken.sizing
        if not isinstance(share, TimeSlice | MpsShare) or sizing is None:
            return None
        return start_check(sizing, share, self._constants, self._question.confidence)


def start_check(
    sizing: Sizing, share: TimeSlice | MpsShare, constants: FittedConstants, confidence: float
) -> StartCheck:
    """Return what a server with *share* asks when it starts, and what that leaves to others.

    vLLM sees the whole card: it asks for its utilization of that, and refuses to start when less is
    free beside its own CUDA context. In turns neighbours take from what is free; under MPS a
    client's limit shows as free, whatever others hold.
    """
    part = sizing.device.memory_bytes
    asked = int(sizing.flags.gpu_memory_utilization * part)
    left = part * share.replicas - asked - constants.memory.context.high
    return StartCheck(
        asked_bytes=asked,
        neighbours_may_hold_bytes=max(left, 0) if isinstance(share, TimeSlice) else None,
        kv_cache_memory_bytes=max(sizing.kv.size_bytes.at_least(confidence), 0),
    )


def _nearest(candidates: list[Candidate]) -> Candidate | None:
    """Return the largest share of those refused: what it lacks, the others lack too."""
    return max(
        candidates,
        key=lambda each: (each.offer.cards or Fraction(0), -each.offer.tensor_parallel),
        default=None,
    )


def _absent(gpu: Gpu, mode: SharingMode) -> Refused:
    has_none = gpu.mig is None and mode in (SharingMode.MIG, SharingMode.MIG_MPS)
    return Refused(
        constraint=Constraint.TOPOLOGY,
        reason=f"{gpu.name} has no MIG" if has_none else "not among the offers",
        remedy="another board" if has_none else "name the whole board in --offers",
        needed=1.0,
        available=0.0,
        unit="",
    )


def _memory_text(mode: SharingMode, taken: Candidate | None) -> str:
    if taken is None:
        return ""
    size = format_gib(taken.offer.device.memory_bytes)
    match mode:
        case SharingMode.EXCLUSIVE:
            return f"{size}, alone"
        case SharingMode.MIG:
            return f"{size}, hardware"
        case SharingMode.MIG_MPS | SharingMode.MPS:
            return f"{size}, client limit"
        case SharingMode.TURNS:
            return f"{size}, agreed only"
        case _:
            assert_never(mode)


def _reason(question: Question, rows: Sequence[SharingRow], taken: SharingRow | None) -> str:
    sure = format_ratio(question.confidence)
    if taken is None:
        return f"no way of sharing these boards holds the load at {sure} confidence"
    what = f"{taken.offer} is the cheapest that holds the load at {sure} confidence"
    if question.isolation is Isolation.HARDWARE and taken.mode is SharingMode.MIG:
        what += ", with memory, bandwidth and faults of its own"
    price = taken.usd_per_hour
    tempting = min(
        (row for row in rows if _tempts(row, price)), key=lambda row: row.usd_per_hour or 0,
        default=None,
    )  # fmt: skip
    if tempting is None or tempting.usd_per_hour is None or price is None:
        return what
    saved = format_usd(float(price - tempting.usd_per_hour))
    return (
        f"{what}. {tempting.offer} would save {saved}/h if its unmeasured latencies hold: try it"
        " beside its neighbours under load, or ask with isolation none and a confidence of 50 %"
    )


def _tempts(row: SharingRow, price: Fraction | None) -> bool:
    """Whether a row is cheaper than *price* at the point estimate, and refused as asked."""
    refusals = (Constraint.UNMEASURED, Constraint.ISOLATION)
    return (
        not row.holds
        and row.replicas > 0
        and row.usd_per_hour is not None
        and price is not None
        and row.usd_per_hour < price
        and isinstance(row.outcome, Refused)
        and row.outcome.constraint in refusals
    )
