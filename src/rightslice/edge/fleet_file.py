"""A fleet file (YAML, kind ``Fleet``) to the core's `Fleet`; errors name file, line and field.

Paths inside the file (models, traces) are relative to the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from rightslice.core.catalog.estimate import check_confidence
from rightslice.core.catalog.fleet import (
    Fleet,
    MigStrategy,
    NodeGroup,
    Quota,
    Reserve,
    Team,
    Workload,
)
from rightslice.core.catalog.gpu import Gpu
from rightslice.core.catalog.instance import InstanceType, Price, PriceKind
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.question import Isolation
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.together import Apart, Preference
from rightslice.core.catalog.traffic import ClosedLoop, Load, OpenLoop, Slo, Traffic
from rightslice.edge import fleet_schema as schema
from rightslice.edge.prices_file import card_price, parse_dollars
from rightslice.edge.shapes import check_shape
from rightslice.edge.trace_files import read_lengths
from rightslice.edge.yaml_files import Document, read_document, read_text
from rightslice.errors import FieldError, InputError
from rightslice.units import parse_bytes, parse_cores, parse_duration, parse_rate, parse_ratio

if TYPE_CHECKING:
    from rightslice.edge.catalog_files import Catalog

_CARDS: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}|/([0-9]{1,9}))?")
_MOST_OF_A_RESOURCE: Final = 1_000_000
_MOST_CARDS: Final = 100_000
"""Kubernetes is tested to 5,000 nodes (kubernetes.io, Considerations for large clusters)."""

_T = TypeVar("_T")
_V = TypeVar("_V")


@dataclass(frozen=True, kw_only=True)
class Context:
    """What reading a fleet needs beside its text."""

    catalog: Catalog
    own_prices: Mapping[str, Price]
    folder: Path


def read_fleet(path: Path, *, catalog: Catalog, own_prices: Mapping[str, Price]) -> Fleet:
    """Return the fleet that the file at *path* describes.

    Raises:
        InputError: when anything in it is wrong; file, line, field and what would be right.
        UnavailableError: when the file cannot be read.
    """
    document = read_document(read_text(path), where=str(path))
    context = Context(catalog=catalog, own_prices=own_prices, folder=path.parent)
    return parse_fleet(document, context)


def parse_fleet(document: Document, context: Context) -> Fleet:
    """Return the fleet in an already parsed *document*; errors as `read_fleet`."""
    file = check_shape(document, schema.FleetFile)
    reader = _FleetReader(document, context)
    spec = file.spec
    confidence = reader.at("$.spec.confidence", _confidence, spec.confidence)
    nodes = tuple(reader.node(node, f"$.spec.nodes[{i}]") for i, node in enumerate(spec.nodes))
    reader.check_cards(nodes)
    teams = reader.teams(spec)
    workloads = tuple(
        reader.workload(workload, f"$.spec.workloads[{i}]", confidence)
        for i, workload in enumerate(spec.workloads)
    )
    reader.check_names("nodes", [node.name for node in spec.nodes])
    reader.check_names("teams", [team.name for team in spec.teams])
    reader.check_names("workloads", [workload.name for workload in spec.workloads])
    reader.check_teams(spec, {team.name for team in teams})
    reserve = tuple(
        reader.reserve(one, nodes, f"$.spec.reserve[{i}]") for i, one in enumerate(spec.reserve)
    )
    return Fleet(
        name=file.metadata.name, nodes=nodes, teams=teams, workloads=workloads, reserve=reserve
    )


class _FleetReader:
    """Turns checked shapes into values; knows where each stands."""

    def __init__(self, document: Document, context: Context) -> None:
        self.document = document
        self.context = context

    def at(self, path: str, parse: Callable[[_V], _T], value: _V) -> _T:
        """Return ``parse(value)``; an InputError gets the file, line and field of *path*."""
        try:
            return parse(value)
        except FieldError:
            raise
        except InputError as error:
            raise self.document.field_error(path, str(error)) from None

    def maybe(self, path: str, parse: Callable[[_V], _T], value: _V | None) -> _T | None:
        """Return ``parse(value)``, or None for what is not given."""
        return None if value is None else self.at(path, parse, value)

    def reserve(self, given: schema.Reserve, nodes: tuple[NodeGroup, ...], path: str) -> Reserve:
        """Return head-room that some node group can cut."""
        gpu = self.maybe(f"{path}.gpu", self.context.catalog.gpu, given.gpu)
        cut = [
            node.gpu.mig
            for node in nodes
            if node.gpu.mig is not None
            and node.mig is not MigStrategy.NONE
            and (gpu is None or gpu.name == node.gpu.name)
        ]
        known = sorted({str(profile.name) for grid in cut for profile in grid.profiles})
        if given.profile not in known:
            there = f"they have {', '.join(known)}" if known else "none of them is cut"
            raise self.document.field_error(
                f"{path}.profile", f"no node of this fleet has {given.profile}; {there}"
            )
        return Reserve(
            profile=ProfileName(given.profile),
            count=given.count,
            gpu=None if gpu is None else gpu.name,
        )

    def check_cards(self, nodes: tuple[NodeGroup, ...]) -> None:
        """Refuse more cards than a plan lists one by one."""
        cards = sum(node.count * node.gpus_per_node for node in nodes)
        if cards > _MOST_CARDS:
            raise self.document.field_error(
                "$.spec.nodes", f"{cards:,} GPUs in all; a plan covers at most {_MOST_CARDS:,}"
            )

    def check_names(self, kind: str, names: list[str]) -> None:
        """Refuse a name that is given twice."""
        for index, name in enumerate(names):
            if name in names[:index]:
                raise self.document.field_error(
                    f"$.spec.{kind}[{index}].name", f"{name!r} is already taken"
                )

    def check_teams(self, spec: schema.Spec, known: set[str]) -> None:
        """Refuse a workload of a team that is not there."""
        for index, workload in enumerate(spec.workloads):
            if workload.team not in known:
                near = get_close_matches(workload.team, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else "; add it to spec.teams"
                raise self.document.field_error(
                    f"$.spec.workloads[{index}].team", f"no team {workload.team!r}{hint}"
                )

    def teams(self, spec: schema.Spec) -> tuple[Team, ...]:
        """Return the teams, in the order given."""
        return tuple(
            Team(name=team.name, quota=self._quota(team.quota, f"$.spec.teams[{i}].quota"))
            for i, team in enumerate(spec.teams)
        )

    def _quota(self, quota: schema.Quota, path: str) -> Quota:
        for name, limit in quota.resources.items():
            if not 0 <= limit <= _MOST_OF_A_RESOURCE:
                raise self.document.field_error(
                    f"{path}.resources.{name}",
                    f"must not be negative, nor more than {_MOST_OF_A_RESOURCE:,}",
                )
        return Quota(
            cards=self.maybe(f"{path}.gpus", _fraction, quota.gpus),
            usd_per_hour=self.maybe(f"{path}.usdPerHour", parse_dollars, quota.usd_per_hour),
            resources=dict(quota.resources),
        )

    def node(self, node: schema.Node, path: str) -> NodeGroup:
        """Return one node group, its GPU and price looked up."""
        if (node.instance_type is None) == (node.gpus is None):
            raise self.document.field_error(path, "give either instanceType or gpus")
        instance = self.maybe(
            f"{path}.instanceType", self.context.catalog.instance, node.instance_type
        )
        gpu_name, gpu_count = self._cards(node, instance, path)
        gpu = self.at(path, self.context.catalog.gpu, gpu_name)
        memory = None if node.gpus is None else node.gpus.memory
        if gpu.memory_bytes is None and memory is None:
            raise self.document.field_error(
                f"{path}.gpus.memory" if node.gpus else f"{path}.instanceType",
                f"the memory that CUDA reports on {gpu.name} is not known; describe the cards under"
                " gpus with their memory, as in 79.19GiB",
            )
        card_memory = self.maybe(f"{path}.gpus.memory", parse_bytes, memory)
        ram = self.maybe(f"{path}.memory", parse_bytes, node.memory)
        slicing, mps = node.time_slicing, node.mps

        def built(price: Price | None) -> NodeGroup:
            return NodeGroup(
                name=node.name,
                count=node.count,
                instance=instance,
                gpu=gpu,
                gpus_per_node=gpu_count,
                gpu_memory_bytes=card_memory,
                vcpus=node.vcpus or (instance.vcpus if instance else None),
                memory_bytes=ram or (instance.memory_bytes if instance else None),
                mig=MigStrategy(node.mig),
                time_slicing_replicas=None if slicing is None else slicing.replicas,
                price=price,
                mps_replicas=None if mps is None else mps.replicas,
            )

        return self.at(path, built, self._price(node, gpu, gpu_count))

    def _cards(
        self, node: schema.Node, instance: InstanceType | None, path: str
    ) -> tuple[str, int]:
        if node.gpus is not None:
            self.at(f"{path}.gpus.model", self.context.catalog.gpu, node.gpus.model)
            return node.gpus.model, node.gpus.count
        assert instance is not None
        if instance.gpu is None or instance.gpu_count < 1:
            raise self.document.field_error(
                f"{path}.instanceType",
                f"{instance.name} has no whole GPU that the catalogue knows"
                f" ({instance.gpu_label}); describe its cards under gpus",
            )
        return str(instance.gpu), instance.gpu_count

    def _price(self, node: schema.Node, gpu: Gpu, gpu_count: int) -> Price | None:
        own = self.context.own_prices
        for item in (node.name, node.instance_type):
            if item is not None and item in own:
                return own[item]
        card = card_price(own, gpu)
        if card is not None:
            return Price(
                item=card.item,
                kind=card.kind,
                region=card.region,
                usd_per_hour=card.usd_per_hour * gpu_count,
                as_of=card.as_of,
                source=card.source,
            )
        if node.instance_type is None:
            return None
        return self.context.catalog.price(
            node.instance_type, region=node.region, kind=PriceKind(node.capacity_type)
        )

    def workload(self, workload: schema.Workload, path: str, confidence: float) -> Workload:
        """Return one workload, its model and engine looked up."""
        if (workload.apart, workload.prefer) == ("node", "pack"):
            raise self.document.field_error(
                f"{path}.prefer",
                "pack asks for few nodes, and apart: node for one each; give either",
            )
        fields: dict[str, Any] = {
            "name": workload.name,
            "team": workload.team,
            "model": self.at(f"{path}.model", self._model, workload.model),
            "engine": self.at(
                f"{path}.engine.version", self.context.catalog.engine, workload.engine.version
            ),
            "server": self.at(f"{path}.flags", _server, workload.flags),
            "tensor_parallel": workload.flags.tensor_parallel_size,
            "traffic": self._traffic(workload, path),
            "slo": self._slo(workload.slo, f"{path}.slo"),
            "min_replicas": workload.replicas.min,
            "max_replicas": workload.replicas.max or workload.replicas.min,
            "priority": workload.priority,
            "isolation": Isolation(workload.isolation),
            "kv_cache_dtypes": tuple(workload.kv_cache_dtypes),
            "confidence": self.maybe(f"{path}.confidence", _confidence, workload.confidence)
            or confidence,
            "pod_cpu_cores": self.maybe(f"{path}.cpu", _cores, workload.cpu),
            "pod_memory_bytes": self.maybe(f"{path}.memory", parse_bytes, workload.memory),
            "apart": Apart(workload.apart),
            "preference": self.maybe(f"{path}.prefer", Preference, workload.prefer),
        }
        return self.at(f"{path}.replicas", lambda given: Workload(**given), fields)

    def _model(self, name: str) -> Any:  # noqa: ANN401 - the catalogue's Model
        local = self.context.folder / name
        is_path = name.endswith(".json") or name.startswith((".", "/"))
        return self.context.catalog.model(str(local) if is_path else name)

    def _traffic(self, workload: schema.Workload, path: str) -> Traffic:
        lengths = {
            field: self.at(
                f"{path}.{field}",
                lambda text: read_lengths(str(text), folder=self.context.folder),
                getattr(workload, field),
            )
            for field in ("input", "output")
        }
        return self.at(
            f"{path}.prefixCacheHit",
            lambda hit: Traffic(
                load=self._load(workload.load, f"{path}.load"),
                input=lengths["input"],
                output=lengths["output"],
                prefix_hit_ratio=parse_ratio(str(hit)),
            ),
            workload.prefix_cache_hit,
        )

    def _load(self, load: schema.Load, path: str) -> Load:
        if (load.concurrency is None) == (load.rate is None):
            raise self.document.field_error(path, "give either concurrency or rate")
        if load.concurrency is not None:
            return ClosedLoop(concurrency=load.concurrency)
        rate = self.at(f"{path}.rate", parse_rate, str(load.rate))
        return OpenLoop(requests_per_second=rate)

    def _slo(self, slo: schema.Slo, path: str) -> Slo:
        tpot = self.maybe(f"{path}.tpot", parse_duration, slo.tpot)
        ttft = self.maybe(f"{path}.ttft", parse_duration, slo.ttft)
        tpot_percentile = self.maybe(f"{path}.tpotPercentile", _percentile, slo.tpot_percentile)
        ttft_percentile: float | None = 0.95
        if slo.ttft_percentile is not None:
            ttft_percentile = self.at(f"{path}.ttftPercentile", _percentile, slo.ttft_percentile)
        return self.at(
            path,
            lambda _: Slo(
                tpot_seconds=tpot,
                ttft_seconds=ttft,
                tpot_percentile=tpot_percentile,
                ttft_percentile=ttft_percentile,
            ),
            None,
        )


def _server(flags: schema.Flags) -> ServerConfig:
    kv_bytes = flags.kv_cache_memory_bytes
    return ServerConfig(
        tensor_parallel=flags.tensor_parallel_size or 1,
        pipeline_parallel=flags.pipeline_parallel_size or 1,
        gpu_memory_utilization=flags.gpu_memory_utilization,
        kv_cache_memory_bytes=None if kv_bytes is None else parse_bytes(kv_bytes),
        max_model_len=flags.max_model_len,
        max_num_seqs=flags.max_num_seqs,
        max_num_batched_tokens=flags.max_num_batched_tokens,
        dtype=flags.dtype,
        quantization=flags.quantization,
        kv_cache_dtype=flags.kv_cache_dtype,
        enforce_eager=flags.enforce_eager,
        block_size=flags.block_size,
    )


def _confidence(given: object) -> float:
    return check_confidence(parse_ratio(str(given)))


def _cores(given: object) -> float:
    return parse_cores(str(given))


def _percentile(given: object) -> float | None:
    text = str(given).lower().removeprefix("p")
    return None if text == "mean" else parse_ratio(text)


def _fraction(given: object) -> Fraction:
    match = _CARDS.fullmatch(str(given).strip())
    if match is None or (match[1] is not None and int(match[1]) == 0):
        raise InputError(f"{given!r} is no number of GPUs from 0 up; write 2, 2.5 or 3/7")
    return Fraction(match[0])
