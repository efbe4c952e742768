"""A snapshot as the operator sees a cluster: what it would decide about, and from what.

Objects go through the operator's own `ClusterState`, models through its own reader, and
ModelDeployments and their Deployments through its own gathering: the same decisions come out.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from rightslice.core.perf.calibration import Calibration
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster import devices
from rightslice.edge.cluster.models import ReadModel, config_files, read_model
from rightslice.edge.cluster.node_prices import CardPrices
from rightslice.edge.cluster.state import ClusterState
from rightslice.kube.admission.decide import Recommend
from rightslice.kube.crd.definition import MODEL, MODEL_DEPLOYMENT
from rightslice.kube.operate.ask import Release
from rightslice.kube.operate.decided import Decided, Moment
from rightslice.kube.operate.gather import OperatorRules, object_key, operator_rules, served_of
from rightslice.kube.operate.view import Key, World
from rightslice.kube.snapshot.value import Snapshot, files_named

_MIRRORED: Final = ("Node", "Pod", "Namespace", "ResourceQuota", "LimitRange")


@dataclass(frozen=True, kw_only=True)
class Operated:
    """What the operator of a cluster would decide about, and from what."""

    moment: Moment
    rules: OperatorRules

    def decided(self) -> tuple[Decided, ...]:
        """Return every ModelDeployment with the operator's decision, by name."""
        return self.moment.decided()


def operated(
    snapshot: Snapshot,
    catalog: Catalog,
    recommend_by: Callable[[tuple[Calibration, ...]], Recommend],
    now: dt.datetime,
    rules: OperatorRules | None = None,
) -> Operated:
    """Return what the operator would see in *snapshot*.

    Args:
        snapshot: one moment of a cluster.
        catalog: boards, models, releases and prices.
        recommend_by: the core's answer to a question, by the operator's constants and a model's
            own calibrations (`Recommenders.by`).
        now: the moment of a snapshot that does not say its own.
        rules: ceiling and settling time; by the operator's Deployment in the snapshot if absent.
    """
    deployments = snapshot.of("Deployment")
    found = operator_rules(deployments) if rules is None else rules
    state = ClusterState(find_gpu=catalog.gpu, now=lambda: 0.0)
    dra = devices.KINDS if snapshot.of("ResourceSlice") else ()
    for kind in (*_MIRRORED, *dra):
        state.replace_all(kind, snapshot.of(kind))
    models = models_of(snapshot, catalog)
    world = World(
        cluster=state.cluster(),
        hardware=dict(state.hardware),
        models={key: one.model for key, one in models.items()},
        release=Release(find=catalog.engine),
        recommend=recommend_by(()),
        recommends={
            key: recommend_by(one.calibrations) for key, one in models.items() if one.calibrations
        },
        card_price=_prices(catalog).of,
        ceiling=found.ceiling,
        settle_seconds=found.settle_seconds,
    )
    served = served_of(snapshot.of(MODEL_DEPLOYMENT.kind), deployments)
    moment = Moment(served=served, world=world, now=moment_of(snapshot, now))
    return Operated(moment=moment, rules=found)


@lru_cache(maxsize=1)
def _prices(catalog: Catalog) -> CardPrices:
    """Return the prices of *catalog*: the same for two views, so that decisions can be kept."""
    return CardPrices(catalog)


def models_of(snapshot: Snapshot, catalog: Catalog) -> dict[Key, ReadModel]:
    """Return every Model of *snapshot*, or why it cannot be used."""
    files = {object_key(one): config_files(one) for one in snapshot.of("ConfigMap")}
    found = {}
    for one in snapshot.of(MODEL.kind):
        texts = {place[1]: files.get(place) for place in files_named([one])}
        key = object_key(one)
        said = json.dumps([*key, one.get("spec"), texts], sort_keys=True)
        found[key] = _read(catalog, said)
    return found


@lru_cache(maxsize=4096)
def _read(catalog: Catalog, said: str) -> ReadModel:
    """Return what a Model is: the same value for the same words, so that decisions can be kept."""
    namespace, name, spec, texts = json.loads(said)
    given = {"metadata": {"namespace": namespace, "name": name}, "spec": spec}
    return read_model(given, catalog, lambda _, one: texts.get(one))


def moment_of(snapshot: Snapshot, otherwise: dt.datetime) -> dt.datetime:
    """Return when *snapshot* was taken; *otherwise* where it does not say."""
    try:
        taken = dt.datetime.fromisoformat(snapshot.taken_at or "")
    except ValueError:
        return otherwise
    return taken if taken.tzinfo is not None else otherwise
