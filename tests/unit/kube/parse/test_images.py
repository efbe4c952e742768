"""Tests of what an image's name and tag tell."""

from __future__ import annotations

import pytest

from rightslice.kube.parse.images import read_image, vllm_version


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("vllm/vllm-openai:v0.6.3", "0.6.3"),
        ("docker.io/vllm/vllm-openai:v0.6.3.post1", "0.6.3.post1"),
        ("host:5000/vllm/vllm-openai:v0.19.0rc1@sha256:aa", "0.19.0rc1"),
        ("vllm/vllm-openai-cpu:v0.19.0", "0.19.0"),
        ("intel/vllm:0.10.0-xpu", "0.10.0"),
        ("x.dkr.ecr.us-east-1.amazonaws.com/vllm:0.12.0-gpu-py312", "0.12.0"),
        ("rocm/vllm:rocm6.4.1_vllm_0.9.1_20250702", "0.9.1"),
        ("vllm/vllm-openai:latest", None),
        ("vllm/vllm-openai:nightly-0.9.0", None),
        ("vllm/vllm-openai", None),
        ("vllm/vllm-openai:v3.2.1", None),
        ("nvcr.io/nvidia/vllm:25.09-py3", None),
        ("quay.io/modh/vllm:rhoai-2.20", None),
        ("lmcache/vllm-openai:v0.3.9", None),
        ("ghcr.io/llm-d/llm-d-cuda:v0.4.0", None),
        ("nvcr.io/nvidia/ai-dynamo/vllm-runtime:0.8.0", None),
        ("opea/vllm-gaudi:0.9", None),
        ("kserve/huggingfaceserver:v0.15.0", None),
        ("corp/llm-server:v0.3.1", None),
    ],
)
def test_a_tag_names_a_release_only_where_it_numbers_vllm(image: str, version: str | None) -> None:
    """Vendors' own numbers, moving tags and other programs are refused with the reason."""
    found, why = vllm_version(read_image(image))
    assert found == version
    assert why


@pytest.mark.parametrize(
    ("image", "serves"),
    [
        ("vllm/vllm-openai:v1", True),
        ("quay.io/x/vllm_dra", True),
        ("quay.io/x/tgis-vllm:2", True),
        ("ghcr.io/x/vllm-mock:1", False),
        ("aibrix/vllm-simulator:nightly", False),
        ("x/vllm-router:1", False),
        ("nvcr.io/nvidia/tritonserver:24.05-vllm-python-py3", False),
        ("ghcr.io/llm-d/llm-d-inference-sim:v0.3.0", False),
        ("python:3.12", False),
    ],
)
def test_an_image_serves_when_it_is_called_so_and_is_nothing_else(
    image: str, *, serves: bool
) -> None:
    """Simulators, routers and other servers with vllm in their names do not."""
    assert read_image(image).serves_vllm is serves
