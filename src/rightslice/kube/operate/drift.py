"""Whether somebody else changed what we made, told by who owns its fields.

The API server keeps for each manager the fields that it applied and still owns
(``metadata.managedFields``, kubernetes.io "Server-Side Apply"). Who changes the value of one, or
takes it away, takes it from the others' lists. So ours shrinks exactly when a field of ours was
changed, whatever others add beside. Replicas are left out: they are scaled, not applied.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from rightslice.kube.manifest import Manifest, digest
from rightslice.kube.parse.decoded import at, items, mapping

FIELD_MANAGER: Final = "rightslice-operator"
_SPEC: Final = "f:spec"
_REPLICAS: Final = "f:replicas"


def owned_fields(given: Mapping[str, object]) -> str | None:
    """Return a digest of the fields of *given* that we applied and still own; None: of none."""
    found = [
        mapping(one)
        for one in items(at(given, "metadata", "managedFields"))
        if at(one, "manager") == FIELD_MANAGER
        and at(one, "operation") == "Apply"
        and not at(one, "subresource")
    ]
    if not found:
        return None
    owned: dict[str, Any] = dict(mapping(found[0].get("fieldsV1")))
    spec = {name: one for name, one in mapping(owned.get(_SPEC)).items() if name != _REPLICAS}
    return digest(json.dumps({**owned, _SPEC: spec}, sort_keys=True))


def manifest_digest(manifest: Manifest) -> str:
    """Return a digest of what *manifest* asks for, replicas left out."""
    spec = manifest.get("spec")
    plain = spec if isinstance(spec, dict) else {}
    rest = {name: one for name, one in plain.items() if name != "replicas"}
    return digest(json.dumps({**manifest, "spec": rest}, sort_keys=True))
