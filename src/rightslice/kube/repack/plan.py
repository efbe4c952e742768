"""The next pod to move, as the core's repack plans it, and where the scheduler would put it.

A claim can name its card and no start slot, so that on the card the first device that fits is
taken. Where that is not the planned one, the move counts only if what is left to do from there is
less than before: so every sequence of moves ends, with no more cards than planned. Each move is
planned anew from what is seen, and whoever takes over goes on to the same end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from rightslice.core.catalog.mig import Placement
from rightslice.core.packing.live import LiveCard, LiveSlice, LiveState, cards_in_use
from rightslice.core.packing.repack import (
    NoRepack,
    RepackLimits,
    RepackPlan,
    best_moves,
    make_room,
)
from rightslice.core.packing.steps import Step, StepKind
from rightslice.kube.cluster.dra import DraPool
from rightslice.kube.cluster.view import ClusterNode
from rightslice.kube.repack.boards import Board
from rightslice.kube.repack.pods import OwnPod
from rightslice.kube.repack.waiting import Waiting

_SOLVE_SECONDS: Final = 20.0
_SLACK: Final = 1e-6


@dataclass(frozen=True, kw_only=True)
class NextMove:
    """One pod to another card, and what it is a part of."""

    pod: OwnPod
    profile: str
    former: str
    """UUID of its card."""
    wanted: str
    """And of the one to go to."""
    moves: int
    """That are left, this one included."""
    aim: str
    """What they lead to, in words."""

    @property
    def reason(self) -> str:
        """What the move is for, in words."""
        moves = "1 move" if self.moves == 1 else f"{self.moves} moves"
        return f"{self.profile} to another card: with {moves} {self.aim}"


def next_move(board: Board, moves_per_card: float) -> NextMove | None:
    """Return the next move that frees cards; None when none is worth it, or can be made.

    Args:
        board: cards of one product, and who holds what.
        moves_per_card: moves that one card which comes free is worth.
    """
    limits = RepackLimits(moves_per_card=moves_per_card, time_limit_seconds=_SOLVE_SECONDS)
    search = Search(
        solve=lambda state: best_moves(state, limits),
        is_there=lambda state, plan: cards_in_use(state) <= plan.cards_after,
        aim=lambda plan: f"the slices of {plan.cards_before} cards are on {plan.cards_after}",
    )
    return _first(board, search)


def room_move(board: Board, wanted: Waiting, most_moves: float) -> NextMove | None:
    """Return the next move that makes room for what waits; None when none is needed, or too many.

    Args:
        board: cards of one product, and who holds what.
        wanted: slices that have no place.
        most_moves: moves that they are worth.
    """
    limits = RepackLimits(moves_budget=most_moves, time_limit_seconds=_SOLVE_SECONDS)
    grid = board.state.grid
    whole = next(one.name for one in grid.profiles if one.memory_slots == grid.slots)
    pending = {wanted.profile or whole: wanted.count}
    what = f"{wanted.count} x {wanted.profile or 'card'}"
    who = "/".join(wanted.key)
    search = Search(
        solve=lambda state: make_room(state, pending, limits),
        is_there=lambda _state, _plan: False,
        aim=lambda _: f"there is room for {what}, which {who} waits for",
    )
    return _first(board, search)


@dataclass(frozen=True, kw_only=True)
class Search:
    """What moves are looked for."""

    solve: Callable[[LiveState], RepackPlan | NoRepack | None]
    is_there: Callable[[LiveState, RepackPlan], bool]
    """Whether a state from which no plan leads on is as good as the plan's end."""
    aim: Callable[[RepackPlan], str]


def _first(board: Board, search: Search) -> NextMove | None:
    """Return the first of the plan's moves that can be made now and leads on."""
    plan = search.solve(board.state)
    if not isinstance(plan, RepackPlan) or plan.stops or not plan.moves:
        return None
    for step in _possible(plan):
        after = _after(board, step)
        pod = None if step.pod is None else board.pods.get(step.pod.name)
        if pod is None or after is None or step.from_card is None:
            continue
        if _goes_on(after, plan, step, search):
            return NextMove(
                pod=pod, profile=step.placement.profile, former=step.from_card, wanted=step.card,
                moves=len(plan.moves), aim=search.aim(plan),
            )  # fmt: skip
    return None


def _possible(plan: RepackPlan) -> Iterator[Step]:
    """Yield the moves to other cards; a move on one card cannot be told by a claim."""
    for step in plan.steps:
        if step.action is StepKind.MOVE and step.from_card != step.card:
            yield step


def _after(board: Board, step: Step) -> tuple[LiveState, Placement] | None:
    """Return the state after *step*, and where the pod is then; None when it cannot be now."""
    node = board.nodes[step.card]
    pod = None if step.pod is None else board.pods.get(step.pod.name)
    if pod is None or node.dra is None or not _has_room(node, pod):
        return None
    start = _first_fit(node.dra, board.product, step)
    if start is None:
        return None
    place = Placement(start=start, profile=step.placement.profile)
    gone, made = step.from_placement, LiveSlice(placement=place, pod=step.pod)
    cards: list[LiveCard] = []
    for card in board.state.cards:
        slices = card.slices
        if card.name == step.from_card:
            slices = tuple(one for one in slices if one.placement != gone)
        elif card.name == step.card:
            slices = (*slices, made)
        cards.append(replace(card, slices=slices))
    return replace(board.state, cards=tuple(cards)), place


def _has_room(node: ClusterNode, pod: OwnPod) -> bool:
    """Whether *pod* may use *node*, and another such has CPU, memory and the like there."""
    return pod.filter.allows(node) and all(
        node.free_milli.get(name, 0) >= need for name, need in pod.needs_milli.items()
    )


def _first_fit(pool: DraPool, product: str, step: Step) -> int | None:
    """Return the start that the scheduler would take on the card; None when nothing fits."""
    for device in pool.stock.devices:
        wanted = (device.card, device.profile, device.product)
        if wanted != (step.card, step.placement.profile, product) or device.is_tainted:
            continue
        if device.name not in pool.taken and pool.fits(device):
            return device.start
    return None


def _goes_on(
    after: tuple[LiveState, Placement], plan: RepackPlan, step: Step, search: Search
) -> bool:
    """Whether the rest of the way is shorter than before, and leads as far."""
    state, place = after
    if place == step.placement:
        return True
    rest = search.solve(state)
    if isinstance(rest, RepackPlan):
        is_less = rest.weight < plan.weight - _SLACK
        return rest.cards_after <= plan.cards_after and is_less and not rest.stops
    return search.is_there(state, plan)
