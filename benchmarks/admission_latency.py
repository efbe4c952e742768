"""What the webhook adds to a pod's creation at the API server, in milliseconds.

    .venv/bin/python benchmarks/admission_latency.py [--rounds 5] [--creates 500]

A control plane on loopback, the chart installed, one webhook process with the chart's rights.
Rounds alternate between a namespace in enforce and one that is switched off, so that both see the
same machine; every create is a dry run over a kept-alive connection. The figure is the difference
of quantiles over all rounds. First answers, for which nothing is remembered yet, are apart. API
server, etcd, webhook and clients share this machine's processors.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from tools.testbed import assets, nodes
from tools.testbed.api import Api
from tools.testbed.control_plane import ControlPlane
from tools.testbed.nodes import GpuNode
from tools.testbed.release import Release, Webhook

WITH, WITHOUT = "bench-with", "bench-without"
MODELS: Final = ("facebook/opt-1.3b", "facebook/opt-125m", "Qwen/Qwen2.5-0.5B-Instruct",
                 "Qwen/Qwen2.5-7B-Instruct", "meta-llama/Llama-3.1-8B-Instruct")  # fmt: skip
TARGETS_MS: Final = (15, 20, 30, 50, 100)
SEQUENCES: Final = (None, 64, 128)
QUANTILES: Final = (0.50, 0.90, 0.99)
NODES: Final = 8


def pods() -> list[dict[str, Any]]:
    """Return pods of 75 different questions: model, flags, target."""
    return [_pod(*one) for one in itertools.product(MODELS, TARGETS_MS, SEQUENCES)]


def _pod(model: str, target_ms: int, sequences: int | None) -> dict[str, Any]:
    flags = ["--model", model, "--max-model-len=2048"]
    flags += [] if sequences is None else [f"--max-num-seqs={sequences}"]
    notes = {"load-concurrency": "16", "input-tokens": "256", "output-tokens": "128",
             "slo-tpot": f"{target_ms}ms"}  # fmt: skip
    limits = {"nvidia.com/gpu": 1, "cpu": "4", "memory": "16Gi"}
    container = {"name": "vllm", "image": "vllm/vllm-openai:v0.10.2", "args": flags,
                 "resources": {"limits": limits}}  # fmt: skip
    annotations = {f"rightslice.dev/{key}": value for key, value in notes.items()}
    metadata = {"generateName": "pod-", "annotations": annotations}
    spec = {"containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def prepare(plane: ControlPlane) -> None:
    """Make GPU nodes, and the two namespaces."""
    for number in range(NODES):
        slices = {"nvidia.com/mig-1g.5gb": 2, "nvidia.com/mig-2g.10gb": 1,
                  "nvidia.com/mig-3g.20gb": 1, "nvidia.com/gpu": 4}  # fmt: skip
        nodes.create(plane, GpuNode(name=f"gpu-{number}", resources=slices))
    for name, mode in ((WITH, "enforce"), (WITHOUT, "off")):
        plane.kubectl("create", "namespace", name)
        plane.kubectl("label", "namespace", name, f"rightslice.dev/mode={mode}")
    accounts = ("get", "serviceaccounts", "-A", "-o=jsonpath={.items[*].metadata.namespace}")
    while not {WITH, WITHOUT} <= set(plane.kubectl(*accounts).split()):
        time.sleep(0.1)


def first_answers(api: Api, given: Sequence[dict[str, Any]]) -> Iterator[float]:
    """Yield what each pod's first review adds, in seconds: nothing of it is remembered yet."""
    for pod in given:
        without = min(_seconds(api, WITHOUT, pod) for _ in range(3))
        yield _seconds(api, WITH, pod) - without


def _seconds(api: Api, namespace: str, pod: dict[str, Any]) -> float:
    reply = api.create_pod(namespace, pod, dry_run=True)
    assert reply.status == 201, reply.body
    return reply.seconds


def one_round(
    plane: ControlPlane, namespace: str, given: Sequence[dict[str, Any]], shape: tuple[int, int]
) -> list[float]:
    """Return the seconds of a round's creates; *shape* is creates and clients."""
    creates, clients = shape
    seconds: list[float] = []

    def client(number: int) -> None:
        with closing(Api(plane)) as api:
            _seconds(api, namespace, given[0])  # the connection's own start does not count
            mine = range(number, creates, clients)
            seconds.extend([_seconds(api, namespace, given[n % len(given)]) for n in mine])

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seconds) == creates, "a client failed"
    return seconds


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least *share* of *values* do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def compare(
    plane: ControlPlane, given: Sequence[dict[str, Any]], rounds: int, shape: tuple[int, int]
) -> None:
    """Print quantiles with and without the webhook, and their difference."""
    found: dict[str, list[float]] = {WITH: [], WITHOUT: []}
    for number in range(rounds):
        order = (WITH, WITHOUT) if number % 2 else (WITHOUT, WITH)
        for namespace in order:
            found[namespace] += one_round(plane, namespace, given, shape)
    for share in QUANTILES:
        on, off = (quantile(found[name], share) * 1000 for name in (WITH, WITHOUT))
        print(f"{shape[1]:>7}  p{share * 100:<3.0f} {off:>9.2f} {on:>9.2f} {on - off:>+9.2f}")


def measure(plane: ControlPlane, rounds: int, creates: int) -> None:
    """Print first answers, then the quantiles for one and for eight clients."""
    given = pods()
    with closing(Api(plane)) as api:
        while "becomes" not in "".join(api.create_pod(WITH, given[0], dry_run=True).warnings):
            time.sleep(0.1)
        cold = [seconds * 1000 for seconds in first_answers(api, given[1:])]
    print(f"first answers of {len(cold)} questions: median {statistics.median(cold):.1f} ms,"
          f" largest {max(cold):.1f} ms more than without the webhook")  # fmt: skip
    print(f"{rounds} rounds of {creates} dry-run creates with and without, {len(given)} questions;"
          f" {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")  # fmt: skip
    print("clients  of      without      with     added  (ms)")
    for clients in (1, 8):
        compare(plane, given, rounds, (creates, clients))


def handler_line(webhook: Webhook) -> str:
    """Return the webhook's own count of its time, and the processor time that the kernel counts.

    The first includes waiting for a processor that others hold, the second starting and listing.
    """
    lines = webhook.get("/metrics")[1].splitlines()
    name = "rightslice_admission_duration_seconds"
    values = dict(line.rsplit(" ", 1) for line in lines if line.startswith(name))
    reviews = float(values[f"{name}_count"])
    fields = Path(f"/proc/{webhook.program.process.pid}/stat").read_text("ascii").split()
    ticks = int(fields[13]) + int(fields[14])
    cpu_ms = 1000 * ticks / os.sysconf("SC_CLK_TCK") / reviews
    handler_ms = 1000 * float(values[f"{name}_sum"]) / reviews
    return (
        f"the webhook, {reviews:.0f} reviews: {handler_ms:.2f} ms in the handler,"
        f" {cpu_ms:.2f} ms of processor time each"
    )


def main() -> int:
    """Start everything, measure, and end everything."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--creates", type=int, default=150)
    chosen = options.parse_args()
    if assets.found() is None:
        print("no control plane: build its programs with python -m tools.testbed.assets")
        return 0
    with (
        tempfile.TemporaryDirectory() as folder,
        ControlPlane.started(Path(folder)) as plane,
    ):
        prepare(plane)
        with Release.running(
            plane, {"confidence": "50%", "ceiling": "enforce"}, "bench"
        ) as release:
            measure(plane, chosen.rounds, chosen.creates)
            print(handler_line(release.processes[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
