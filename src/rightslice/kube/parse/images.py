"""Container images: does one serve vLLM when nothing else is said, and which release is in it.

A tag names a vLLM release only where the image numbers itself by vLLM. Vendors that number their
own product (NGC 25.09, RHOAI 2.25, llm-d 0.4, Dynamo 0.8, KServe 0.15) are refused: the release
inside is not said. vLLM's own images: docs.vllm.ai "Using Docker"; AWS's
(``vllm:0.12.0-gpu-py312``): aws.github.io/deep-learning-containers; AMD's
(``rocm6.4.1_vllm_0.9.1``): hub.docker.com/r/rocm/vllm.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_IS_VLLM: Final = re.compile(r"(^|[-_./])vllm([-_./]|\d|$)")
_NOT_SERVERS: Final = re.compile(
    r"(^|[-_./])(sim|simulator|inference-sim|mock|router|proxy|gateway|exporter|bench\w*|client"
    r"|sidecar|controller|operator|ui|webui|dashboard|loadgen\w*|load-?test\w*|epp|monitor\w*"
    r"|downloader|playground|tokenizer|evals?|lm-?eval|autoscaler|scheduler|planner)([-_./]|$)"
)
_OTHERS: Final = re.compile(
    r"sglang|text-generation-inference|tritonserver|/nim/|llama[-_.]?cpp|ollama|lmdeploy|tensorrt"
    r"|trtllm|mindie|tei\b|text-embeddings|infinity|localai|inference-sim|huggingfaceserver"
)
_OWN_NUMBERS: Final = re.compile(
    r"(^|/)(llm-d|lmcache|ai-dynamo|modh|rhoai|rhaiis|kserve|opea|kaito|opendatahub|nim|habanalabs"
    r"|gaudi-docker|nvidia|anyscale|rayproject|core-llm)(/|$)|(^|[-_./])(odh|rhoai|rhaiis|gaudi|hpu|llm-d"
    r"|scaler|lmcache|dynamo|runai)([-_./]|$)|^nvcr\.io/"
)
_NUMBERED: Final = re.compile(
    r"(^|[-_.])vllm([-_.](openai|serve|server|cpu|gpu|tpu|rocm|xpu|cuda|neuronx?|arm64?|ascend"
    r"|aibrix|kvcache|nixl|ubi\d*|dev|release|repo|base\d*|ray))*$"
)
_RELEASE: Final = r"v?(0\.\d{1,2}(?:\.\d{1,3}){0,2}(?:\.?(?:post|rc|dev)\d+)?)"
_AT_START: Final = re.compile(rf"{_RELEASE}(?=$|[-_+.])")
_SPELLED: Final = re.compile(rf"vllm[-_]?{_RELEASE}(?=$|[-_+])")
_MOVES: Final = re.compile(r"latest|nightly|main|stable|dev$|edge")


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image reference, taken apart."""

    name: str
    """Registry and repository, without tag and digest."""
    tag: str | None

    @property
    def serves_vllm(self) -> bool:
        """Whether its name says that it starts a vLLM server by itself."""
        low = self.name.lower()
        path = low.rsplit("/", 1)[-1]
        named = _IS_VLLM.search(path) is not None
        return named and not _NOT_SERVERS.search(path) and not _OTHERS.search(low)

    @property
    def is_another_program(self) -> bool:
        """Whether its name says that it is another server, a simulator, a client or a proxy."""
        low = self.name.lower()
        path = low.rsplit("/", 1)[-1]
        return _NOT_SERVERS.search(path) is not None or _OTHERS.search(low) is not None


def read_image(reference: str) -> Image:
    """Take *reference* apart.

    >>> read_image("host:5000/vllm/vllm-openai:v0.6.3@sha256:00").tag
    'v0.6.3'
    """
    bare = reference.strip().split("@", 1)[0]
    head, slash, last = bare.rpartition("/")
    path, colon, tag = last.partition(":")
    return Image(name=f"{head}{slash}{path}", tag=tag if colon and tag else None)


def vllm_version(image: Image) -> tuple[str | None, str]:
    """Return the release that the tag names, and why: or None, and why not.

    >>> vllm_version(read_image("vllm/vllm-openai:v0.6.3"))[0]
    '0.6.3'
    >>> vllm_version(read_image("nvcr.io/nvidia/vllm:25.09-py3"))[0] is None
    True
    """
    if image.tag is None:
        return None, f"the image {image.name} has no tag: it moves with each release"
    name, tag = image.name.lower(), image.tag.lower()
    spelled = _SPELLED.search(tag)
    if spelled is not None:
        return spelled[1], f"from the image tag {image.tag}"
    if _MOVES.search(tag):
        return None, f"the image tag {image.tag} names no release: it moves"
    path = name.rsplit("/", 1)[-1]
    if _OWN_NUMBERS.search(name) or not _NUMBERED.search(path):
        return None, f"the tag {image.tag} of {image.name} does not number vLLM's own releases"
    found = _AT_START.match(tag)
    if found is None:
        return None, f"the image tag {image.tag} is no vLLM release"
    return found[1], f"from the image tag {image.tag}"
