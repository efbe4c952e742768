"""llm-d-planner on the rows of `memory_accuracy.py`: its published constants, re-applied by us.

No script of its own. The package itself reads weights from a model hub, so it plans nothing
offline. Its formula (`planner/capacity_planner.py` of llm-d-planner 0.3.3, Apache-2.0) is applied
with the row's logged weights instead, which flatters it::

    pool = (nominal memory * utilization * GPUs - weights - activation - non-torch * GPUs) / GPUs

Activation and non-torch are its own table (`configuration/vllm_memory_constants.json`), calibrated
on the 0.19.0 logs of this very table.
"""

from __future__ import annotations

from parts.memory_fitting import Case

from rightslice.core.catalog.model import Model
from rightslice.edge.startup_table import number
from rightslice.units import GIB

ACTIVATION_GIB = {
    "llama": 1.89, "qwen2": 2.25, "qwen3": 2.21, "mistral3": 2.10, "pixtral": 2.10,
    "deepseek_v2": 1.93, "granite": 0.85, "llava_next": 0.79, "mixtral": 1.21, "phi3": 1.52,
    "qwen2_moe": 2.47, "qwen3_moe": 2.68, "gemma2": 3.65, "gemma3_text": 3.94, "gemma": 3.63,
}  # fmt: skip
"""By `model_type`; the package goes by the class of the same name."""
EXPERTS_GIB, OTHERS_GIB = 2.5, 2.0
SINGLE_GIB, PIPELINE_GIB, TENSOR_GIB = 0.27, 0.07, 2.10
NOMINAL_GIB = (8, 16, 24, 32, 40, 48, 64, 80, 96, 128, 141, 180, 192, 288)


def peer_activation(model: Model) -> float:
    """Return its activation, in bytes: a constant of the architecture."""
    experts = any(layer.experts is not None for layer in model.layers)
    fallback = EXPERTS_GIB if experts else OTHERS_GIB
    return ACTIVATION_GIB.get(model.family, fallback) * GIB


def peer_non_torch(tensor: int, pipeline: int) -> float:
    """Return its non-torch memory of one GPU, in bytes."""
    if tensor > 1:
        return TENSOR_GIB * GIB
    return (PIPELINE_GIB if pipeline > 1 else SINGLE_GIB) * GIB


def peer_pool(case: Case) -> float | None:
    """Return its KV pool of one GPU, in bytes; None where the row states no weights."""
    weights, memory = number(case.row, "weights_gib_per_gpu"), number(case.row, "gpu_mem_gib")
    if weights is None or memory is None:
        return None
    flags = case.prediction.staged.startup.flags
    gpus = flags.tensor_parallel * flags.pipeline_parallel
    nominal = next((size for size in NOMINAL_GIB if size >= memory), memory)
    whole = nominal * flags.gpu_memory_utilization - weights
    activation = peer_activation(case.prediction.staged.startup.model) / gpus
    other = peer_non_torch(flags.tensor_parallel, flags.pipeline_parallel)
    return max(0.0, float(whole * GIB - activation - other))
