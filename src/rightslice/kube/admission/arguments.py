"""Flags for a vLLM server that is there already: who asked for them, which, and where they go.

vLLM picks sizes from what NVML says, which on a MIG slice is the parent board or nothing
(vllm-project/vllm#55381). Whoever annotates the pod gets them said explicitly. They are added only
to a plain list of arguments that reaches the server: never to text that a shell reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rightslice.core.fit.result import Candidate
from rightslice.errors import InputError
from rightslice.kube.manifest import GROUP
from rightslice.kube.parse.annotations import read_flags_wish
from rightslice.kube.parse.decoded import items, mapping
from rightslice.kube.parse.programs import server_command
from rightslice.kube.parse.shell_words import script_of
from rightslice.kube.server_args import pinned_kv_bytes, utilization_on

FLAGS: Final = f"{GROUP}/flags"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Whether the owner wants flags set, and what of it was written wrongly."""

    sets: bool = False
    problem: str | None = None


def wish_of(annotations: Mapping[str, object]) -> Wish:
    """Return what the annotation says; silence and slips are a no."""
    written = annotations.get(FLAGS)
    if written is None:
        return Wish()
    try:
        return Wish(sets=read_flags_wish(str(written)) == "set")
    except InputError as error:
        return Wish(problem=f"annotation {FLAGS}: {error}")


def takes_flags(container: object) -> bool:
    """Whether arguments added to the end of ``args`` reach the vLLM server.

    >>> takes_flags({"args": ["--model", "m"]}), takes_flags({"args": ["sh", "-c", "vllm serve m"]})
    (True, False)
    """
    held = mapping(container)
    command, arguments = items(held.get("command")), items(held.get("args"))
    words = [one for one in (*command, *arguments) if isinstance(one, str)]
    if not arguments or len(words) != len(command) + len(arguments) or "--" in words:
        return False
    if script_of(words) is not None or (len(words) == 1 and len(words[0].split()) > 1):
        return False
    if server_command(words) is not None:
        return True
    return not command and not _is_program(words[0])


def _is_program(first: str) -> bool:
    """Whether an image's own entry point would be handed another program."""
    return first.startswith(("/", "./", "python")) or first.endswith((".sh", ".py"))


def flags_to_say(candidate: Candidate, confidence: float) -> tuple[str, ...]:
    """Return the flags that decide memory, as the offer was judged, where the owner gave none."""
    sizing = candidate.sizing
    if sizing is None:
        return ()
    flags, given = sizing.flags, sizing.server
    utilization = utilization_on(candidate.offer.device.share, flags.gpu_memory_utilization)
    wanted: dict[str, object] = {
        "gpu_memory_utilization": f"{utilization:g}",
        "kv_cache_memory_bytes": pinned_kv_bytes(sizing, confidence),
        "max_model_len": flags.max_model_len,
        "max_num_seqs": flags.max_num_seqs,
        "max_num_batched_tokens": flags.max_num_batched_tokens,
    }
    return tuple(
        f"--{name.replace('_', '-')}={value}"
        for name, value in wanted.items()
        if value is not None and (getattr(given, name) is None or name in given.chosen)
    )
