"""The steps of a change of a node's layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.kube.relayout.limits import Limits
from rightslice.kube.relayout.machine import MovePods, Patch, Seen, Wait, WriteConfig, next_step
from rightslice.kube.relayout.record import Amount, Record, amounts
from rightslice.kube.relayout.step import ENDED, LayoutStep

BEFORE = {"nvidia.com/mig-1g.5gb": 7}
AFTER = {"nvidia.com/mig-1g.5gb": 4, "nvidia.com/mig-3g.20gb": 1}
LIMITS = Limits()
START = Record(
    demand="n/chat", step=LayoutStep.CORDONED, since="2026-11-22T12:00:00Z",
    former="all-1g.5gb", wanted="rightslice-1", before=amounts(BEFORE), after=amounts(AFTER),
)  # fmt: skip


def moment(seconds: int) -> str:
    """Return a moment so long after the start."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"2026-11-22T{12 + hours:02}:{minutes:02}:{rest:02}Z"


@dataclass
class Node:
    """A node that a change is carried out on; its mig-manager answers when `answers` says so."""

    answers: Mapping[str, str]
    """State that comes of each label."""
    pods: int = 0
    record: Record = START
    label: str = "all-1g.5gb"
    state: str = "success"
    is_cordoned: bool = True
    is_configured: bool = False
    handed_out: Mapping[str, int] = field(default_factory=lambda: BEFORE)
    seconds: int = 0

    def seen(self) -> Seen:
        """Return what an operator sees now."""
        return Seen(
            is_cordoned=self.is_cordoned, label=self.label, state=self.state,
            handed_out=self.handed_out, pods=tuple(f"n/p-{i}" for i in range(self.pods)),
            is_configured=self.is_configured,
        )  # fmt: skip

    def step(self, **changed: object) -> None:
        """Let an operator that knows nothing but the record take a step; then time passes."""
        seen = replace(self.seen(), **changed)  # type: ignore[arg-type]  # fields of Seen
        match next_step(self.record, seen, LIMITS, moment(self.seconds)):
            case Patch(record=record, cordon=cordon, label=label):
                self.record = record
                self.is_cordoned = self.is_cordoned if cordon is None else cordon
                self._tell(label)
            case WriteConfig():
                self.is_configured = True
            case MovePods():
                self.pods -= 1
        self.seconds += 20

    def _tell(self, label: str | None) -> None:
        if label is None:
            return
        self.label = label
        self.state = self.answers.get(label, "pending")
        if self.state == "success":
            self.handed_out = AFTER if label == START.wanted else BEFORE

    def run(self) -> list[LayoutStep]:
        """Step until the change has ended; return the steps that the record went through."""
        steps = [self.record.step]
        for _ in range(800):
            self.step()
            if self.record.step is not steps[-1]:
                steps.append(self.record.step)
        return steps


GOES_WELL = {"rightslice-1": "success", "all-1g.5gb": "success"}


def test_a_change_that_goes_well() -> None:
    """Cordon, configuration, pods away, label, and the node takes pods again."""
    node = Node(GOES_WELL, pods=3)
    assert [one.value for one in node.run()] == [
        "Cordoned", "Configured", "Drained", "Labelled", "Done",
    ]  # fmt: skip
    assert (node.is_cordoned, node.handed_out, node.pods) == (False, AFTER, 0)


@pytest.mark.parametrize(
    ("answers", "end", "says"),
    [
        ({**GOES_WELL, "rightslice-1": "failed"}, "RolledBack", "could not cut the cards"),
        ({**GOES_WELL, "rightslice-1": "pending"}, "RolledBack", "mig-manager says pending"),
        ({"rightslice-1": "failed", "all-1g.5gb": "failed"}, "Failed", "Look at its mig-manager"),
        ({"rightslice-1": "rebooting"}, "Failed", "nor did that come about"),
    ],
)
def test_a_change_that_fails(answers: dict[str, str], end: str, says: str) -> None:
    """It goes back to the former configuration; the node takes pods again whatever happens."""
    node = Node(answers)
    assert node.run()[-1].value == end
    assert says in node.record.message
    assert (node.is_cordoned, node.label) == (False, "all-1g.5gb")


def test_a_success_without_devices_is_not_believed() -> None:
    """mig-manager says success, the node hands out what it did: it is told to go back."""
    node = Node({"all-1g.5gb": "success"})
    node.record = replace(START, step=LayoutStep.LABELLED)
    node.label, node.state, node.is_configured = "rightslice-1", "success", True
    assert isinstance(next_step(node.record, node.seen(), LIMITS, moment(60)), Wait)
    assert node.run()[1:] == [LayoutStep.ROLLING_BACK, LayoutStep.ROLLED_BACK]
    assert "not 4 nvidia.com/mig-1g.5gb, 1 nvidia.com/mig-3g.20gb" in node.record.message


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"unwanted": "n/chat is gone"}, "n/chat is gone; nothing was cut"),
        ({"is_cordoned": False}, "somebody uncordoned the node"),
        ({"label": "all-balanced"}, "somebody changed the node's configuration to all-balanced"),
        ({"stays": "pod x/y is not ours"}, "pod x/y is not ours"),
    ],
)
@pytest.mark.parametrize("step", [LayoutStep.CORDONED, LayoutStep.CONFIGURED, LayoutStep.DRAINED])
def test_before_the_label_it_is_given_up(
    changed: dict[str, object], says: str, step: LayoutStep
) -> None:
    """Whatever makes it needless or impossible, the node is uncordoned and nothing is cut."""
    node = Node(GOES_WELL, record=replace(START, step=step))
    node.step(**changed)
    assert (node.record.step, node.is_cordoned) == (LayoutStep.ABANDONED, False)
    assert says in node.record.message


def test_pods_that_never_go_end_it() -> None:
    """After half an hour, with the pods that kept the node."""
    node = Node(GOES_WELL, pods=1000)
    assert node.run()[-1] is LayoutStep.ABANDONED
    assert "n/p-0" in node.record.message


def test_the_label_waits_until_the_configuration_is_there() -> None:
    """The kubelet takes its time to renew a mounted ConfigMap; a name not in it would fail."""
    record = replace(START, step=LayoutStep.CONFIGURED)
    seen = Node(GOES_WELL, is_configured=True).seen()
    assert isinstance(next_step(record, seen, LIMITS, moment(89)), Wait)
    found = next_step(record, seen, LIMITS, moment(91))
    assert isinstance(found, Patch)
    assert found.record.step is LayoutStep.DRAINED


@settings(deadline=None)
@given(
    answers=st.fixed_dictionaries(
        {}, optional={
            name: st.sampled_from(["success", "failed", "rebooting", "odd"])
            for name in ("rightslice-1", "all-1g.5gb")
        },
    ),
    pods=st.integers(0, 40),
    meddling=st.dictionaries(
        st.integers(0, 60),
        st.sampled_from([{"is_cordoned": False}, {"label": "x"}, {"unwanted": "gone"}]),
    ),
)  # fmt: skip
def test_every_change_ends_with_the_node_uncordoned(
    answers: dict[str, str], pods: int, meddling: dict[int, dict[str, object]]
) -> None:
    """Whatever mig-manager and people do; and done means that the wanted slices are there."""
    node = Node(answers, pods=pods)
    for index in range(800):
        node.step(**meddling.get(index, {}))
        if node.record.step in ENDED:
            break
    assert node.record.step in ENDED
    assert not node.is_cordoned
    assert node.record.step is not LayoutStep.DONE or node.handed_out == AFTER


def test_an_ended_change_is_left_alone() -> None:
    """Nothing follows."""
    for step in ENDED:
        assert next_step(replace(START, step=step), Node({}).seen(), LIMITS, moment(0)) is None


def test_amounts_leave_out_what_there_is_none_of() -> None:
    """A device plugin leaves resources behind with a count of zero."""
    assert amounts({"b": 0, "a": 2}) == (Amount(name="a", count=2),)
