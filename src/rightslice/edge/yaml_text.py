"""Manifests as YAML text that every reader understands alike.

Kubernetes reads YAML 1.1 with go-yaml, which takes more words for booleans and numbers than
PyYAML does (``y``, ``1e3``), so text is quoted unless it plainly is text. Keys keep their order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rightslice.kube.manifest import Manifest

if TYPE_CHECKING:
    import yaml

_PLAIN: Final = re.compile(r"(--)?[A-Za-z/][A-Za-z0-9 ./:=_()+,;$-]*", re.ASCII)
_WORDS: Final = frozenset(
    {"y", "yes", "n", "no", "on", "off", "true", "false", "null", "nan", "inf"}
)
_NO_FOLDING: Final = 1_000_000
"""Text stays on one line: a folded one is hard to read and to compare."""
_BLOCK: Final = re.compile(r"[\n\x20-\x7e]*\n", re.ASCII)


def dump_yaml(documents: Sequence[Manifest]) -> str:
    """Return *documents* as YAML text, one after the other."""
    import yaml  # noqa: PLC0415 - yaml loads where it is used

    return yaml.dump_all(
        documents,
        Dumper=_dumper(),
        sort_keys=False,
        default_flow_style=False,
        allow_unicode=True,
        width=_NO_FOLDING,
        explicit_start=len(documents) > 1,
    )


def _dumper() -> type[yaml.SafeDumper]:
    import yaml  # noqa: PLC0415 - yaml loads where it is used

    class Dumper(yaml.SafeDumper):
        """Quotes doubtful text, indents lists (numbers on one line), writes no anchors."""

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - PyYAML's signature
            super().increase_indent(flow, indentless=False)

        def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
            return True

    def represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))

    def represent_list(dumper: yaml.SafeDumper, items: list[object]) -> yaml.SequenceNode:
        numbers = bool(items) and all(isinstance(item, int) for item in items)
        return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=numbers)

    Dumper.add_representer(str, represent_text)
    Dumper.add_representer(list, represent_list)
    return Dumper


def _style(text: str) -> str | None:
    if "\n" in text and _BLOCK.fullmatch(text):
        return "|"
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return None
    return '"'
