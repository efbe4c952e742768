"""A ModelDeployment and its model -> the core's `Question`, or every reason why it cannot be asked.

Flags and release go through the reader of manifests (`kube.parse`): what is refused in a pod is
refused here for the same reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.catalog.estimate import check_confidence
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.model import Model
from rightslice.core.catalog.traffic import ClosedLoop, OpenLoop, Slo, Traffic
from rightslice.errors import InputError
from rightslice.kube.crd.deployment import LatencyTarget, Load, ModelDeploymentSpec
from rightslice.kube.manifest import GROUP
from rightslice.kube.operate.host import host_of
from rightslice.kube.parse.parse import parse_pod
from rightslice.kube.parse.question import Asked, Defaults, Lookups, NotAsked, question_of
from rightslice.units import parse_duration, parse_rate, parse_ratio, parse_tokens

_Value = TypeVar("_Value")
_CALL: Final = re.compile(r"(uniform|lognormal)\(([0-9.]+), ?([0-9.]+)\)")
_STAND_IN: Final = {"slo-tpot": "1s", "load-concurrency": "1",
                    "input-tokens": "1", "output-tokens": "1"}  # fmt: skip
"""What the spec says itself, in place of the annotations that the reader of manifests wants."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """A catalogue of vLLM releases, and the newest of them."""

    find: Callable[[str | None], EngineRelease]
    """Raises InputError for what it does not know; None: the newest."""


def ask(spec: ModelDeploymentSpec, model: Model, release: Release) -> Asked | NotAsked:
    """Return what *spec* asks of *model*, or every reason why it cannot be asked."""
    reasons: list[str] = []
    traffic = _tried("load", lambda: _traffic(spec), reasons)
    slo = _tried("slo", lambda: _slo(spec.slo), reasons)
    confidence = _tried("confidence", lambda: _confidence(spec.confidence), reasons)
    _tried("pod", lambda: host_of(model, spec.pod), reasons)
    asked = _server(spec, model, release, confidence or 0.9)
    if isinstance(asked, NotAsked):
        return replace(asked, reasons=(*reasons, *asked.reasons))
    try:
        question = replace(
            asked.question,
            min_replicas=spec.replicas.min,
            max_replicas=spec.replicas.max,
        )
    except InputError as error:
        reasons.append(str(error))
    if reasons:
        return NotAsked(reasons=tuple(reasons), assumed=asked.assumed)
    assert traffic is not None and slo is not None  # noqa: PT018 - one fact
    return replace(asked, question=replace(question, traffic=traffic, slo=slo))


def _server(
    spec: ModelDeploymentSpec, model: Model, release: Release, confidence: float
) -> Asked | NotAsked:
    """Return the question of the flags, with a load and a target that stand in."""
    try:
        version = release.find(spec.engine.version).version
    except InputError as error:
        return NotAsked(reasons=(f"engine.version: {error}",))
    container = {
        "name": "vllm",
        "image": f"vllm/vllm-openai:v{version}",
        "command": ["vllm", "serve"],
        "args": ["model", *spec.engine.flags],
        "resources": {"limits": {"nvidia.com/gpu": "1024"}},
    }
    notes = {f"{GROUP}/{name}": value for name, value in _STAND_IN.items()}
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "m", "annotations": notes},
        "spec": {"containers": [container]},
    }  # fmt: skip
    defaults = Defaults(confidence=confidence, engine_version=version, isolation=spec.isolation)
    lookups = Lookups(model=lambda _: model, engine=lambda _: release.find(spec.engine.version))
    try:
        asked = question_of(parse_pod(pod), lookups, defaults)
    except InputError as error:
        return NotAsked(reasons=(f"engine.flags: {error}",))
    if isinstance(asked, NotAsked):
        return NotAsked(reasons=tuple(f"engine.flags: {one}" for one in asked.reasons))
    assumed = [f"model: {one}" for one in model.assumptions]
    if spec.engine.version is None:
        assumed.append(f"engine.version: {version}, the newest that the catalogue knows")
    return Asked(question=asked.question, assumed=tuple(assumed))


def _tried(name: str, read: Callable[[], _Value], reasons: list[str]) -> _Value | None:
    try:
        return read()
    except InputError as error:
        reasons.append(f"{name}: {error}")
        return None


def _traffic(spec: ModelDeploymentSpec) -> Traffic:
    return Traffic(
        load=_load(spec.load),
        input=read_lengths(str(spec.input)),
        output=read_lengths(str(spec.output)),
        prefix_hit_ratio=parse_ratio(spec.prefix_cache_hit),
    )


def _load(load: Load) -> ClosedLoop | OpenLoop:
    if (load.concurrency is None) == (load.rate is None):
        raise InputError("give either concurrency, as in 64, or rate, as in 5/s")
    if load.rate is not None:
        return OpenLoop(requests_per_second=parse_rate(load.rate))
    return ClosedLoop(concurrency=load.concurrency or 0)


def _slo(given: LatencyTarget) -> Slo:
    tpot = None if given.tpot is None else parse_duration(given.tpot)
    ttft = None if given.ttft is None else parse_duration(given.ttft)
    if given.percentile is None:
        return Slo(tpot_seconds=tpot, ttft_seconds=ttft)
    share = parse_ratio(f"{given.percentile.removeprefix('p')}%")
    return Slo(tpot_seconds=tpot, ttft_seconds=ttft, tpot_percentile=share, ttft_percentile=share)


def _confidence(given: str) -> float:
    return check_confidence(parse_ratio(given))


def read_lengths(given: str) -> Lengths:
    """Return token lengths: a number, ``uniform(a,b)`` or ``lognormal(median,sigma)``.

    Raises:
        InputError: when it is none of these.
    """
    call = _CALL.fullmatch(given.strip())
    if call is None:
        return Lengths.fixed(parse_tokens(given))
    try:
        first, second = float(call[2]), float(call[3])
    except ValueError:
        raise InputError(f"{given!r} needs two numbers, as in uniform(100,900)") from None
    if call[1] == "lognormal":
        return Lengths.lognormal(first, second)
    return Lengths.uniform(int(first), int(second))
