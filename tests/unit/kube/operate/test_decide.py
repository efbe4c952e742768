"""What becomes of ModelDeployments."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.share import Exclusive
from rightslice.core.fit.fit import fit
from rightslice.core.fit.offers import CardKind, slices
from rightslice.core.fit.offers import offers as core_offers
from rightslice.kube.crd.condition import ConditionStatus
from rightslice.kube.operate.ask import ask
from rightslice.kube.operate.decide import Outcome, decide, decide_all
from rightslice.kube.operate.transition import Apply
from rightslice.kube.parse.question import Asked
from tests.unit.kube.admission.worlds import constants, node
from tests.unit.kube.crd.specs import fuzzed
from tests.unit.kube.operate.worlds import NOW, Play, catalog, served, world

ONE_CARD = {
    "nvidia.com/mig-1g.5gb": "1", "nvidia.com/mig-2g.10gb": "1", "nvidia.com/mig-3g.20gb": "1",
}  # fmt: skip
MANY = {
    "nvidia.com/mig-1g.5gb": "8", "nvidia.com/mig-2g.10gb": "8", "nvidia.com/mig-3g.20gb": "8",
    "nvidia.com/gpu": "8",
}  # fmt: skip


def test_the_talks_load_gets_the_slice_of_the_talk() -> None:
    """64 clients of opt-1.3b at 30 ms on an A100-40: 2g.10gb, with its numbers."""
    decision = decide(served(), world(node("a", ONE_CARD)), NOW)
    found = decision.status.recommendation
    assert found is not None
    assert (found.offer.resource, found.offer.replicas) == ("nvidia.com/mig-2g.10gb", 1)
    assert found.refused[0].offer == "A100-SXM-40GB 1g.5gb"
    assert found.latency[0].target == "30 ms"
    assert "--max-num-seqs" in " ".join(found.flags)


def test_advise_does_nothing() -> None:
    """It proposes, and the condition says how to have it done."""
    decision = decide(served(), world(node("a", ONE_CARD)), NOW)
    assert decision.actions == ()
    settled = decision.status.conditions[-1]
    assert (settled.status, settled.reason) == (ConditionStatus.FALSE, "NotEnforced")
    assert decision.status.proposed is not None


def test_the_price_is_that_of_the_part_of_the_card() -> None:
    """A 2g.10gb costs two sevenths of a card."""
    around = replace(world(node("a", ONE_CARD)), card_price=lambda _node: Fraction(7, 2))
    found = decide(served(), around, NOW).status.recommendation
    assert found is not None
    assert found.offer.usd_per_hour == "1.00"


@pytest.mark.parametrize(
    ("changed", "outcome", "says"),
    [
        ({"model": "none"}, Outcome.INVALID, "there is no Model none in n"),
        ({"input": "uniform(9,3)"}, Outcome.INVALID, "needs 1 <= low <= high"),
        ({"engine": {"version": "0.1"}}, Outcome.INVALID, "engine.version"),
        ({"engine": {"flags": ["--num-gpu-blocks-override=9"]}}, Outcome.INVALID, "set by hand"),
        ({"load": {"concurrency": 100_000}}, Outcome.NOTHING_HOLDS, "would turn"),
        ({"mode": "off"}, Outcome.OFF, ""),
    ],
)
def test_a_refusal_says_what_to_change(
    changed: dict[str, object], outcome: Outcome, says: str
) -> None:
    """In the conditions, with the number."""
    decision = decide(served("chat", **changed), world(node("a", ONE_CARD)), NOW)
    assert decision.outcome is outcome
    assert says in " ".join(one.message for one in decision.status.conditions)


def test_what_one_is_given_is_not_promised_to_the_next() -> None:
    """Larger priority first; the second takes the next larger slice, the third waits."""
    three = [served("a"), served("b", priority=5), served("c")]
    found = decide_all(three, world(node("x", ONE_CARD)), NOW)
    assert [one.key[1] for one in found] == ["b", "a", "c"]
    taken = [one.status.recommendation for one in found]
    assert [one and one.offer.resource for one in taken] == [
        "nvidia.com/mig-2g.10gb", "nvidia.com/mig-3g.20gb", None,
    ]  # fmt: skip
    assert found[2].outcome is Outcome.NO_ROOM
    assert "2g.10gb" in found[2].status.waiting_for[0]


def test_nothing_is_decided_on_an_old_view() -> None:
    """The conditions are unknown, not false; what was found before is kept."""
    around = world(node("a", ONE_CARD))
    before = decide(served(), around, NOW).status
    around = replace(around, problem="Node of the cluster could not be followed")
    decision = decide(replace(served(mode="enforce"), before=before), around, NOW)
    assert decision.actions == ()
    assert decision.status.recommendation == before.recommendation
    assert decision.status.conditions[0].status is ConditionStatus.UNKNOWN


@given(st.integers(0, 10**9))
@settings(max_examples=25, deadline=None)
def test_fuzzed_specs_become_conditions(seed: int) -> None:
    """Whatever an object holds, there is a decision, and a message where it is refused."""
    decision = decide(served(**fuzzed(seed)), world(node("a", ONE_CARD)), NOW)
    accepted = decision.status.conditions[0]
    refused = decision.outcome is Outcome.INVALID
    assert (accepted.status is ConditionStatus.FALSE) == refused
    assert not refused or accepted.message


@given(st.integers(1, 400), st.sampled_from(["opt", "mistral", "llama"]), st.integers(1, 3))
@settings(max_examples=8, deadline=None)
def test_it_decides_as_fit_does(concurrency: int, model: str, most: int) -> None:
    """The same offer and replicas as `fit` over the same cards."""
    one = served(model=model, load={"concurrency": concurrency}, replicas={"max": most})
    around = world(node("a", MANY))
    assert one.spec is not None
    given_model = around.models["n", model]
    assert not isinstance(given_model, str)
    asked = ask(one.spec, given_model, around.release)
    assert isinstance(asked, Asked)
    gpu = catalog().gpu("A100-SXM-40GB")
    kind = CardKind(
        pool=str(gpu.name), gpu=gpu, cards_per_node=8, memory_bytes=None, instance=None,
        price=None, card_usd_per_hour=None,
    )  # fmt: skip
    shares = [one for one in slices(gpu) if str(one.profile) in ("1g.5gb", "2g.10gb", "3g.20gb")]
    every = [*core_offers(kind, shares), *core_offers(kind, [Exclusive()])]
    wanted = fit(asked.question, every, constants=constants()).chosen
    found = decide(one, around, NOW).status.recommendation
    assert (wanted is None) == (found is None)
    if wanted is not None and found is not None:
        assert (found.offer.offer, found.offer.replicas) == (
            wanted.offer.name, wanted.judgement.replicas,
        )  # fmt: skip


@given(
    st.lists(
        st.tuples(st.sampled_from([8, 64, 128]), st.integers(1, 2), st.integers(0, 5)), max_size=4
    ),
)
@settings(max_examples=10, deadline=None)
def test_never_fewer_are_ready_than_guaranteed(
    changes: list[tuple[int, int, int]],
) -> None:
    """Through changes of load and of the minimum, while pods become ready one at a time."""
    play = Play(served(mode="enforce"), settle_seconds=0)
    around = world(node("a", MANY))
    play.settle(around)
    for concurrency, least, index in changes:
        before = play.ready
        play.load(concurrency, replicas={"min": least, "max": 4})
        for _ in range(8):
            play.decide(around)
            assert play.ready >= min(before, least)
            play.make_ready(index)
            before = max(before, play.ready) if before < least else before


def test_a_bigger_load_moves_make_before_break() -> None:
    """The old pod goes when the new one is ready, not before."""
    play = Play(served(mode="enforce"))
    around = world(node("a", MANY))
    play.settle(around)
    old = play.running
    play.load(128)
    decision = play.decide(around)
    assert len(play.running) == 2
    assert play.ready == 1
    assert "keep serving until then" in decision.status.waiting_for[0]
    settled = play.settle(around)
    assert settled.status.current is not None
    assert settled.status.current.resource == "nvidia.com/mig-3g.20gb"
    assert old[0].name not in play.deployments


def test_a_load_at_a_boundary_does_not_flap() -> None:
    """Over 24 minutes of a load that comes and goes, there is one move."""
    play = Play(served(mode="enforce"))
    around = world(node("a", MANY))
    play.settle(around)
    offers = []
    for minute in range(24):
        play.now = NOW + dt.timedelta(minutes=minute)
        play.load(128 if minute % 4 == 0 else 64)
        offers.append(play.settle(around, rounds=3).status.current)
    moves = sum(a != b for a, b in pairwise(offers))
    assert moves <= 1, [one and one.offer for one in offers]


def test_a_load_that_stays_low_goes_back() -> None:
    """After the settling time, which the status tells."""
    play = Play(served(mode="enforce"))
    around = world(node("a", MANY))
    play.load(128)
    play.settle(around)
    play.load(48)
    waiting = play.decide(around).status
    assert waiting.lowering is not None
    assert "to stay so low for 600 s" in " ".join(waiting.waiting_for)
    play.now = NOW + dt.timedelta(seconds=601)
    found = play.settle(around).status.current
    assert found is not None
    assert found.resource == "nvidia.com/mig-2g.10gb"


def test_a_settled_deployment_is_left_alone() -> None:
    """Deciding twice changes nothing, status included."""
    play = Play(served(mode="enforce"))
    around = world(node("a", MANY))
    first = play.settle(around)
    again = play.decide(around)
    assert again.status == first.status
    assert [type(one).__name__ for one in again.actions] == ["Apply"] * 3
    applied = [one.manifest["kind"] for one in again.actions if isinstance(one, Apply)]
    assert applied == ["Deployment", "Service", "PodDisruptionBudget"]
    assert first.status.conditions[-1].status is ConditionStatus.TRUE


def test_the_elastic_part_is_a_deployment_of_its_own() -> None:
    """What is guaranteed and what the load needs beyond are told apart."""
    play = Play(served(mode="enforce"))
    play.load(400, replicas={"min": 1, "max": 8})
    around = world(node("a", {"nvidia.com/mig-2g.10gb": "8"}))
    play.settle(around)
    parts = {one.part.value: one.ready for one in play.running}
    assert parts["guaranteed"] == 1
    assert parts["elastic"] >= 3
    names = [one.name for one in play.running if one.part.value == "elastic"]
    assert names[0].endswith("-elastic")


@given(st.lists(st.sampled_from([8, 64, 128, 250, 400]), min_size=2, max_size=4))
@settings(max_examples=10, deadline=None)
def test_every_change_of_load_settles(loads: list[int]) -> None:
    """What runs comes to be what is recommended, guaranteed and elastic part of one revision."""
    play = Play(served(mode="enforce"), settle_seconds=0)
    around = world(node("a", MANY))
    for concurrency in loads:
        play.load(concurrency, replicas={"min": 1, "max": 4})
        settled = play.settle(around, rounds=12)
        assert settled.status.conditions[-1].reason == "Settled", settled.status.waiting_for
        assert len({one.revision for one in play.running}) == 1


def test_elastic_replicas_join_a_revision_that_serves() -> None:
    """They run with its flags, though a load of that size would have had others."""
    play = Play(served(mode="enforce"))
    around = world(node("a", {"nvidia.com/mig-2g.10gb": "8"}))
    play.load(64, replicas={"min": 1, "max": 8})
    play.settle(around)
    first = play.running[0]
    play.load(90, replicas={"min": 1, "max": 8})
    assert play.settle(around).status.conditions[-1].reason == "Settled"
    assert {(one.revision, one.arguments) for one in play.running} == {
        (first.revision, first.arguments)
    }
    assert {one.part.value for one in play.running} == {"guaranteed", "elastic"}


@pytest.mark.parametrize("engine", [{"version": "0.9.2"}, {"image": "registry/vllm:fixed"}])
def test_another_image_is_another_revision(engine: dict[str, object]) -> None:
    """A changed release or image of the engine is rolled out, the old pod going last."""
    play = Play(served(mode="enforce"))
    around = world(node("a", MANY))
    old = play.settle(around).status.current
    play.load(64, engine={"version": "0.6.3"} | engine)
    play.decide(around)
    assert play.ready == 1
    new = play.settle(around).status.current
    assert old is not None
    assert new is not None
    assert old.revision != new.revision


def test_the_scale_subresource_speaks_of_the_guaranteed_part() -> None:
    """What is asked of it is the minimum; selector and count are of the pods that this means."""
    play = Play(served(mode="enforce"))
    play.load(400, replicas={"min": 1, "max": 8})
    status = play.settle(world(node("a", {"nvidia.com/mig-2g.10gb": "8"}))).status
    assert (status.guaranteed_replicas, status.replicas > 1) == (1, True)
    wanted = dict(one.split("=") for one in status.selector.split(","))
    made = [
        one["spec"]["template"]["metadata"]["labels"].items() >= wanted.items()
        for one in play.deployments.values()
    ]
    assert sorted(made) == [False, True]


def test_a_deployment_that_others_changed_is_set_right_or_replaced() -> None:
    """Where what it should be is known it is applied again; an earlier revision is left for it."""
    play = Play(served(mode="enforce"))
    around = world(node("a", MANY))
    play.settle(around)
    (one,) = play.running
    edited = replace(one, is_drifted=True, arguments=("--port=1",), image="other")
    decision = decide(replace(play.one, running=(edited,)), around, NOW)
    assert isinstance(decision.actions[0], Apply)
    assert decision.actions[0].manifest["metadata"]["name"] == one.name  # type: ignore[index, call-overload]  # a manifest is JSON
    earlier = replace(edited, revision="00000000", arguments=one.arguments, image=one.image)
    for running, offers in ((earlier, 2), (replace(earlier, is_drifted=False), 1)):
        found = decide(replace(play.one, running=(running,)), around, NOW).status.proposed
        assert (found is None) == (offers == 1)


def _pods(play: Play, node_name: str | None) -> tuple[dict[str, object], ...]:
    """Return one pod of each Deployment, bound to a node or to none."""
    found: list[dict[str, object]] = []
    for name, one in play.deployments.items():
        template = one["spec"]["template"]
        metadata = {"name": name, "namespace": "n", "labels": template["metadata"]["labels"]}
        spec = {**template["spec"], **({} if node_name is None else {"nodeName": node_name})}
        found.append({"metadata": metadata, "spec": spec, "status": {}})
    return tuple(found)


def test_a_slice_that_its_own_pod_took_is_still_its_own() -> None:
    """While the pod loads, no larger slice is asked for."""
    play = Play(served(mode="enforce"))
    play.decide(world(node("a", ONE_CARD)))
    names = set(play.deployments)
    decision = play.decide(world(node("a", ONE_CARD), pods=_pods(play, "a")))
    found = decision.status.recommendation
    assert found is not None
    assert found.offer.resource == "nvidia.com/mig-2g.10gb"
    assert set(play.deployments) == names


def test_pods_whose_node_is_gone_are_planned_anew() -> None:
    """They wait for a slice that nobody hands out any more: what is free elsewhere is taken."""
    play = Play(served(mode="enforce"))
    play.settle(world(node("a", {"nvidia.com/mig-2g.10gb": "1"})))
    taken = node("b", {"nvidia.com/mig-2g.10gb": "0", "nvidia.com/mig-3g.20gb": "1"})
    decision = play.decide(world(taken, pods=_pods(play, None)))
    found = decision.status.recommendation
    assert found is not None
    assert found.offer.resource == "nvidia.com/mig-3g.20gb"
    assert len(play.deployments) == 2


def test_pods_that_wait_do_not_compete_with_themselves() -> None:
    """A place that is free is theirs, though as many pods wait for one."""
    play = Play(served(mode="enforce"))
    around = world(node("a", {"nvidia.com/mig-2g.10gb": "1", "nvidia.com/mig-3g.20gb": "1"}))
    play.decide(around)
    decision = play.decide(
        world(node("a", {"nvidia.com/mig-2g.10gb": "1", "nvidia.com/mig-3g.20gb": "1"}),
              pods=_pods(play, None))
    )  # fmt: skip
    found = decision.status.recommendation
    assert found is not None
    assert found.offer.resource == "nvidia.com/mig-2g.10gb"
