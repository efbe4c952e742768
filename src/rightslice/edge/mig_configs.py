"""mig-parted's configuration file in its ConfigMap: what it has, and one more entry written in.

The file is YAML (NVIDIA/mig-parted, ``version: v1`` and ``mig-configs``). Everything in it is kept;
comments are lost when it is written anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rightslice.edge.yaml_files import read_document
from rightslice.edge.yaml_text import dump_yaml
from rightslice.errors import InputError
from rightslice.kube.parse.decoded import mapping
from rightslice.records import Json

FILE: Final = "config.yaml"
"""The file's name in the ConfigMap, as the GPU operator mounts it."""
_CONFIGS: Final = "mig-configs"


def read_configs(files: Mapping[str, str]) -> Mapping[str, Json]:
    """Return the entries of the configuration, by name.

    Raises:
        InputError: when there is no such file, or it is none of mig-parted's.
    """
    return dict(_read(files)[_CONFIGS])


def with_config(files: Mapping[str, str], name: str, entries: list[Json]) -> str:
    """Return the file's text with *entries* under *name*.

    Raises:
        InputError: when there is no such file, or it is none of mig-parted's.
    """
    found = _read(files)
    return dump_yaml([{**found, _CONFIGS: {**found[_CONFIGS], name: entries}}])


def _read(files: Mapping[str, str]) -> dict[str, Any]:
    if FILE not in files:
        raise InputError(f"the ConfigMap has no {FILE}, where mig-manager reads its configurations")
    data: dict[str, Any] = read_document(files[FILE], where=FILE).data
    if not mapping(data) or not isinstance(data.get(_CONFIGS), dict):
        raise InputError(f"{FILE} has no {_CONFIGS}, as mig-parted's configurations have")
    return data
