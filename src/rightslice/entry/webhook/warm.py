"""One review before the first real one, so that nothing is loaded while a pod waits.

Packages and tables that load where they are used would take a tenth of a second of the first
answers. What was made until then stays for good: the garbage collector need not look at it again.
"""

from __future__ import annotations

import gc
from dataclasses import replace

from rightslice.core.catalog.resource import WHOLE
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster.state import ClusterState
from rightslice.entry.webhook.answers import Reviewer
from rightslice.kube.admission.review import Reviewed
from rightslice.kube.manifest import GROUP

_NAMESPACE = "warm-up"
_NOTES = {
    "load-concurrency": "8", "input-tokens": "128", "output-tokens": "128",
    "slo-tpot": "100ms", "slo-ttft": "2s", "mode": "enforce",
}  # fmt: skip


def warm_up(reviewer: Reviewer, catalog: Catalog) -> Reviewed:
    """Review a pod of the catalogue's first model on its largest GPU; no state is kept."""
    state = ClusterState(find_gpu=catalog.gpu, now=reviewer.state.now)
    state.put("Namespace", {"metadata": {"name": _NAMESPACE}})
    largest = max(catalog.gpus(), key=lambda gpu: gpu.memory_bytes or 0)
    state.put("Node", _node(str(largest.name)))
    pod = _pod(str(catalog.models()[0].name), catalog.engines()[-1].version)
    request = {"uid": _NAMESPACE, "kind": {"kind": "Pod"}, "operation": "CREATE",
               "namespace": _NAMESPACE, "dryRun": True, "object": pod}  # fmt: skip
    reviewed = replace(reviewer, state=state, problem=lambda: None).review({"request": request})
    gc.collect()
    gc.freeze()
    return reviewed


def _node(product: str) -> dict[str, object]:
    return {
        "metadata": {"name": "warm", "labels": {"nvidia.com/gpu.product": product}},
        "status": {
            "allocatable": {"cpu": "8", "memory": "64Gi", "pods": "110", WHOLE: "1"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def _pod(model: str, version: str) -> dict[str, object]:
    container = {
        "name": "vllm",
        "image": f"vllm/vllm-openai:v{version}",
        "args": ["--model", model],
        "resources": {"limits": {WHOLE: 1}},
    }
    annotations = {f"{GROUP}/{name}": value for name, value in _NOTES.items()}
    return {"metadata": {"annotations": annotations}, "spec": {"containers": [container]}}
