"""A container's environment as far as the manifest says it, and Kubernetes' own ``$(VAR)``.

Expansion as the kubelet does it (kubernetes/kubernetes
third_party/forked/golang/expansion/expand.go): ``$(NAME)`` of a variable that exists is replaced,
``$$`` is ``$``, what does not exist stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from rightslice.kube.parse.decoded import at, items, mapping, text, word
from rightslice.kube.parse.shell_words import unknown

_REFERENCE: Final = re.compile(r"\$(?:\$|\(([A-Za-z_.-][\w.-]*)\))", re.ASCII)
_LONGEST: Final = 65_536

ConfigMaps = Mapping[str, Mapping[str, str]]
"""The data of the ConfigMaps that are at hand, by name."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Variables of one container."""

    values: Mapping[str, str] = field(default_factory=dict)
    """As the process sees them; what a reference hides is the mark of `shell.unknown`."""
    unread: tuple[str, ...] = ()
    """``envFrom`` sources that are not at hand: any variable may come from them."""

    def expand(self, value: str) -> str:
        """Return *value* as the kubelet hands it to the container."""
        return _expand(value, self.values)


def read_environment(
    container: Mapping[str, object], config_maps: ConfigMaps, given: Mapping[str, str]
) -> Environment:
    """Return the environment of *container*; *given* is what its controller sets."""
    values = dict(given)
    unread = []
    for source in items(container.get("envFrom")):
        name = text(at(source, "configMapRef", "name"))
        prefix = text(at(source, "prefix")) or ""
        if name is not None and name in config_maps:
            values |= {f"{prefix}{key}": item for key, item in config_maps[name].items()}
        elif mapping(source):
            secret = text(at(source, "secretRef", "name"))
            unread.append(f"ConfigMap {name}" if name else f"Secret {secret or '?'}")
    environment = container.get("env")
    if isinstance(environment, dict):  # KubeAI's form
        for key, item in mapping(environment).items():
            value = word(item)
            if value is not None:
                values[key] = value
    for entry in items(environment):
        name = text(at(entry, "name"))
        if name is not None:
            values[name] = _value(name, mapping(entry), values, config_maps)
    return Environment(values=values, unread=tuple(unread))


def _value(
    name: str, entry: Mapping[str, object], known: Mapping[str, str], config_maps: ConfigMaps
) -> str:
    source = mapping(entry.get("valueFrom"))
    if not source:
        literal = word(entry.get("value"))
        return "" if literal is None else _expand(literal, known)
    reference = mapping(source.get("configMapKeyRef"))
    data = config_maps.get(text(reference.get("name")) or "", {})
    return data.get(text(reference.get("key")) or "", unknown(name))


def _expand(value: str, known: Mapping[str, str]) -> str:
    if "$" not in value:
        return value

    def replaced(match: re.Match[str]) -> str:
        name = match[1]
        return "$" if name is None else known.get(name, match[0])

    return _REFERENCE.sub(replaced, value)[:_LONGEST]
