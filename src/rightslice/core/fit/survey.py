"""Every offer of a question judged, in short at once and in words when they are asked for.

Few offers are judged one by one, many in arrays (`screen`); the answers are the same. Equal devices
are judged once, whatever their prices. What a later look may need (a refusal's words, an offer's
terms of memory) is worked out from the one set of flags that decides, when somebody reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property, partial
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from rightslice.core.catalog.question import Question
from rightslice.core.catalog.share import sharing_key
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.fit.entry import Entry
from rightslice.core.fit.flags import Flags
from rightslice.core.fit.judge import EVEN, judge_servers, refused_at_sight, unmeasured
from rightslice.core.fit.result import Candidate, Judged, Judgement, Offer, Pending, Refused
from rightslice.core.fit.trial import Trial, load_size
from rightslice.errors import InputError

if TYPE_CHECKING:
    from rightslice.core.fit.screen import Screen, Standings
    from rightslice.core.perf.arrays import Array, Index, Mask

FEW: Final = 8
"""Up to so many servers are judged one by one: arrays take longer to set up."""
_SAME_LOAD: Final = 1e-6
"""Loads nearer than this are compared as single numbers."""
_SAME_ROOM: Final = 1e-6
"""Rooms nearer than this are compared as single numbers: arrays round differently."""
_Key = tuple[str, int, int]


def key_of(offer: Offer) -> _Key:
    """Return what two offers have in common that need judging once."""
    return offer.device.label, offer.device.memory_bytes, offer.tensor_parallel


class Survey:
    """The offers of one question; nothing is worked out before it is asked for."""

    def __init__(
        self,
        question: Question,
        offers: Sequence[Offer],
        constants: FittedConstants,
        *,
        few: int = FEW,
    ) -> None:
        """Sort out what is refused at sight; up to *few* servers are judged one by one."""
        self._question = question
        self._asked = {question.confidence: question}
        self._constants = constants
        self._keys = {id(offer): key_of(offer) for offer in offers}
        self._offers = offers
        self._found: dict[tuple[_Key, float], Judgement] = {}
        self._refused: dict[_Key, Judged] = {}
        self._unmeasured: dict[_Key, Judged] = {}
        self._entries: dict[_Key, Entry] = {}
        flags = Flags(question, constants.memory.context)
        for offer in offers:
            key = self._keys[id(offer)]
            if key in self._entries or key in self._refused:
                continue
            refused = refused_at_sight(question, offer)
            if refused is not None:
                self._refused[key] = Judged(outcome=refused, sizing=None, prediction=None)
                continue
            self._entries[key] = Entry(offer, flags.sets_for(offer))
            refused = unmeasured(question, offer, constants)
            if refused is not None:
                self._unmeasured[key] = Judged(outcome=refused, sizing=None, prediction=None)
        servers = sum(len(entry.servers) for entry in self._entries.values())
        self._groups = self._screened() if servers > few else {}

    def candidates(self, confidence: float) -> tuple[Candidate, ...]:
        """Return all offers judged at *confidence*, cheapest first."""
        return ordered(
            Candidate(offer=offer, judgement=self._judgement(self._keys[id(offer)], confidence))
            for offer in self._offers
        )

    def cheapest(self, confidence: float, among: Sequence[Offer]) -> Candidate | None:
        """Return the cheapest of the offers *among* all that holds the load at *confidence*."""
        found = [
            Candidate(offer=offer, judgement=judgement)
            for offer in among
            if (judgement := self._judgement(self._keys[id(offer)], confidence)).replicas
        ]
        return next(iter(ordered(found)), None)

    def _judgement(self, key: _Key, confidence: float) -> Judgement:
        if key in self._refused:
            return self._refused[key]
        if confidence > EVEN and key in self._unmeasured:
            return self._unmeasured[key]
        known = self._found.get((key, confidence))
        if known is None:
            group = self._groups.get(key)
            question = self._at(confidence)
            if group is None:
                entry = self._entries[key]
                known = judge_servers(question, *entry, self._constants)
            else:
                known = group.judgement(key, question)
            self._found[key, confidence] = known
        return known

    def _at(self, confidence: float) -> Question:
        if confidence not in self._asked:
            self._asked[confidence] = replace(self._question, confidence=confidence)
        return self._asked[confidence]

    def _screened(self) -> Mapping[_Key, _Group]:
        """Return the arrays that each offer is judged in.

        Calibrated boards have a table of their own: the doubt about points that another board has
        does not touch them.
        """
        question, parted = self._question, dict[bool, dict[_Key, Entry]]()
        calibrated: dict[str, bool] = {}
        for key, entry in self._entries.items():
            device = entry.offer.device
            board = f"{device.gpu_name}:{sharing_key(device.share)}"
            if board not in calibrated:
                calibrated[board] = self._constants.on(question, device).anchors is not None
            parted.setdefault(calibrated[board], {})[key] = entry
        found = {}
        for entries in parted.values():
            try:
                group = _Group(question, entries, self._constants)
            except InputError:
                continue  # beyond exact arithmetic of arrays: one by one
            found.update(dict.fromkeys(entries, group))
        return found

    def best_effort(self, candidates: Sequence[Candidate]) -> Candidate | None:
        """Return the refused candidate that holds most of the load, with how much that is."""
        best: Candidate | None = None
        for candidate in self._finalists(candidates):
            judged = candidate.judgement.judged
            if judged.sizing is None or not isinstance(judged.outcome, Refused):
                continue
            outcome = replace(judged.outcome, held_load=self._held_load(candidate))
            measured = replace(candidate, judgement=replace(judged, outcome=outcome))
            if best is None or _capability(measured) > _capability(best):
                best = measured
        return best

    def _finalists(self, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """Return those of *candidates* of which one holds most, by what arrays tell of them."""
        guesses = [
            (guess, candidate)
            for candidate in candidates
            if (guess := self._guess(candidate)) is not None
        ]
        most = max((guess for (guess, *_), _ in guesses), default=0.0)
        if most:
            return [c for (guess, *_), c in guesses if guess > most * (1 - _SAME_LOAD)]
        return [max(guesses, key=itemgetter(0))[1]] if guesses else []

    def _guess(self, candidate: Candidate) -> tuple[float, bool, float, int] | None:
        """Return what decides which refused candidate does most; None for one never sized."""
        question, offer = self._question, candidate.offer
        key = self._keys[id(offer)]
        if isinstance(candidate.judgement, Pending):
            known = self._groups[key].held_load(key, question)
            if known is not None:
                one, starts = known
                held = min(one * question.max_replicas, load_size(question.traffic))
                return held, starts, *_strength(offer)
        if candidate.sizing is None:
            return None
        return self._held_load(candidate), candidate.prediction is not None, *_strength(offer)

    def _held_load(self, candidate: Candidate) -> float:
        question, judged = self._question, candidate.judgement.judged
        assert judged.sizing is not None
        trial = Trial(
            question=question,
            offer=candidate.offer,
            server=judged.sizing.server,
            constants=self._constants,
        )
        try:
            one = trial.largest()
        except InputError:
            return 0.0  # too small, and a figure for its speed is not known either
        return min(one * question.max_replicas, load_size(question.traffic))


class _Group:
    """Entries judged together in arrays."""

    def __init__(
        self, question: Question, entries: Mapping[_Key, Entry], constants: FittedConstants
    ) -> None:
        from rightslice.core.fit.screen import Screen  # noqa: PLC0415 - numpy loads where it is used

        self._entries = tuple(entries.values())
        self._places = {key: place for place, key in enumerate(entries)}
        self._constants = constants
        self._screen: Screen = Screen(question, self._entries, constants)
        self._standings: dict[float, list[tuple[int, int, float, bool]]] = {}
        self._refusals: dict[float, _Refusals] = {}
        self._held: tuple[Array, Mask] | None = None

    def judgement(self, key: _Key, question: Question) -> Judgement:
        """Return what came of the entry under *key*, which differs in its confidence only."""
        place, confidence = self._places[key], question.confidence
        entry = self._entries[place]
        if confidence not in self._standings:
            standings = self._screen.standings(confidence)
            self._standings[confidence] = standings.rows()
            self._refusals[confidence] = _Refusals(self._screen, standings, confidence)
        variant, replicas, room, is_sure = self._standings[confidence][place]
        if not is_sure:
            return judge_servers(question, *entry, self._constants)
        if not replicas:
            words = _Words(question, entry, self._constants, self._refusals[confidence], place)
            return Pending(replicas=0, room=0.0, work_out=words.refusal)
        trial = Trial(
            question=question,
            offer=entry.offer,
            server=entry.servers[variant],
            constants=self._constants,
        )
        return Pending(replicas=replicas, room=room, work_out=partial(trial.held_by, replicas))

    def held_load(self, key: _Key, question: Question) -> tuple[float, bool] | None:
        """Return the load that a replica of the refused entry holds, and whether it starts.

        None where figures are too near a limit, or not known.
        """
        place, confidence = self._places[key], question.confidence
        variant = self._refusals[confidence].variant(place)
        if self._held is None:
            self._held = self._screen.held_loads(self._refusals[confidence].found[0], confidence)
        loads, starts = self._held
        return None if variant is None else (float(loads[place]), bool(starts[place]))


class _Refusals:
    """Which set of flags each refused entry came furthest with; worked out for all at once."""

    def __init__(self, screen: Screen, standings: Standings, confidence: float) -> None:
        self._screen: Screen | None = screen
        self._standings = standings
        self._confidence = confidence

    def variant(self, place: int) -> int | None:
        """Return the set of flags; None where figures are too near a limit to tell."""
        variants, is_sure = self.found
        return int(variants[place]) if is_sure[place] else None

    @cached_property
    def found(self) -> tuple[Index, Mask]:
        """Return the set of flags of every entry, and whether that is sure."""
        assert self._screen is not None
        found = self._screen.refusals(self._standings, self._confidence)
        self._screen = None  # its tables are not kept for as long as an answer is
        return found


class _Words(NamedTuple):
    """What tells why an entry was refused."""

    question: Question
    entry: Entry
    constants: FittedConstants
    refusals: _Refusals
    place: int

    def refusal(self) -> Judged:
        """Return the refusal of the flags that came furthest."""
        servers = self.entry.servers
        variant = self.refusals.variant(self.place)
        if variant is not None:
            servers = servers[variant : variant + 1]
        return judge_servers(self.question, self.entry.offer, servers, self.constants)


def ordered(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Return *candidates*, cheapest first."""
    keyed = sorted([(price_order(c), place, c) for place, c in enumerate(candidates)])
    doubtful = False
    for (one_key, _, one), (other_key, _, other) in pairwise(keyed):
        if one.judgement is other.judgement or not (one.replicas and other.replicas):
            continue
        apart = abs(one_key[_ROOM] - other_key[_ROOM])
        if 0 < apart < _SAME_ROOM and one_key[:_ROOM] == other_key[:_ROOM]:
            doubtful = True
            for candidate in (one, other):
                candidate.judgement.judged  # noqa: B018 - worked out, it has its room to the last digit
    found = tuple(candidate for _, _, candidate in keyed)
    return tuple(sorted(found, key=price_order)) if doubtful else found


_Order = tuple[bool, float, Fraction, float, Fraction, float, int, str]
_ROOM: Final = 5
"""Place of the room in an order."""


def price_order(candidate: Candidate) -> _Order:
    """Return a sort key: dollars an hour, part of a card, room to the targets, then memory."""
    offer, replicas = candidate.offer, candidate.replicas
    order = offer.cost_order
    if replicas > 1:
        dollars, cards = order[2] * replicas, order[4]
        if offer.cards is not None:
            cards *= replicas
        order = order[0], float(dollars), dollars, float(cards), cards
    room = -candidate.judgement.headroom_ratio
    return *order, room, offer.device.memory_bytes, offer.name


def _strength(offer: Offer) -> tuple[float, int]:
    """Return bandwidth and memory of all ranks."""
    bandwidth, ranks = offer.device.bandwidth_bytes_per_second or 0.0, offer.tensor_parallel
    return bandwidth * ranks, offer.device.memory_bytes * ranks


def _capability(candidate: Candidate) -> tuple[float, bool, float, int]:
    outcome = candidate.judgement.judged.outcome
    assert isinstance(outcome, Refused)
    held = outcome.held_load or 0.0
    return held, candidate.prediction is not None, *_strength(candidate.offer)
