"""Tests of turning a parsed workload into the core's question."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rightslice.core.catalog.question import Isolation
from rightslice.core.catalog.traffic import ClosedLoop, OpenLoop, Slo
from rightslice.edge.catalog_files import Catalog
from rightslice.kube.parse.parse import parse_pod
from rightslice.kube.parse.question import Asked, Defaults, Lookups, NotAsked, question_of
from rightslice.kube.parse.values import Parsed, ParsedLoad, ParsedSlo

CATALOG = Catalog()
LOOKUPS = Lookups(model=CATALOG.model, engine=CATALOG.engine)
LINE = (
    "vllm serve facebook/opt-1.3b & sleep 60; python3 benchmark_serving.py"
    " --random-input-len=128 --random-output-len=128 --max-concurrency=64"
)


@pytest.fixture
def talk() -> Parsed:
    """The pod of the talk."""
    container = {
        "name": "vllm", "image": "vllm/vllm-openai:v0.6.3", "command": ["sh", "-c", LINE],
        "env": [{"name": "TPOT", "value": "30"}],
        "resources": {"requests": {"nvidia.com/gpu": 1}},
    }  # fmt: skip
    return parse_pod({"kind": "Pod", "spec": {"containers": [container]}})


def _asked(parsed: Parsed, **defaults: Any) -> Asked:  # noqa: ANN401 - fields of Defaults
    answer = question_of(parsed, LOOKUPS, Defaults(**defaults))
    assert isinstance(answer, Asked)
    return answer


def _reasons(parsed: Parsed) -> str:
    answer = question_of(parsed, LOOKUPS)
    assert isinstance(answer, NotAsked)
    return "\n".join(answer.reasons)


def test_the_talk_s_pod_asks_its_question(talk: Parsed) -> None:
    """Model, release, load and target arrive in base units; what was assumed is told."""
    answer = _asked(talk, confidence=0.5)
    question = answer.question
    assert (question.model.name, question.engine_version) == ("facebook/opt-1.3b", "0.6.3")
    assert question.traffic.load == ClosedLoop(concurrency=64)
    assert (question.traffic.input.mean, question.traffic.output.mean) == (128, 128)
    assert question.slo == Slo(tpot_seconds=0.03)
    assert (question.confidence, question.isolation) == (0.5, Isolation.HARDWARE)
    assert any("milliseconds" in one for one in answer.assumed)


def test_all_gaps_are_told_at_once(talk: Parsed) -> None:
    """Each names the field, and the annotation that would close it."""
    bare = replace(talk, load=None, slo=None, vllm_version=None, model=None)
    reasons = _reasons(bare)
    for part in ("model", "vllm_version", "load-concurrency", "input-tokens", "slo-tpot"):
        assert part in reasons


def test_a_default_release_is_an_assumption(talk: Parsed) -> None:
    """Only where the caller gives one."""
    answer = _asked(replace(talk, vllm_version=None), engine_version="0.11.0")
    assert answer.question.engine_version == "0.11.0"
    assert any(one.startswith("vllm_version: 0.11.0") for one in answer.assumed)


@pytest.mark.parametrize("model", ["/models/x", "s3://b/x", "./config.json", "no/such-model"])
def test_a_model_that_the_catalogue_cannot_know_is_a_reason(talk: Parsed, model: str) -> None:
    """Paths are never opened: a pod must not choose what the webhook reads."""
    assert "model: " in _reasons(replace(talk, model=model))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"flags": {"speculative-config": "{'x': 1}"}}, "--speculative-config"),
        ({"flags": {"data-parallel-size": "2"}}, "--data-parallel-size"),
        ({"group_size": 2}, "2 pods form one server"),
        ({"tensor_parallel": 4}, "4 ranks and 1"),
        ({"quantization": "awq"}, "quantization"),
        ({"kv_cache_dtype": "int3"}, "kv-cache-dtype"),
        ({"refused": {"max_model_len": "$N"}}, "max_model_len: $N"),
        ({"is_vllm_server": False}, "no vLLM server"),
    ],
)
def test_what_is_not_computed_is_a_reason(talk: Parsed, changes: dict[str, Any], part: str) -> None:
    """On any doubt there is no question."""
    assert part in _reasons(replace(talk, **changes))


def test_flags_reach_the_server_configuration(talk: Parsed) -> None:
    """Typed fields and the other flags that decide memory."""
    flags = {"enable-prefix-caching": "false", "block-size": "32", "max-loras": "4"}
    server = _asked(replace(talk, flags=flags, enable_lora=True, max_num_seqs=8)).question.server
    assert (server.enable_prefix_caching, server.block_size) == (False, 32)
    assert (server.max_loras, server.max_num_seqs) == (4, 8)


def test_a_rate_and_the_largest_of_a_sweep(talk: Parsed) -> None:
    """A rate is an open loop; a sweep asks for its largest, and says so."""
    load = ParsedLoad(input_len=1, output_len=2, request_rate=(1, 3))
    answer = _asked(replace(talk, load=load, slo=ParsedSlo(ttft_ms=500, percentile=0.9)))
    assert answer.question.traffic.load == OpenLoop(requests_per_second=3)
    assert answer.question.slo.ttft_percentile == 0.9
    assert any("largest of the sweep" in one for one in answer.assumed)
