"""From what runs to what should."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rightslice.kube.operate.transition import Delete, Scale, Target, missing, steps
from rightslice.kube.operate.view import Part, Running

counts = st.integers(0, 4)


@st.composite
def deployments(draw: st.DrawFn) -> tuple[Running, ...]:
    """Up to three revisions, each with both parts, in any state."""
    found = []
    for revision in draw(st.sets(st.sampled_from("abc"), max_size=3)):
        for part in Part:
            replicas, pods = draw(counts), draw(counts)
            found.append(
                Running(
                    name=f"{revision}-{part.value}", revision=revision, part=part,
                    replicas=replicas, pods=pods, ready=draw(st.integers(0, pods)), offer=None,
                )
            )  # fmt: skip
    return tuple(found)


targets = st.builds(
    Target,
    revision=st.sampled_from("abcd"),
    guaranteed=st.integers(1, 3),
    elastic=st.integers(0, 3),
)


def _ready_after(running: tuple[Running, ...], done: tuple[Scale | Delete, ...]) -> int:
    scaled = {one.name: one.replicas for one in done if isinstance(one, Scale)}
    gone = {one.name for one in done if isinstance(one, Delete)}
    return sum(
        min(one.ready, scaled.get(one.name, one.replicas))
        for one in running
        if one.name not in gone
    )


@given(deployments(), targets)
def test_no_step_leaves_fewer_ready_than_wanted(
    running: tuple[Running, ...], target: Target
) -> None:
    """Ready pods are given up only beyond what is wanted."""
    before = sum(min(one.ready, one.replicas) for one in running)
    after = _ready_after(running, steps(running, target))
    assert after >= min(before, target.wanted)


@given(deployments(), targets)
def test_steps_lead_to_the_target(running: tuple[Running, ...], target: Target) -> None:
    """Where every pod that is asked for becomes ready, only the target is left."""
    now = {one.name: one for one in running}
    for part, count in missing(running, target).items():
        name = f"{target.revision}-{part.value}"
        now[name] = Running(name=name, revision=target.revision, part=part, replicas=count,
                            pods=count, ready=count, offer=None)  # fmt: skip
    for _ in range(6):
        seen = [_all_ready(one) for one in now.values()]
        now = {one.name: one for one in seen}
        for one in steps(seen, target):
            if isinstance(one, Delete):
                del now[one.name]
            else:
                now[one.name] = _scaled(now[one.name], one.replicas)
    left = {one.part: one.replicas for one in now.values() if one.replicas}
    wanted = {Part.GUARANTEED: target.guaranteed, Part.ELASTIC: target.elastic}
    assert left == {part: count for part, count in wanted.items() if count}
    assert {one.revision for one in now.values()} == {target.revision}


def _all_ready(one: Running) -> Running:
    return _scaled(one, one.replicas)


def _scaled(one: Running, replicas: int) -> Running:
    return Running(
        name=one.name, revision=one.revision, part=one.part, replicas=replicas, pods=replicas,
        ready=replicas, offer=one.offer,
    )  # fmt: skip
