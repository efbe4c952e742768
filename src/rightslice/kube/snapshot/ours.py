"""ModelDeployments in the plan of a cluster: the operator's decision, beside the planned servers.

What they hold is theirs: their pods are no servers of their own, and their cards no part of the
fleet that is planned for the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from rightslice.kube.crd.definition import MODEL_DEPLOYMENT
from rightslice.kube.operate.decided import Decided, dollars
from rightslice.kube.snapshot.holders import Held, Key
from rightslice.kube.snapshot.owners import OwnerKey
from rightslice.kube.snapshot.result import Comparison, Current, Proposed
from rightslice.kube.snapshot.servers import LeftOut, devices_text, held_text

OFF: Final = "Off"
_MOST_NAMED: Final = 8


def compared(
    decided: Iterable[Decided], held: Iterable[Held], owners: Mapping[Key, OwnerKey]
) -> Iterator[Comparison | LeftOut]:
    """Yield each ModelDeployment as it is now, and as the operator would have it."""
    by_owner: dict[OwnerKey, list[Held]] = {}
    for one in held:
        owner = owners.get(one.owner)
        if owner is not None:
            by_owner.setdefault(owner, []).append(one)
    for each in decided:
        yield _compared(each, tuple(by_owner.get(each.key, ())))


def not_held_back(decided: Iterable[Decided]) -> tuple[str, ...]:
    """Return that the plan may take places which the operator would give; () when it gives none."""
    moving = [one.name for one in decided if one.status.proposed is not None]
    if not moving:
        return ()
    more = " and others" if len(moving) > _MOST_NAMED else ""
    names = f"{', '.join(moving[:_MOST_NAMED])}{more}"
    told = f"the plan of the others does not hold back what ModelDeployments are to get: {names}"
    return (told,)


def _compared(one: Decided, held: tuple[Held, ...]) -> Comparison | LeftOut:
    if one.outcome == OFF:
        return LeftOut(
            name=one.name, namespace=one.namespace, object_kind=MODEL_DEPLOYMENT.kind,
            replicas=one.status.replicas, holds=held_text(held), reasons=("its mode is off",),
        )  # fmt: skip
    current, proposed = _current(one, held), _proposed(one)
    saved = None
    if proposed is not None and None not in (current.usd_per_hour, proposed.usd_per_hour):
        assert current.usd_per_hour is not None
        assert proposed.usd_per_hour is not None
        saved = current.usd_per_hour - proposed.usd_per_hour
    found = one.status.recommendation
    refused = () if found is None else found.refused[:1]
    because = [f"not {each.offer}: {each.reason}" for each in refused]
    return Comparison(
        name=one.name,
        namespace=one.namespace,
        object_kind=MODEL_DEPLOYMENT.kind,
        object_name=one.name,
        current=current,
        proposed=proposed,
        saved_usd_per_hour=saved,
        reason=one.reason if found is None else next(iter(because), "no offer is cheaper"),
        assumed=() if found is None else found.assumed,
    )


def _current(one: Decided, held: tuple[Held, ...]) -> Current:
    bound = tuple(each for each in held if each.node)
    runs = one.status.current
    return Current(
        resources=held_text(bound),
        devices=devices_text(bound),
        replicas=one.status.replicas,
        waiting=len({(each.namespace, each.pod) for each in held if not each.node}),
        usd_per_hour=None if runs is None or not bound else dollars(runs),
        verdict=_verdict(one),
    )


def _verdict(one: Decided) -> str:
    runs = one.status.current
    if runs is None:
        return "nothing of it runs"
    same = one.offer is not None and (runs.offer, runs.replicas) == (
        one.offer.offer, one.offer.replicas,
    )  # fmt: skip
    return "holds" if same else "not what the operator would run"


def _proposed(one: Decided) -> Proposed | None:
    found = one.status.recommendation
    if found is None:
        return None
    offer = found.offer
    return Proposed(
        offer=offer.offer,
        resource=f"{offer.count} x {offer.resource}",
        replicas=offer.replicas,
        usd_per_hour=dollars(offer),
        headroom_ratio=_ratio(found.headroom),
    )


def _ratio(written: str) -> float:
    """Return a ratio as the status writes it: ``56%``; 0 where it says none."""
    number = written.removesuffix("%").replace(",", "")
    return float(number) / 100 if number.replace(".", "", 1).isdecimal() else 0.0
