"""Deployments stay those of their ModelDeployment where its secrets are hidden."""

from __future__ import annotations

from typing import Any

from rightslice.kube.operate.view import SETTINGS_NOTE
from rightslice.kube.snapshot.value import Snapshot, snapshot_of
from tests.unit.entry.kubectl.fleets import decisions, gpu_node, model, operator, played, served

SECRET = {"env": [{"name": "HF_TOKEN", "value": "a-made-up-one"}]}


def _notes(snapshot: Snapshot) -> list[str]:
    found: Any = snapshot.of("Deployment")
    notes = [one["metadata"].get("annotations", {}).get(SETTINGS_NOTE) for one in found]
    return [one for one in notes if one is not None]


def test_a_hidden_secret_moves_nothing() -> None:
    """What runs is still what should run, and the second snapshot is the first."""
    one = served("chat", mode="enforce", pod=SECRET)
    objects = played([gpu_node("gpu-0", {"nvidia.com/gpu": 2}), model(), operator(), one], 4)
    taken = snapshot_of(objects)
    assert SECRET["env"][0]["value"] not in str(taken.objects)
    assert len(_notes(taken)) == 1
    again: Any = [each for every in taken.objects.values() for each in every]
    assert snapshot_of(again).objects == taken.objects
    (before,), (after,) = decisions(objects), decisions(again)
    assert before.status.proposed is None
    assert after.status == before.status


def test_settings_that_are_shown_stay_as_they_are() -> None:
    """Nothing is rewritten where nothing is hidden."""
    one = served("chat", mode="enforce", pod={"labels": {"team": "x"}})
    objects = played([gpu_node("gpu-0", {"nvidia.com/gpu": 2}), model(), operator(), one], 3)
    made: Any = [each for each in objects if each["kind"] == "Deployment"]
    said = [each["metadata"].get("annotations", {}).get(SETTINGS_NOTE) for each in made]
    assert _notes(snapshot_of(objects)) == [each for each in said if each is not None]
