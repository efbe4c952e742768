"""Steps as the back ends can take them."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.core.packing.backends import Backend
from rightslice.core.packing.driver import parted_layout
from rightslice.core.packing.live import LiveCard, LivePod, LiveSlice, LiveState
from rightslice.core.packing.on_backend import Feasible, NotFeasible, Relabel, actions_on
from rightslice.core.packing.repack import RepackPlan, make_room, repack
from rightslice.core.packing.steps import Step, StepKind

LARGE = Placement(profile=ProfileName("2g.10gb"), start=0)
SMALL = Placement(profile=ProfileName("1g.5gb"), start=6)


def two_nodes(grid: MigGrid, *idle: LiveSlice) -> LiveState:
    """Return a 2g on one node and a 1g on another; the first node may have idle slices too."""
    first = LiveSlice(placement=LARGE, pod=LivePod(name="a"))
    second = LiveSlice(placement=SMALL, pod=LivePod(name="b"))
    return LiveState(
        grid=grid,
        cards=(
            LiveCard(name="g0", node="n0", slices=(first, *idle)),
            LiveCard(name="g1", node="n1", slices=(second,)),
        ),
    )


def planned(state: LiveState) -> tuple[Step, ...]:
    """Return the steps of the repack that must be there."""
    plan = repack(state)
    assert isinstance(plan, RepackPlan)
    return plan.steps


def test_slices_made_one_by_one_take_the_steps_as_they_are(a100: MigGrid) -> None:
    """Commands on a node, DAS and DRA change a card while others run."""
    state = two_nodes(a100)
    steps = planned(state)
    for backend in (Backend.NVIDIA_SMI, Backend.DAS, Backend.DRA, Backend.DRA_TAINT_RULES):
        found = actions_on(backend, state, steps)
        assert isinstance(found, Feasible)
        assert found.actions == steps
        assert bool(found.note) == (backend in (Backend.DAS, Backend.DRA))


def test_a_node_in_use_is_not_cut_by_a_label(a100: MigGrid) -> None:
    """A label resets the node's other cards, so the pods there are named."""
    state = two_nodes(a100)
    found = actions_on(Backend.DEVICE_PLUGIN, state, planned(state))
    assert isinstance(found, NotFeasible)
    assert "resets all its cards, and" in found.reason


def test_idle_slices_take_moved_pods_without_a_label(a100: MigGrid) -> None:
    """Where the slice exists already, the pod just moves; nothing is destroyed."""
    state = two_nodes(a100, LiveSlice(placement=SMALL))
    move = Step(action=StepKind.MOVE, card="g0", placement=SMALL, pod=LivePod(name="b"),
                from_card="g1", from_placement=SMALL)  # fmt: skip
    gone = Step(action=StepKind.DESTROY, card="g1", placement=SMALL)
    found = actions_on(Backend.DEVICE_PLUGIN, state, (move, gone))
    assert isinstance(found, Feasible)
    assert found.actions == (move,)


def test_an_empty_node_is_cut_once_by_its_label(a100: MigGrid) -> None:
    """Creations on a node where nothing runs become one relabelling."""
    state = two_nodes(a100)
    state = replace(state, cards=(*state.cards, LiveCard(name="g2", node="n2")))
    make = Step(action=StepKind.CREATE, card="g2", placement=SMALL)
    other = Step(action=StepKind.CREATE, card="g2", placement=LARGE)
    found = actions_on(Backend.DEVICE_PLUGIN, state, (make, other))
    assert isinstance(found, Feasible)
    reached = parted_layout(a100, {LARGE.profile: 1, SMALL.profile: 1})
    assert reached is not None
    assert found.actions == (Relabel(node="n2", cards={"g2": reached.layout}),)


def test_moves_after_a_label_name_the_slots_that_it_gave(a100: MigGrid) -> None:
    """The counts decide where the slice starts, and the move goes there."""
    state = two_nodes(a100)
    state = replace(state, cards=(*state.cards, LiveCard(name="g2", node="n2")))
    make = Step(action=StepKind.CREATE, card="g2", placement=SMALL)
    move = Step(action=StepKind.MOVE, card="g2", placement=SMALL, pod=LivePod(name="b"),
                from_card="g1", from_placement=SMALL)  # fmt: skip
    found = actions_on(Backend.DEVICE_PLUGIN, state, (make, move))
    reached = parted_layout(a100, {SMALL.profile: 1})
    assert isinstance(found, Feasible)
    assert reached is not None
    assert found.actions[1] == replace(move, placement=reached.layout[0])


def test_a_label_that_leaves_start_slots_open_is_refused(a100: MigGrid) -> None:
    """Both one-g profiles tie in mig-parted's order."""
    tied = Placement(profile=ProfileName("1g.10gb"), start=0)
    idle = (LiveSlice(placement=tied), LiveSlice(placement=SMALL))
    cards = (LiveCard(name="g0", node="n"), LiveCard(name="g1", node="m", slices=idle))
    state = LiveState(grid=a100, cards=cards)
    steps = tuple(
        Step(action=StepKind.CREATE, card="g0", placement=place) for place in (tied, SMALL)
    )
    found = actions_on(Backend.DEVICE_PLUGIN, state, steps)
    assert isinstance(found, NotFeasible)
    assert "in several ways" in found.reason


def test_no_steps_rest_on_a_guess(a100: MigGrid) -> None:
    """A layout that was inferred from counts gets no steps."""
    state = replace(two_nodes(a100), is_inferred=True)
    found = actions_on(Backend.NVIDIA_SMI, state, planned(two_nodes(a100)))
    assert isinstance(found, NotFeasible)
    assert "guess" in found.reason


def test_room_is_made_too(a100: MigGrid) -> None:
    """Steps that make room for a waiting slice are taken as well."""
    state = two_nodes(a100)
    plan = make_room(state, {ProfileName("7g.40gb"): 1})
    assert isinstance(plan, RepackPlan)
    assert isinstance(actions_on(Backend.DRA, state, plan.steps), Feasible)


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_labels_never_touch_a_node_in_use(
    data: st.DataObject, small_states: st.SearchStrategy[LiveState]
) -> None:
    """Whatever the state: a relabelled node runs no pod, and every other step is the plan's."""
    state = data.draw(small_states)
    plan = repack(state)
    steps = plan.steps if isinstance(plan, RepackPlan) else ()
    found = actions_on(Backend.DEVICE_PLUGIN, state, steps)
    if isinstance(found, Feasible):
        assert all(action in steps for action in found.actions if isinstance(action, Step))
        assert not [a for a in found.actions if isinstance(a, Relabel) and a.node == "n"]


def test_profiles_that_a_back_end_cannot_hand_out_are_refused(a100: MigGrid) -> None:
    """DAS would give pods of a +me slice another one."""
    state = LiveState(grid=a100, cards=(LiveCard(name="g0"),))
    media = Placement(profile=ProfileName("1g.5gb+me"), start=0)
    idle = LiveSlice(placement=media)
    state = replace(state, cards=(LiveCard(name="g0", slices=(idle,)),))
    found = actions_on(
        Backend.DAS, state, (Step(action=StepKind.DESTROY, card="g0", placement=media),)
    )
    assert isinstance(found, NotFeasible)
    assert "another profile" in found.reason


def test_a_node_is_not_cut_for_a_slice_that_goes_again(a100: MigGrid) -> None:
    """A detour's slice is not in the end's layout, and the node is cut only once."""
    state = two_nodes(a100)
    state = replace(state, cards=(*state.cards, LiveCard(name="g2", node="n2")))
    make = Step(action=StepKind.CREATE, card="g2", placement=SMALL)
    gone = Step(action=StepKind.DESTROY, card="g2", placement=SMALL)
    found = actions_on(Backend.DEVICE_PLUGIN, state, (make, gone))
    assert isinstance(found, NotFeasible)
    assert "needed for a while only" in found.reason
