"""What the controllers of objects that are no pods add: model, flags, and whether vLLM serves.

Sources, each the project's own types or samples: kserve/kserve pkg/apis/serving (InferenceService,
LLMInferenceService, its ``VLLM_ADDITIONAL_ARGS`` in config/llmisvcconfig), substratusai/kubeai
api/k8s/v1 (Model), kaito-project/kaito api/v1beta1 (Workspace), ray-project/ray serve.llm,
vllm-project/production-stack operator (VLLMRuntime), volcano-sh/kthena (ModelBooster),
kubernetes-sigs/lws (``LWS_GROUP_SIZE``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from rightslice.kube.parse.decoded import at, items, mapping, text, walk, word, words
from rightslice.kube.parse.environment import ConfigMaps
from rightslice.kube.parse.flags import read_flags
from rightslice.kube.parse.notes import Notes
from rightslice.kube.parse.places import Place
from rightslice.kube.parse.vllm_flags import VALUES

Decode = Callable[[str], object]
"""Text of a nested YAML document -> its data, None when it is none."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What else is at hand beside the object: the other documents of its file."""

    config_maps: ConfigMaps = field(default_factory=dict)
    runtimes: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """KServe (Cluster)ServingRuntimes by name."""
    decode: Decode | None = None

    def decoded(self, written: str | None) -> object:
        """Return the data of nested YAML text, None where it cannot be read here."""
        return self.decode(written) if self.decode is not None and written else None


@dataclass(frozen=True, kw_only=True)
class Hints:
    """What an object says of its server outside any container."""

    serves: bool | None = None
    """Whether it runs vLLM, where the object itself says so."""
    why: str = ""
    model: str | None = None
    model_how: str | None = None
    flags: Mapping[str, str] = field(default_factory=dict)
    place: Place | None = None
    """Where the server's container is put together from several objects."""
    extra_variable: str | None = None
    """The environment variable whose text the controller appends to the command line."""
    environment: Mapping[str, str] = field(default_factory=dict)
    group_size: int | None = None


NOTHING: Final = Hints()


def hints_of(document: Mapping[str, object], around: Surroundings, notes: Notes) -> Hints:
    """Return what the controller of *document* adds to its containers."""
    kind = text(document.get("kind")) or ""
    reader = _READERS.get(kind)
    return NOTHING if reader is None else reader(document, around, notes)


def model_of_uri(uri: str) -> str:
    """Return the Hugging Face id of an ``hf://`` URI, any other URI or path as it is."""
    return uri.removeprefix("hf://").removeprefix("huggingface://")


def _llm_service(document: Mapping[str, object], _around: Surroundings, notes: Notes) -> Hints:
    model = mapping(at(document, "spec", "model"))
    uri = text(model.get("uri"))
    if uri is None:
        return NOTHING
    runtime = text(at(document, "spec", "runtime")) or ""
    if re.search(r"sglang|trtllm|tensorrt", runtime):
        return Hints(serves=False)
    flags: dict[str, str] = {}
    for key, flag, field_name in (
        ("tensor", "tensor-parallel-size", "tensor_parallel"),
        ("pipeline", "pipeline-parallel-size", "pipeline_parallel"),
    ):
        value = word(at(document, "spec", "parallelism", key))
        if value is not None:
            flags[flag] = value
            notes.assume(field_name, f"spec.parallelism.{key}, which KServe passes as --{flag}")
    if items(at(model, "lora", "adapters")):
        flags["enable-lora"] = "true"
        notes.assume("enable_lora", "spec.model.lora.adapters: KServe turns LoRA on")
    return Hints(
        serves=True,
        why="KServe's LLMInferenceService runs vLLM",
        model=model_of_uri(uri),
        model_how="LLMInferenceService spec.model.uri",
        flags=flags,
        extra_variable="VLLM_ADDITIONAL_ARGS",
    )


def _inference_service(document: Mapping[str, object], around: Surroundings, notes: Notes) -> Hints:
    predictor = mapping(at(document, "spec", "predictor"))
    model = mapping(predictor.get("model"))
    if not model:
        return _ome_service(document, around, notes)
    uri = text(model.get("storageUri")) or text(at(model, "storage", "path"))
    if uri is None:
        uri = text(at(model, "storage", "storageUri"))
    hints = Hints(
        model=None if uri is None else model_of_uri(uri),
        model_how="InferenceService storageUri" if uri else None,
        place=_predictor(model, around),
    )
    serves, why = _predictor_serves(model, hints.place, around)
    return Hints(
        serves=serves, why=why, model=hints.model, model_how=hints.model_how, place=hints.place
    )


def _predictor(model: Mapping[str, object], around: Surroundings) -> Place:
    """Return the container that KServe makes of a runtime's first one and the predictor's own."""
    runtime = around.runtimes.get(text(model.get("runtime")) or "")
    if runtime is None and model.get("runtime") is None and len(around.runtimes) == 1:
        runtime = next(iter(around.runtimes.values()))
    containers = items(at(runtime, "spec", "containers"))
    first = mapping(containers[0]) if containers else {}
    together = {
        **first,
        **{key: model[key] for key in ("image", "command", "resources") if key in model},
        "args": [*words(first.get("args")), *words(model.get("args"))],
        "env": [*items(first.get("env")), *items(model.get("env"))],
    }
    resources = together.get("resources")
    return Place(container=together, name=text(first.get("name")), resources=resources)


def _predictor_serves(
    model: Mapping[str, object], place: Place | None, around: Surroundings
) -> tuple[bool | None, str]:
    if place is not None and place.name is not None:
        return None, ""  # the runtime's own container says what it is
    form = (text(at(model, "modelFormat", "name")) or "").lower()
    runtime = (text(model.get("runtime")) or "").lower()
    arguments = read_flags(words(model.get("args")))
    if form == "huggingface" or "huggingface" in runtime:
        backend, task = arguments.get("backend"), arguments.get("task")
        if backend == "huggingface" or (task or "text_generation") not in _GENERATES:
            return False, ""
        return True, "KServe's Hugging Face runtime serves text generation with vLLM by default"
    if "vllm" in form or re.search(r"(^|[-_.])vllm", runtime):
        return True, "its runtime or model format is called vllm"
    return (None if around.runtimes else False), ""


_GENERATES: Final = ("text_generation", "generate", "text-generation", "embed", "text_embedding")


def _ome_service(document: Mapping[str, object], _around: Surroundings, _notes: Notes) -> Hints:
    """OME's InferenceService (sgl-project/ome): a model and a runtime, both by name."""
    runtime = (text(at(document, "spec", "runtime", "name")) or "").lower()
    model = text(at(document, "spec", "model", "name"))
    if not re.search(r"(^|[-_.])vllm", runtime):
        return NOTHING
    return Hints(
        serves=True, why="its runtime is called vllm", model=model,
        model_how="InferenceService spec.model.name",
    )  # fmt: skip


def _kubeai_model(document: Mapping[str, object], _around: Surroundings, notes: Notes) -> Hints:
    spec = mapping(document.get("spec"))
    url, engine = text(spec.get("url")), text(spec.get("engine"))
    if url is None or engine is None:
        return NOTHING
    if engine.lower() != "vllm":
        return Hints(serves=False)
    profile = text(spec.get("resourceProfile"))
    if profile is not None:
        notes.refuse("gpu_resource", f"resource profile {profile}: its resources are KubeAI's own")
    return Hints(
        serves=True, why="engine: VLLM", model=model_of_uri(url), model_how="KubeAI spec.url",
        place=Place(container=spec, name=None, resources=spec.get("resources")),
    )  # fmt: skip


def _kaito(document: Mapping[str, object], around: Surroundings, notes: Notes) -> Hints:
    spec = mapping(document.get("spec"))
    inference = (
        mapping(document.get("inference"))
        or mapping(at(spec, "template", "inference"))
        or mapping(spec.get("inference"))
    )
    preset = text(at(inference, "preset", "name"))
    if preset is None:
        return NOTHING
    annotations = mapping(at(document, "metadata", "annotations"))
    if annotations.get("kaito.sh/runtime") == "transformers":
        return Hints(serves=False)
    flags = _kaito_flags(text(inference.get("config")), around, notes)
    machine = text(at(document, "resource", "instanceType"))
    if machine is not None:
        notes.refuse("gpu_resource", f"only the instance type {machine} is said")
    return Hints(
        serves=True, why="KAITO presets run vLLM by default", model=preset,
        model_how="KAITO preset name", flags=flags, place=Place(container={}, name=None),
    )  # fmt: skip


def _kaito_roles(document: Mapping[str, object], _around: Surroundings, notes: Notes) -> Hints:
    """KAITO's MultiRoleInference: prefill and decode of one preset."""
    model = text(at(document, "spec", "model", "name"))
    if model is None:
        return NOTHING
    notes.refuse("gpu_resource", "only the instance types of its roles are said")
    return Hints(
        serves=True, why="KAITO presets run vLLM by default", model=model,
        model_how="MultiRoleInference spec.model.name",
    )  # fmt: skip


def _kaito_flags(config: str | None, around: Surroundings, notes: Notes) -> dict[str, str]:
    if config is None:
        return {}
    data = around.config_maps.get(config)
    written = None if data is None else data.get("inference_config.yaml")
    decoded = mapping(around.decoded(written))
    if not decoded:
        notes.refuse("flags", f"ConfigMap {config} is not at hand")
    return flags_of_mapping(decoded.get("vllm"))


def flags_of_mapping(given: object) -> dict[str, str]:
    """Return the flags of a YAML mapping (``--config`` files, KAITO, kthena), by full names."""
    arguments: list[str] = []
    for key, item in mapping(given).items():
        value = word(item)
        if isinstance(item, list):
            value = ",".join(words(item))
        if value is not None:
            name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", key).lower()
            arguments.append(f"--{name}={value}" if value != "" else f"--{name}")
    return dict(read_flags(arguments).values)


def _ray_service(document: Mapping[str, object], around: Surroundings, notes: Notes) -> Hints:
    """Ray Serve's own LLM application (ray.serve.llm), told in ``serveConfigV2``."""
    written = text(at(document, "spec", "serveConfigV2"))
    if written is None:
        return NOTHING
    config = around.decoded(written)
    for inside in walk(config):
        loading = mapping(inside.get("model_loading_config"))
        model = text(loading.get("model_source")) or text(loading.get("model_id"))
        if model is not None:
            return Hints(
                serves=True, why="Ray Serve's LLM application runs vLLM", model=model,
                model_how="serveConfigV2 model_loading_config",
                flags=flags_of_mapping(inside.get("engine_kwargs")),
            )  # fmt: skip
    if "vllm" not in written.lower():
        return NOTHING
    variables = [mapping(inside.get("env_vars")) for inside in walk(config)]
    given = {key: word(item) or "" for one in variables for key, item in one.items()}
    model = next((given[key] for key in MODEL_VARIABLES if given.get(key)), None)
    scripts = "".join(item for data in around.config_maps.values() for item in data.values())
    flags = {
        flag: given[key]
        for key, flag in _APPLICATION_VARIABLES.items()
        if given.get(key) and ("environ" not in scripts or key in scripts)
    }
    if flags:
        notes.assume("flags", "serveConfigV2 env_vars, which the application reads")
    return Hints(
        serves=True, why="serveConfigV2 names vllm", model=model,
        model_how="serveConfigV2 env_vars" if model else None, flags=flags,
    )  # fmt: skip


_APPLICATION_VARIABLES: Final = {
    "TENSOR_PARALLELISM": "tensor-parallel-size",
    "TENSOR_PARALLEL_SIZE": "tensor-parallel-size",
    "PIPELINE_PARALLELISM": "pipeline-parallel-size",
    "PIPELINE_PARALLEL_SIZE": "pipeline-parallel-size",
    "MAX_MODEL_LEN": "max-model-len",
    "MAX_NUM_SEQS": "max-num-seqs",
    "MAX_NUM_BATCHED_TOKENS": "max-num-batched-tokens",
    "GPU_MEMORY_UTILIZATION": "gpu-memory-utilization",
}
"""What Ray Serve applications call their settings (ray-project/kuberay config/samples/vllm)."""

MODEL_VARIABLES: Final = (
    "MODEL_ID", "MODEL_NAME", "MODEL", "HF_MODEL_ID", "VLLM_MODEL", "HF_MODEL", "LLM_MODEL",
    "MODEL_PATH", "MODEL_NAME_OR_PATH",
)  # fmt: skip
"""Variables by which custom images are told their model, most telling first."""


def _production_stack(
    document: Mapping[str, object], _around: Surroundings, _notes: Notes
) -> Hints:
    spec = mapping(document.get("spec"))
    model = mapping(spec.get("model"))
    name = text(model.get("modelURL"))
    if name is None:
        return NOTHING
    config = mapping(spec.get("vllmConfig"))
    flags = flags_of_mapping({
        key: item for key, item in {**model, **config}.items()
        if re.sub(r"(?<=[a-z])(?=[A-Z])", "-", key).lower() in _CAMEL
    })  # fmt: skip
    extra = read_flags(words(config.get("extraArgs"))).values
    deployment = mapping(spec.get("deploymentConfig"))
    resources = mapping(deployment.get("resources"))
    image = deployment.get("image", spec.get("image"))
    sides = resources if "limits" in resources or "requests" in resources else {"limits": resources}
    return Hints(
        serves=True, why="VLLMRuntime", model=name, model_how="VLLMRuntime spec.model.modelURL",
        flags={**flags, **extra},
        place=Place(container={"image": image}, name=None, resources=sides),
    )  # fmt: skip


_CAMEL: Final = VALUES | {"enforce-eager", "enable-lora", "enable-prefix-caching"}


def _model_booster(document: Mapping[str, object], _around: Surroundings, _notes: Notes) -> Hints:
    spec = mapping(document.get("spec"))
    backends = [mapping(spec.get("backend")), *map(mapping, items(spec.get("backends")))]
    backend = next((one for one in backends if one), {})
    uri = text(backend.get("modelURI"))
    if uri is None or not (text(backend.get("type")) or "").lower().startswith("vllm"):
        return NOTHING
    workers = [mapping(one) for one in items(backend.get("workers"))]
    worker = workers[0] if workers else {}
    return Hints(
        serves=True, why="backend type vLLM", model=model_of_uri(uri),
        model_how="kthena modelURI", flags=flags_of_mapping(worker.get("config")),
        place=Place(container=worker, name=None, resources=worker.get("resources")),
    )  # fmt: skip


def _dynamo_request(document: Mapping[str, object], _around: Surroundings, _notes: Notes) -> Hints:
    spec = mapping(document.get("spec"))
    model = text(spec.get("model"))
    if model is None or (text(spec.get("backend")) or "").lower() != "vllm":
        return NOTHING
    return Hints(
        serves=True, why="backend: vllm", model=model,
        model_how="DynamoGraphDeploymentRequest spec.model", place=Place(container={}, name=None),
    )  # fmt: skip


def _leader_worker_set(
    document: Mapping[str, object], _around: Surroundings, notes: Notes
) -> Hints:
    size = at(document, "spec", "leaderWorkerTemplate", "size")
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= 4096:
        return NOTHING
    notes.assume("group_size", f"LeaderWorkerSet of {size}; LWS_GROUP_SIZE is set to it")
    return Hints(environment={"LWS_GROUP_SIZE": str(size)}, group_size=size)


_READERS: Final[dict[str, Callable[[Mapping[str, object], Surroundings, Notes], Hints]]] = {
    "LLMInferenceService": _llm_service,
    "LLMInferenceServiceConfig": _llm_service,
    "InferenceService": _inference_service,
    "Model": _kubeai_model,
    "Workspace": _kaito,
    "InferenceSet": _kaito,
    "MultiRoleInference": _kaito_roles,
    "RayService": _ray_service,
    "VLLMRuntime": _production_stack,
    "ModelBooster": _model_booster,
    "LeaderWorkerSet": _leader_worker_set,
    "DynamoGraphDeploymentRequest": _dynamo_request,
}
