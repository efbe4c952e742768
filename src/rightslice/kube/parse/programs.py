"""Which program a command line starts: a vLLM server, a load generator, or something else.

Server entry points: vllm/entrypoints (``vllm serve``, ``openai.api_server``, ``api_server``,
``grpc_server``; vllm-project/vllm 0.6 to 0.33), ``dynamo.vllm`` (ai-dynamo/dynamo components).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rightslice.kube.parse.shell_words import basename, is_unknown

_MODULE: Final = re.compile(
    r"vllm(\.[\w]+)*\.(api_server|grpc_server|launcher)|dynamo\.vllm(\.\w+)*|vllm_omni\.\S*api_server"
)
_SCRIPT: Final = re.compile(r".*vllm.*/(api_server|inference_api)\.py")
_COMMAND: Final = frozenset({"vllm", "lmcache_vllm", "vllm-omni"})
_HUGGINGFACE: Final = "huggingfaceserver"
ONLY_SAYS: Final = frozenset(
    {"echo", "printf", "pip", "pip3", "apt", "apt-get", "grep", "pgrep", "pkill", "which", "curl",
     "wget", "git", "[", "[[", "test", "trap", "ps", "cp", "mv", "rm", "mkdir", "alias", "kill",
     "helm", "kubectl", "docker", "type", "command", "case"}
)  # fmt: skip
_CLIENTS: Final = re.compile(
    r"(^|[/_.-])(benchmark_serving|bench_serving|benchmark_serving_\w+|bench_one_batch_server"
    r"|guidellm|inference-perf|inference_perf|genai-perf|genai_perf|aiperf|perf_analyzer|lm_eval"
    r"|lm-eval|token_benchmark_ray|llmperf|llm-?load-?test|load_test|locust|evalscope|hey|wrk|k6"
    r"|vegeta|ab|fmperf|multi-round-qa|oha|llm_?bench\w*|ai-?benchmark\w*)(\.\w+)?$"
)
_CLIENT_IMAGE: Final = re.compile(
    r"bench|guidellm|genai-perf|aiperf|inference-perf|load-?gen|load-?test|llmperf|locust|evalscope"
    r"|lm-?eval|fmperf|(^|/)k6|perf-client"
)


@dataclass(frozen=True, kw_only=True)
class ServerCommand:
    """A command that starts a vLLM server."""

    arguments: tuple[str, ...]
    takes_model: bool
    """Whether the first word that is no flag names the model (``vllm serve MODEL``)."""
    said: str
    """How it is started, in a few words."""


def server_command(words: Sequence[str]) -> ServerCommand | None:
    """Return the vLLM server that *words* start, whatever wraps them, or None.

    >>> server_command(["exec", "vllm", "serve", "m", "--port", "80"]).arguments
    ('m', '--port', '80')
    """
    if not words or basename(words[0]) in ONLY_SAYS:
        return None
    for index, one in enumerate(words):
        after = words[index + 1] if index + 1 < len(words) else ""
        if after == "serve" and (basename(one) in _COMMAND or (is_unknown(one) and "vllm" in one)):
            return _server(words[index + 2 :], takes_model=True, said="vllm serve")
        if one == "-m" and after == "vllm.entrypoints.cli.main" and "serve" in words[index + 2 :]:
            start = words.index("serve", index + 2)
            return _server(words[start + 1 :], takes_model=True, said="vllm serve")
        if one == "-m" and (_MODULE.fullmatch(after) or after == _HUGGINGFACE):
            takes = after.startswith("vllm.")  # its parser has a positional model as well
            return _server(words[index + 2 :], takes_model=takes, said=f"-m {after}")
        if _SCRIPT.fullmatch(one):
            return _server(words[index + 1 :], takes_model=True, said=one)
    return None


def _server(arguments: Sequence[str], *, takes_model: bool, said: str) -> ServerCommand:
    return ServerCommand(arguments=tuple(arguments), takes_model=takes_model, said=said)


def load_command(words: Sequence[str]) -> tuple[str, list[str]] | None:
    """Return the name and the arguments of the load generator that *words* start, or None.

    >>> load_command(["python3", "benchmark_serving.py", "--max-concurrency=64"])
    ('benchmark_serving', ['--max-concurrency=64'])
    """
    if not words or basename(words[0]) in ONLY_SAYS:
        return None
    for index, one in enumerate(words[:12]):
        if basename(one) == "vllm" and list(words[index + 1 : index + 3]) == ["bench", "serve"]:
            return "vllm bench serve", list(words[index + 3 :])
        if one.startswith("-") or "=" in one or "://" in one:
            continue
        found = _CLIENTS.search(one)
        if found is not None:
            return found[2], list(words[index + 1 :])
    return None


def is_client(image_name: str, container_name: str) -> bool:
    """Whether the names of a container say that it makes load."""
    return any(_CLIENT_IMAGE.search(name.lower()) for name in (image_name, container_name))
