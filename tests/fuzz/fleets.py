"""Odd clusters with ModelDeployments: whatever a node, a Model, a spec or a status may hold."""

from __future__ import annotations

import json
import random
from copy import deepcopy
from typing import Any, Final

from tests.unit.kube.crd.specs import fuzzed, spec
from tests.unit.kube.snapshot.objects import node

API: Final = "rightslice.dev/v1alpha1"
ODD: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 1, 3.5, 2**63, "", " ", "x", "NaN", "-5", "1e400", "30ms", "\u0000", [], {},
    "\u00e4" * 90, "a" * 3000, [[]], [None], {"a": {"b": []}}, "Infinity", 10**30, 1e308, "0", "7",
)  # fmt: skip
CONFIG: Final[dict[str, Any]] = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 2048,
    "intermediate_size": 8192, "num_attention_heads": 32, "num_hidden_layers": 16,
    "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128256,
    "max_position_embeddings": 131072, "torch_dtype": "bfloat16", "tie_word_embeddings": True,
}  # fmt: skip
CALIBRATIONS: Final[tuple[Any, ...]] = (
    [], [{"name": "files"}], [{"name": "files", "key": "broken.json"}], [{"name": "none"}], [{}],
    [{"name": "files", "key": "config.json"}], "files", [None], None,
)  # fmt: skip
PRODUCTS: Final = (
    "NVIDIA-A100-SXM4-40GB", "NVIDIA-H100-80GB-HBM3", "NVIDIA-X9000", "", "Tesla-T4",
    "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb", "NVIDIA-L4-SHARED", "a" * 400,
)  # fmt: skip
RESOURCES: Final = (
    "nvidia.com/gpu", "nvidia.com/mig-1g.5gb", "nvidia.com/mig-3g.20gb", "nvidia.com/mig-9g.99gb",
    "nvidia.com/mig-", "nvidia.com/gpu.shared", "amd.com/gpu", "nvidia.com/mig-1g.10gb.me",
)  # fmt: skip
EDGES: Final[dict[str, tuple[Any, ...]]] = {
    "load": (
        {"concurrency": 1}, {"concurrency": 1_000_000}, {"rate": "0.000001/h"}, {"rate": "2/s"},
        {"rate": "999999999/s"}, {"concurrency": 37},
    ),
    "input": (1, 128, 9_999_999, "uniform(1,9999999)", "lognormal(512,3.9999)", "8Ki"),
    "output": (1, 128, 9_999_999, "uniform(900,100)", "lognormal(1,0)", "1k"),
    "slo": (
        {"tpot": "0.000001us"}, {"ttft": "999999999m"}, {"tpot": "30ms", "percentile": "p99.99"},
        {"tpot": "30ms", "ttft": "2s"}, {"tpot": "1m", "percentile": "p50"},
    ),
    "replicas": ({"min": 1, "max": 1}, {"min": 1000, "max": 1000}, {"min": 2, "max": 5}),
    "confidence": ("50%", "90%", "99.99%"),
    "prefixCacheHit": ("0%", "99.99%", "0.01%"),
    "priority": (-1_000_000, 0, 1_000_000),
    "isolation": ("hardware", "none"),
    "mode": ("off", "advise", "enforce"),
    "engine": (
        {}, {"version": "0.6.3"}, {"flags": ["--max-num-seqs=1", "--max-model-len=9999999"]},
        {"flags": ["--gpu-memory-utilization=0.01"]}, {"flags": ["--kv-cache-memory-bytes=1"]},
        {"flags": ["--max-num-seqs=0"]}, {"flags": ["--enforce-eager", "--seed=7"]},
    ),
    "pod": (
        {}, {"cpu": "0"}, {"cpu": "99999"}, {"cpu": "1m", "memory": "1"}, {"memory": "9999Ti"},
        {"env": [{"name": "A", "secret": {"name": "s", "key": "k"}}]}, {"modelCache": "x"},
        {"labels": {"team": ""}, "annotations": {"a/b": "\u00e4" * 300}},
    ),
}  # fmt: skip
"""What the API server lets pass, at the ends of what it may be."""
Manifest = dict[str, Any]


def fleet(seed: int, many: int) -> list[Manifest]:
    """Return a cluster of odd objects with *many* ModelDeployments."""
    chosen = random.Random(seed)  # noqa: S311 - repeatable, not secret
    nodes = [_node(f"gpu-{index}", chosen) for index in range(chosen.randint(0, 4))]
    models = [_model(f"m{index}", chosen) for index in range(6)]
    known = {"source": "facebook/opt-1.3b"}
    models.append(_object("Model", "opt", known))
    ours = [_served(f"d{index}", seed * many + index, chosen) for index in range(many)]
    return [*nodes, *models, _files(chosen), *ours, *_deployments(ours, chosen)]


def _object(kind: str, name: str, spec: object, **more: Any) -> Manifest:  # noqa: ANN401 - odd data
    metadata = {"namespace": "a", "name": name, "uid": f"u-{name}", "generation": 1}
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec, **more}


def _node(name: str, chosen: random.Random) -> Manifest:
    """Return a node with an unknown board, contradicting labels or amounts that are none."""
    given = dict.fromkeys(chosen.sample(RESOURCES, chosen.randint(0, 3)), 1)
    made = node(name, given, product=chosen.choice(PRODUCTS))
    for one in given:
        made["status"]["allocatable"][one] = chosen.choice(["1", "2", "7", "x", "1Ki", "-3", "9e9"])
    labels = made["metadata"]["labels"]
    for label in ("nvidia.com/gpu.count", "nvidia.com/gpu.memory", "nvidia.com/gpu.replicas"):
        if chosen.random() < 0.4:
            labels[label] = chosen.choice(["0", "1", "4", "many", "99999999", ""])
    if chosen.random() < 0.2:
        labels["node.kubernetes.io/instance-type"] = chosen.choice(["p4d.24xlarge", "x9.huge"])
    return made


def _model(name: str, chosen: random.Random) -> Manifest:
    """Return a Model whose config, place or catalogue name is mostly wrong."""
    config = deepcopy(CONFIG)
    for _ in range(chosen.randint(0, 4)):
        config[chosen.choice([*config, "quantization_config", "text_config"])] = deepcopy(
            chosen.choice(ODD)
        )
    ways: list[dict[str, Any]] = [
        {"config": config}, {"configMap": {"name": "files"}}, {"catalog": chosen.choice(ODD)},
        {"configMap": {"name": "files", "key": "broken.json"}}, {"configMap": {"name": "none"}},
        {"config": chosen.choice(ODD)}, {},
    ]  # fmt: skip
    spec: Manifest = {"source": f"somebody/{name}", "architecture": chosen.choice(ways)}
    if chosen.random() < 0.3:
        spec["calibrations"] = deepcopy(chosen.choice(CALIBRATIONS))
    return _object("Model", name, spec if chosen.random() < 0.9 else chosen.choice(ODD))


def _files(chosen: random.Random) -> Manifest:
    config = {**CONFIG, chosen.choice([*CONFIG]): chosen.choice(ODD)}
    data = {"config.json": json.dumps(config), "broken.json": '{"model_type": '}
    metadata = {"namespace": "a", "name": "files"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _served(name: str, seed: int, chosen: random.Random) -> Manifest:
    asked = fuzzed(seed) if chosen.random() < 0.4 else _at_the_edge(chosen)
    if chosen.random() < 0.3:
        asked["model"] = f"m{chosen.randrange(7)}"
    if chosen.random() < 0.2:
        asked["mode"] = "enforce"
    made = _object("ModelDeployment", name, asked)
    if chosen.random() < 0.3:
        made["status"] = _status(chosen)
    return made


def _at_the_edge(chosen: random.Random) -> Manifest:
    found = spec()
    for _ in range(chosen.randint(1, 4)):
        name = chosen.choice([*EDGES])
        found[name] = deepcopy(chosen.choice(EDGES[name]))
    return found


def _status(chosen: random.Random) -> Any:  # noqa: ANN401 - odd data
    """Return a status of another version, of a vandal, or of ours with odd parts."""
    offer = {"offer": "A100-SXM-40GB", "resource": "nvidia.com/gpu", "count": 1, "replicas": 1}
    status: dict[str, Any] = {
        "observedGeneration": 1, "recommendation": {"offer": offer}, "current": dict(offer),
        "lowering": {"offer": "1 x x", "since": "2026-11-22T12:00:00Z"}, "conditions": [],
    }  # fmt: skip
    inside = chosen.choice([status, offer, status["lowering"]])
    inside[chosen.choice([*inside])] = deepcopy(chosen.choice(ODD))
    return status if chosen.random() < 0.9 else chosen.choice(ODD)


def _deployments(ours: list[Manifest], chosen: random.Random) -> list[Manifest]:
    """Return Deployments that say they are ours, with labels, notes and counts that may be odd."""
    found = []
    for one in ours[:: max(1, len(ours) // 10)]:
        name = one["metadata"]["name"]
        note = json.dumps(
            {"offer": "A100", "resource": "nvidia.com/gpu", "count": 1, "replicas": 0}
        )
        labels = {
            "rightslice.dev/model-deployment": name, "rightslice.dev/revision": "0a1b2c3d",
            "rightslice.dev/part": chosen.choice(["guaranteed", "elastic", "odd", ""]),
        }  # fmt: skip
        metadata = {
            "namespace": "a", "name": f"{name}-0a1b2c3d", "labels": labels,
            "annotations": {"rightslice.dev/offer-status": chosen.choice([note, "{", "[]", "3"])},
            "ownerReferences": [{"uid": one["metadata"]["uid"], "controller": True}],
        }  # fmt: skip
        container = {"name": "vllm", "image": "vllm/vllm-openai", "args": chosen.choice(ODD)}
        spec = {"replicas": chosen.choice(ODD), "template": {"spec": {"containers": [container]}}}
        status = {"replicas": chosen.choice(ODD), "readyReplicas": chosen.choice(ODD)}
        found.append({"kind": "Deployment", "metadata": metadata, "spec": spec, "status": status})
    return found
