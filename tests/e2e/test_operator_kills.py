"""A hundred SIGKILLs at every step of its work: the operator goes on where it was."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.apiproxy import Call, Cut, Door, Fault, door
from tests.e2e.operating import (
    MODELS,
    NAMESPACE,
    PodWatch,
    found,
    gpu_nodes,
    make_models,
    serve,
    until_settled,
)
from tests.e2e.waiting import eventually
from tools.testbed.control_plane import ControlPlane
from tools.testbed.nodes import GpuNode

KILLS = 100
LONGEST_LIFE_SECONDS = 6.0
"""Of one that should die of a write, and has fewer to do than it was given."""
SLICES = {"nvidia.com/mig-1g.5gb": 3, "nvidia.com/mig-2g.10gb": 3, "nvidia.com/mig-3g.20gb": 3}
"""Of three A100 40GB: 6 of 7 compute slices and 7 of 8 memory slices of each."""
TARGETS = {"opt": "30ms", "mistral": "60ms", "llama": "60ms"}
LOADS = {"opt": (1, 128), "mistral": (1, 16, 64, 128), "llama": (1, 16)}
"""Concurrent clients that some slice holds: most changes of them need another."""
PLACES = ("modeldeployments", "models", "deployments", "services", "poddisruptionbudgets", "events",
          "scale", "status")  # fmt: skip


@dataclass
class Victim:
    """An operator that is killed at a call of its own: before it is carried out, or after it."""

    warm: subprocess.Popen[str]
    door: Door
    chosen: random.Random
    pid: int = 0
    left: int | None = None
    """Writes until it dies; None: it dies by the clock."""
    at_writes: Counter[str] = field(default_factory=Counter)
    """Kills at a call that writes, by method and resource; the others came by the clock."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Start one."""
        assert self.warm.stdin is not None
        assert self.warm.stdout is not None
        self.warm.stdin.write("\n")
        self.warm.stdin.flush()
        self.pid = int(self.warm.stdout.readline())

    def live_and_die(self) -> None:
        """Start one, and end it at one of its next writes, or at some moment."""
        by_write = self.chosen.random() < 0.7
        self.left = self.chosen.randint(1, 6) if by_write else None
        longest = LONGEST_LIFE_SECONDS if by_write else self.chosen.uniform(0.1, 2.0)
        self.start()
        deadline = time.monotonic() + longest
        while is_alive(self.pid):
            if time.monotonic() > deadline:
                self.kill()
            time.sleep(0.02)

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def strike(self, call: Call) -> Fault:
        """Return what the door does with *call*: at the last of its life it never hears of it."""
        with self._lock:
            if not self.left or call.method == "GET" or "/leases" in call.place:
                return None
            self.left -= 1
            if self.left:
                return None
            names = [one for one in PLACES if f"/{one}" in call.place]
            self.at_writes[f"{call.method} {names[-1]}"] += 1
            is_done = self.chosen.random() < 0.5
        if not is_done:
            self.kill()
        return Cut(is_done=is_done)

    def after(self, call: Call) -> None:
        """Kill it when the call that it should die of has been carried out."""
        if self.left == 0 and call.method != "GET" and "/leases" not in call.place:
            self.kill()


def is_alive(pid: int) -> bool:
    """Whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def warmed(kubeconfig: Path, log: Path) -> Iterator[subprocess.Popen[str]]:
    """Run the parent of operators."""
    command = [
        sys.executable, "-m", "tests.e2e.warm", f"--kubeconfig={kubeconfig}",
        f"--namespace={NAMESPACE}", "--ceiling=enforce", "--settle=0", "--host=127.0.0.1",
    ]  # fmt: skip
    with (
        log.open("wb") as out,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=out,
            text=True,
            start_new_session=True,
        ) as parent,
    ):
        try:
            yield parent
        finally:
            os.killpg(parent.pid, signal.SIGKILL)


def test_a_hundred_kills(plane: ControlPlane, namespace: str, rights: Path, tmp_path: Path) -> None:
    """While loads change: no object twice, none without an owner, never too few ready pods."""
    chosen = random.Random(100)  # noqa: S311 - repeatable, not secret
    make_models(plane, namespace)
    watch = PodWatch(plane, namespace)
    log = tmp_path / "operator.log"
    with (
        gpu_nodes(plane, GpuNode(name="kills", count=3, resources=SLICES)),
        door(plane, rights) as (opened, kubeconfig),
        warmed(kubeconfig, log) as parent,
        watch.following(),
    ):
        victim = Victim(parent, opened, chosen)
        for name in MODELS:
            serve(plane, namespace, name, slo={"tpot": TARGETS[name]})
        victim.start()
        until_settled(plane, namespace, *MODELS)
        watch.arm()
        victim.kill()
        opened.fault, opened.after = victim.strike, victim.after
        loads = dict.fromkeys(MODELS, 1)
        for _ in range(KILLS):
            name = chosen.choice(tuple(MODELS))
            loads[name] = chosen.choice([one for one in LOADS[name] if one != loads[name]])
            target = {"tpot": TARGETS[name]}
            serve(plane, namespace, name, concurrency=loads[name], slo=target)
            victim.live_and_die()
            plane.kubectl("-n", NAMESPACE, "delete", "lease", "rightslice-operator",
                          "--ignore-not-found")  # fmt: skip
        opened.fault, opened.after = (lambda _call: None), (lambda _call: None)
        victim.start()
        until_settled(plane, namespace, *MODELS)
        eventually(lambda: _objects(plane, namespace) == _expected(plane, namespace), 60)
    assert victim.at_writes.total() >= KILLS // 2, victim.at_writes
    assert len(victim.at_writes) > 4, victim.at_writes
    assert set(watch.fewest) == set(MODELS)
    assert min(watch.fewest.values()) >= 1
    assert max(len(one) for one in watch.seen.values()) > 4, "hardly anything moved"
    assert "Traceback" not in log.read_text("utf-8")


def _objects(plane: ControlPlane, namespace: str) -> Counter[tuple[str, str, str]]:
    """Return kind and name of everything that was made, with its owner's."""
    kinds = "deployments,services,poddisruptionbudgets,resourceclaimtemplates"
    return Counter(
        (one["kind"], one["metadata"]["name"], owner["name"])
        for one in found(plane, namespace, kinds)
        for owner in one["metadata"].get("ownerReferences", [{"name": ""}])
    )


def _expected(plane: ControlPlane, namespace: str) -> Counter[tuple[str, str, str]]:
    """Return what there should be by the statuses: nothing twice, and nothing left over."""
    wanted: Counter[tuple[str, str, str]] = Counter()
    for one in found(plane, namespace, "mdep"):
        name, current = one["metadata"]["name"], one["status"]["current"]
        assert current["replicas"] == 1
        wanted["Deployment", f"{name}-{current['revision']}", name] += 1
        wanted["Service", name, name] += 1
        wanted["PodDisruptionBudget", name, name] += 1
    return wanted
