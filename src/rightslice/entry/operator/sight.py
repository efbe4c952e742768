"""What the watches told, read as it comes: only what decisions rest on is kept.

An object that says nothing new stays the same value, so that nobody has to look at it again. One
that is older than what is known (a watch that lags behind our own write, or behind a list) is
passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from rightslice.kube.crd.decode import encode
from rightslice.kube.crd.definition import MODEL, MODEL_DEPLOYMENT
from rightslice.kube.crd.deployment import ModelDeploymentStatus
from rightslice.kube.crd.model import ModelStatus
from rightslice.kube.operate.drift import owned_fields
from rightslice.kube.operate.gather import object_key, owner_key
from rightslice.kube.operate.view import Key, Running, Served, read_running, read_served
from rightslice.kube.parse.decoded import at, items, text

Decoded = Mapping[str, Any]
DEPLOYMENT: Final = "Deployment"
CLAIM_TEMPLATE: Final = "ResourceClaimTemplate"
Place = tuple[str, str, str]
"""Kind, namespace and name."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """An object that says it belongs to a ModelDeployment."""

    name: str
    owner: Key
    owners: frozenset[str]
    """Uids of whom it names as its owners."""
    fields: str | None
    """A digest of the fields that we applied and still own."""
    running: Running | None = None
    """Of a Deployment."""


@dataclass
class Sight:
    """The objects that the operator serves, and those that it made."""

    models: dict[Key, Decoded] = field(default_factory=dict)
    made: dict[Place, Made] = field(default_factory=dict)
    _served: dict[Key, Served] = field(default_factory=dict)
    _of: dict[Key, dict[Place, Made]] = field(default_factory=dict)
    """What each ModelDeployment has."""
    _joined: dict[Key, Served] = field(default_factory=dict)
    """Each with its Deployments, put together once a change."""
    _versions: dict[Place, int] = field(default_factory=dict)

    def take(self, kind: str, given: Decoded, *, is_gone: bool = False) -> bool:
        """Take in an object that a watch told of; return whether it says anything new."""
        key = object_key(given)
        place = kind, *key
        version = text(at(given, "metadata", "resourceVersion")) or ""
        number = int(version) if version.isdecimal() else 0
        if number < self._versions.get(place, 0):
            return False
        if is_gone:
            self._versions.pop(place, None)
        elif number:
            self._versions[place] = number
        if kind == MODEL.kind:
            return self._take_model(key, None if is_gone else given)
        if kind == MODEL_DEPLOYMENT.kind:
            going = is_gone or at(given, "metadata", "deletionTimestamp") is not None
            return self._take_served(key, None if going else read_served(given))
        return self._take_made(place, None if is_gone else _made(kind, given))

    def replace_all(self, kind: str, objects: Iterable[Decoded]) -> bool:
        """Take *objects* for all there is of *kind*; return whether they say anything new."""
        fresh = {(kind, *object_key(one)): one for one in objects}
        for place in [one for one in self._versions if one[0] == kind]:
            del self._versions[place]  # a list is the truth, whatever its versions are
        known = {(kind, *key) for key in self._keys(kind)}
        changed = False
        for _, namespace, name in known - fresh.keys():
            gone = {"metadata": {"namespace": namespace, "name": name}}
            changed |= self.take(kind, gone, is_gone=True)
        for one in fresh.values():
            changed |= self.take(kind, one)
        return changed

    @property
    def served(self) -> dict[Key, Served]:
        """Each ModelDeployment that is not being deleted, with what it has."""
        for key, one in self._served.items():
            if key not in self._joined:
                self._joined[key] = self._join(key, one)
        return {key: self._joined[key] for key in self._served}

    def wrote(
        self, kind: str, key: Key, status: ModelDeploymentStatus | ModelStatus, version: str
    ) -> None:
        """Take in a status that we wrote; the watch tells the same a moment later."""
        if isinstance(status, ModelDeploymentStatus) and key in self._served:
            self._served[key] = replace(self._served[key], before=status)
            self._joined.pop(key, None)
        elif isinstance(status, ModelStatus) and key in self.models:
            self.models[key] = {**self.models[key], "status": encode(status)}
        if version.isdecimal():
            self._versions[kind, *key] = int(version)

    def scaled(self, key: Key, name: str, replicas: int) -> None:
        """Take in that we scaled a Deployment."""
        place = DEPLOYMENT, key[0], name
        one = self.made.get(place)
        if one is not None and one.running is not None:
            running = replace(one.running, replicas=replicas)
            self._take_made(place, replace(one, running=running))

    def deleted(self, place: Place) -> None:
        """Take in that we deleted an object."""
        self._versions.pop(place, None)
        self._take_made(place, None)

    def version(self, place: Place) -> str | None:
        """Return the resource version of an object as it was last seen."""
        number = self._versions.get(place)
        return None if number is None or place not in self.made else str(number)

    def _keys(self, kind: str) -> list[Key]:
        if kind == MODEL.kind:
            return list(self.models)
        if kind == MODEL_DEPLOYMENT.kind:
            return list(self._served)
        return [(namespace, name) for known, namespace, name in self.made if known == kind]

    def _take_model(self, key: Key, given: Decoded | None) -> bool:
        last = self.models.get(key)
        if given is None:
            return self.models.pop(key, None) is not None
        self.models[key] = given
        return last is None or _says(given) != _says(last)

    def _take_served(self, key: Key, one: Served | None) -> bool:
        last = self._served.get(key)
        if one == last:
            return False
        self._joined.pop(key, None)
        if one is None:
            del self._served[key]
        else:
            self._served[key] = one
        return True

    def _take_made(self, place: Place, one: Made | None) -> bool:
        last = self.made.get(place)
        if one == last:
            return False
        for owner in {each.owner for each in (one, last) if each is not None}:
            self._of.setdefault(owner, {}).pop(place, None)
            self._joined.pop(owner, None)
        if one is None:
            del self.made[place]
        else:
            self.made[place] = one
            self._of[one.owner][place] = one
        return True

    def _join(self, key: Key, one: Served) -> Served:
        ours = {
            place: each for place, each in self._of.get(key, {}).items() if one.uid in each.owners
        }
        running = [each.running for _, each in sorted(ours.items()) if each.running is not None]
        templates = sorted(name for kind, _, name in ours if kind == CLAIM_TEMPLATE)
        return replace(one, running=tuple(running), templates=tuple(templates))


def _made(kind: str, given: Decoded) -> Made | None:
    owner = owner_key(given)
    if owner is None:
        return None
    uids = (text(at(one, "uid")) for one in items(at(given, "metadata", "ownerReferences")))
    return Made(
        name=object_key(given)[1],
        owner=owner,
        owners=frozenset(one for one in uids if one is not None),
        fields=owned_fields(given),
        running=read_running(given) if kind == DEPLOYMENT else None,
    )


def _says(given: Decoded) -> tuple[object, ...]:
    """Return what of a Model decisions rest on."""
    return given.get("spec"), given.get("status"), at(given, "metadata", "uid")
