"""YAML files that people write: parsed once, with the line of every value kept for messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rightslice.errors import FieldError, InputError, UnavailableError

if TYPE_CHECKING:
    import yaml

_LARGEST_BYTES = 8 * 1024**2
_DEEPEST = 40


@dataclass(frozen=True, kw_only=True)
class Document:
    """One YAML document as plain data, and where each value stands."""

    where: str
    data: Any
    lines: Mapping[str, int]
    """Line (from 1) of each value, by path: ``$.spec.workloads[0].slo``."""

    def field_error(self, path: str, problem: str) -> FieldError:
        """Return an error for the value at *path*, or for the nearest parent that has a line."""
        at = path
        while at and at not in self.lines:
            at = at[: max(at.rfind("."), at.rfind("["))]
        line = self.lines.get(at)
        where = self.where if line is None else f"{self.where}:{line}"
        return FieldError(where, path.removeprefix("$").removeprefix("."), problem)


def read_text(path: Path, *, largest_bytes: int = _LARGEST_BYTES) -> str:
    """Return the text of *path*.

    Raises:
        InputError: when there is no such file, or it is no UTF-8 text of a sensible size.
        UnavailableError: when the operating system will not read it.
    """
    try:
        if path.stat().st_size > largest_bytes:
            raise InputError(f"{path}: larger than {largest_bytes >> 20} MiB; is this the file?")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder, a file is wanted") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}") from error


def read_document(text: str, *, where: str) -> Document:
    """Parse *text* as one YAML document.

    Raises:
        InputError: for text that is no YAML, more than one document, or a key given twice.
    """
    import yaml  # noqa: PLC0415 - yaml loads where it is used

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_depth(yaml.parse(text, Loader=loader), where)
        nodes = list(yaml.compose_all(text, Loader=loader))
    except yaml.YAMLError as error:
        raise _syntax_error(error, where, text) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: is not YAML: {error}") from None
    if len(nodes) != 1:
        problem = "is empty" if not nodes else f"holds {len(nodes)} documents, one is wanted"
        raise InputError(f"{where}: {problem}")
    lines: dict[str, int] = {}
    data = _Reader(where, lines).read(nodes[0], "$", 0)
    return Document(where=where, data=data, lines=lines)


def _check_depth(events: Iterable[yaml.Event], where: str) -> None:
    """Refuse deep nesting before nodes are composed: the C composer recurses without a limit."""
    import yaml  # noqa: PLC0415 - yaml loads where it is used

    depth = 0
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            mark = event.start_mark
            at = where if mark is None else f"{where}:{mark.line + 1}"
            raise InputError(f"{at}: is nested too deeply")


def _syntax_error(error: yaml.YAMLError, where: str, text: str) -> InputError:
    mark, position = getattr(error, "problem_mark", None), getattr(error, "position", None)
    line = None if mark is None else mark.line + 1
    if line is None and position is not None:
        line = text[:position].count("\n") + 1
    at = where if line is None else f"{where}:{line}"
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    return InputError(f"{at}: is not YAML: {problem}")


class _Reader:
    """Walks the node tree; keeps lines, refuses what a plain reader would lose silently."""

    def __init__(self, where: str, lines: dict[str, int]) -> None:
        self.where = where
        self.lines = lines

    def read(self, node: yaml.Node, path: str, depth: int) -> Any:  # noqa: ANN401 - plain YAML data is of any type
        import yaml  # noqa: PLC0415 - yaml loads where it is used

        self.lines[path] = node.start_mark.line + 1
        if depth > _DEEPEST or len(self.lines) > 200_000:
            raise self._error(node, "is nested too deeply, or refers to itself")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [
                self.read(item, f"{path}[{index}]", depth + 1)
                for index, item in enumerate(node.value)
            ]
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, Any]:
        import yaml  # noqa: PLC0415 - yaml loads where it is used

        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._error(key_node, "a key must be a plain word")
            key = str(key_node.value)
            if key in result:
                raise self._error(key_node, f"key {key!r} is given twice")
            result[key] = self.read(value_node, f"{path}.{key}", depth + 1)
        return result

    def _scalar(self, node: yaml.ScalarNode) -> Any:  # noqa: ANN401 - plain YAML data is of any type
        import yaml  # noqa: PLC0415 - yaml loads where it is used

        if not str(node.tag).startswith("tag:yaml.org,2002:"):
            raise self._error(node, f"tag {node.tag} is not understood")
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value
        constructor = yaml.SafeLoader("")
        try:
            return constructor.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError, LookupError, AttributeError):
            # the last two: what yaml raises of its own for `!!bool x`, `!!int ''`, `!!timestamp x`
            raise self._error(node, f"{node.value!r} is not a valid value") from None

    def _error(self, node: yaml.Node, problem: str) -> InputError:
        return InputError(f"{self.where}:{node.start_mark.line + 1}: {problem}")
