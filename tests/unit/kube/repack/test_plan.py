"""Which pod is moved next, and that moves come to an end with the cards that were planned."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.packing.live import cards_in_use
from rightslice.core.packing.repack import RepackPlan, repack
from rightslice.edge.catalog_files import Catalog
from rightslice.kube.cluster.dra import DraUnit
from rightslice.kube.cluster.filters import NodeFilter
from rightslice.kube.repack.boards import Board, boards
from rightslice.kube.repack.plan import NextMove, next_move, room_move
from rightslice.kube.repack.waiting import Waiting
from tests.unit.kube.cluster.dra_worlds import PRODUCT
from tests.unit.kube.repack.worlds import cards, own_pod

SMALL, MIDDLE = "gpu-{}-mig-1g5gb-19-{}", "gpu-{}-mig-2g10gb-14-{}"
PROFILES = [one.name for one in Catalog().mig_gpu("A100-40GB").profiles if "+" not in one.name]


def _board(count: int, held: dict[str, str], *, owned: set[str], stays: set[str]) -> Board:
    cluster, hardware = cards(count, held)
    pods = [own_pod(name, name.split("-")[0]) for name in owned]
    (board,) = boards(cluster, hardware, pods, {("n", one): "stays" for one in stays})
    return board


def _next(count: int, held: dict[str, str], **stays: bool) -> NextMove | None:
    owned = {pod for pod in held.values() if not pod.startswith("other")}
    kept = {name for name, is_kept in stays.items() if is_kept}
    return next_move(_board(count, held, owned=owned, stays=kept), 3.0)


def test_the_smaller_effort_frees_a_card() -> None:
    """Two slices on one card, one on the other: the one goes to the two."""
    held = {SMALL.format(0, 0): "a-1", SMALL.format(0, 1): "b-1", MIDDLE.format(1, 0): "c-1"}
    found = _next(2, held)
    assert found is not None
    assert (found.pod.name, found.former, found.wanted) == ("c-1", "GPU-a-1", "GPU-a-0")
    assert found.reason.endswith("with 1 move the slices of 2 cards are on 1")


def test_what_is_not_ours_stays() -> None:
    """Then the other pod goes to it; where neither may go, nothing is done."""
    held = {SMALL.format(0, 0): "a-1", MIDDLE.format(1, 0): "other"}
    found = _next(2, held)
    assert found is not None
    assert (found.pod.name, found.wanted) == ("a-1", "GPU-a-1")
    assert _next(2, held, a=True) is None


def test_one_card_has_nothing_to_free() -> None:
    """As few as can be."""
    assert _next(2, {SMALL.format(0, 0): "a-1", SMALL.format(0, 1): "b-1"}) is None


def test_a_card_that_is_held_whole_takes_no_part() -> None:
    """Nothing can be put beside a whole card's claim."""
    assert _next(2, {SMALL.format(0, 0): "a-1", "gpu-1": "other"}) is None


def _room(held: dict[str, str], profile: str, most: float = 3.0) -> NextMove | None:
    owned = {pod for pod in held.values() if not pod.startswith("other")}
    board = _board(2, held, owned=owned, stays=set())
    name = next(one for one in PROFILES if one == profile)
    wanted = Waiting(key=("n", "big"), product=PRODUCT, profile=name, count=1)
    return room_move(board, wanted, most)


def test_room_is_made_for_who_waits() -> None:
    """A slice in the midst of each card: one of them goes to the other, and 7g has a card."""
    held = {SMALL.format(0, 2): "a-1", SMALL.format(1, 2): "b-1"}
    found = _room(held, "7g.40gb")
    assert found is not None
    assert {found.former, found.wanted} == {"GPU-a-0", "GPU-a-1"}
    assert found.reason.endswith("there is room for 1 x 7g.40gb, which n/big waits for")


def test_no_room_is_made_where_there_is_some_or_it_costs_too_much() -> None:
    """Nothing to move; nothing that may be moved; more moves than it is worth."""
    held = {SMALL.format(0, 2): "a-1", SMALL.format(1, 2): "b-1"}
    assert _room(held, "3g.20gb") is None
    assert _room({name: "other" + pod for name, pod in held.items()}, "7g.40gb") is None
    assert _room(held, "7g.40gb", 0.0) is None


def test_a_node_without_room_for_the_rest_of_the_pod_is_no_place() -> None:
    """The replacement runs beside the pod: CPU, memory, a place among the pods."""
    held = {SMALL.format(0, 0): "a-1", MIDDLE.format(1, 0): "b-1"}
    board = _board(2, held, owned={"a-1", "b-1"}, stays=set())
    elsewhere = NodeFilter.of({"nodeSelector": {"zone": "b"}})
    greedy = {name: replace(pod, needs_milli={"cpu": 97_000}) for name, pod in board.pods.items()}
    assert next_move(board, 3.0) is not None
    bound = {name: replace(pod, filter=elsewhere) for name, pod in board.pods.items()}
    assert next_move(replace(board, pods=greedy), 3.0) is None
    assert next_move(replace(board, pods=bound), 3.0) is None


def test_more_moves_than_a_card_is_worth_are_not_made() -> None:
    """Four slices against one, of which only the four may move."""
    held = {SMALL.format(0, start): f"a-{start}" for start in range(4)}
    held[MIDDLE.format(1, 0)] = "other"
    board = _board(2, held, owned={f"a-{start}" for start in range(4)}, stays=set())
    assert next_move(board, 3.0) is None
    assert next_move(board, 5.0) is not None


spreads = st.lists(st.tuples(st.sampled_from(PROFILES), st.integers(0, 3), st.booleans()),
                   min_size=1, max_size=9)  # fmt: skip


@settings(max_examples=12, deadline=None)
@given(spread=spreads)
def test_moves_end_with_the_planned_cards(spread: list[tuple[str, int, bool]]) -> None:
    """Whatever is spread over four cards: each next move is possible, and the end is the plan's."""
    held = _placed(spread)
    owned = {pod for pod in held.values() if pod.startswith("pod")}
    if not held:
        return
    board = _board(4, held, owned=owned, stays=set())
    planned = repack(board.state)
    moves = 0
    while (move := next_move(board, float(len(held)))) is not None:
        moves += 1
        held = _moved(held, board, move)
        board = _board(4, held, owned=owned, stays=set())
        assert moves <= 3 * len(held)
    if isinstance(planned, RepackPlan) and moves:
        assert cards_in_use(board.state) <= planned.cards_after


def _placed(spread: list[tuple[str, int, bool]]) -> dict[str, str]:
    held: dict[str, str] = {}
    for number, (profile, card, is_ours) in enumerate(spread):
        device = _first_fit(held, profile, f"GPU-a-{card}")
        if device is not None:
            held[device] = f"pod{number}-1" if is_ours else f"other{number}"
    return held


def _moved(held: dict[str, str], board: Board, move: NextMove) -> dict[str, str]:
    """Return what is held when the scheduler has placed the replacement and the pod is gone."""
    assert board.state.cards
    device = _first_fit(held, move.profile, move.wanted)
    assert device is not None
    rest = {name: pod for name, pod in held.items() if pod != move.pod.name}
    return {**rest, device: move.pod.name}


def _first_fit(held: dict[str, str], profile: str, card: str) -> str | None:
    cluster, _ = cards(4, held)
    pool = cluster.nodes[0].dra
    assert pool is not None
    name = next(one for one in PROFILES if one == profile)
    for one in pool.stock.of(DraUnit(product=PRODUCT, profile=name, device_class="")):
        if one.card == card and one.name not in pool.taken and pool.fits(one):
            return one.name.removeprefix("a/")
    return None
