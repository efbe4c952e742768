"""Fleet files: what they say is what is planned, and every mistake has its line and field."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.catalog.fleet import Fleet, MigStrategy
from rightslice.core.catalog.instance import Price, PriceKind
from rightslice.core.catalog.question import Isolation
from rightslice.core.catalog.together import Apart, Preference
from rightslice.core.catalog.traffic import ClosedLoop, OpenLoop
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.fleet_file import Context, parse_fleet, read_fleet
from rightslice.edge.yaml_files import read_document
from rightslice.errors import FieldError, InputError

EXAMPLE = Path(__file__).parents[3] / "examples" / "gpu-as-a-service" / "fleet.yaml"
BASE = """\
apiVersion: rightslice.dev/v1alpha1
kind: Fleet
metadata: {name: f}
spec:
  nodes:
    - {name: a, instanceType: p4d.24xlarge, mig: mixed}
  teams:
    - {name: team-a}
  workloads:
    - name: w
      team: team-a
      model: facebook/opt-1.3b
      load: {concurrency: 8}
      input: 128
      output: 128
      slo: {tpot: 30ms}
"""
NODE, TEAM = "{name: a, instanceType: p4d.24xlarge, mig: mixed}", "{name: team-a}"
LOAD, SLO, LAST = "{concurrency: 8}", "slo: {tpot: 30ms}", "      slo: {tpot: 30ms}\n"


def _parse(text: str, prices: Mapping[str, Price] | None = None, folder: Path = Path()) -> Fleet:
    context = Context(catalog=Catalog(), own_prices=prices or {}, folder=folder)
    return parse_fleet(read_document(text, where="f.yaml"), context)


def _with(old: str, new: str, **rest: object) -> Fleet:
    assert old in BASE
    return _parse(BASE.replace(old, new), **rest)  # type: ignore[arg-type]  # prices and folder


def _own(item: str) -> Price:
    return Price(
        item=item, kind=PriceKind.OWN, region="", usd_per_hour=Decimal(8),
        as_of=dt.date(2026, 1, 1), source="contract",
    )  # fmt: skip


def test_the_example_is_read_whole() -> None:
    """Three node groups, four teams, eleven workloads, as the file says."""
    fleet = read_fleet(EXAMPLE, catalog=Catalog(), own_prices={})
    assert [node.name for node in fleet.nodes] == ["p4d", "p5", "g5"]
    assert fleet.team("research").quota.resources["nvidia.com/mig-1g.20gb"] == 2
    workloads = {workload.name: workload for workload in fleet.workloads}
    assert len(workloads) == 11
    assert workloads["granite-b"].traffic.load == OpenLoop(requests_per_second=1)
    assert workloads["granite-b"].traffic.prefix_hit_ratio == 0.3
    assert workloads["model-b"].server.max_model_len == 16384
    assert workloads["notebook"].isolation is Isolation.NONE


def test_what_replicas_ask_of_their_nodes() -> None:
    """CPU as in Kubernetes, memory with a unit; apart and prefer as in pack files."""
    asks = f"{LAST}      cpu: 500m\n      memory: 32GiB\n      apart: gpu\n      prefer: spread\n"
    (workload,) = _with(LAST, asks).workloads
    assert (workload.pod_cpu_cores, workload.pod_memory_bytes) == (0.5, 2**35)
    assert (workload.apart, workload.preference) == (Apart.GPU, Preference.SPREAD)
    (plain,) = _parse(BASE).workloads
    assert (plain.pod_cpu_cores, plain.pod_memory_bytes) == (None, None)
    assert (plain.apart, plain.preference) == (Apart.NOTHING, None)


def test_head_room_is_some_nodes_profile() -> None:
    """A profile that a node group can cut; else the error names those that there are."""
    (reserve,) = _parse(f"{BASE}  reserve: [{{profile: 7g.40gb, count: 2}}]\n").reserve
    assert (reserve.profile, reserve.count, reserve.gpu) == ("7g.40gb", 2, None)
    with pytest.raises(FieldError, match=r"no node of this fleet has 7g.80gb; they have 1g.10gb"):
        _parse(f"{BASE}  reserve: [{{profile: 7g.80gb}}]\n")
    with pytest.raises(FieldError, match="none of them is cut"):
        _parse(f"{BASE.replace('mig: mixed', 'mig: none')}  reserve: [{{profile: 7g.40gb}}]\n")


@pytest.mark.parametrize(
    ("asks", "field", "said"),
    [
        ("cpu: lots", "cpu", "no amount of CPU"),
        ("memory: '32'", "memory", "needs a unit"),
        ("apart: rack", "apart", "rack"),
        ("apart: node\n      prefer: pack", "prefer", "give either"),
    ],
)
def test_what_nodes_cannot_give_is_an_error(asks: str, field: str, said: str) -> None:
    """The field and what would be right."""
    with pytest.raises(InputError, match=said) as error:
        _with(LAST, f"{LAST}      {asks}\n")
    assert field in str(error.value)


def test_defaults_of_a_short_file() -> None:
    """One node, one replica, 90 % confidence, hardware isolation, vLLM's newest release."""
    fleet = _parse(BASE)
    group, workload = fleet.nodes[0], fleet.workloads[0]
    assert (group.count, group.gpus_per_node, group.mig) == (1, 8, MigStrategy.MIXED)
    assert (workload.min_replicas, workload.max_replicas, workload.priority) == (1, 1, 0)
    assert (workload.confidence, workload.isolation) == (0.9, Isolation.HARDWARE)
    assert workload.traffic.load == ClosedLoop(concurrency=8)
    assert (workload.slo.tpot_seconds, workload.slo.ttft_percentile) == (0.03, 0.95)
    assert workload.engine == Catalog().engine(None)
    assert fleet.teams[0].quota.cards is None


def test_a_workload_may_be_less_sure_than_its_fleet() -> None:
    """Its own confidence goes first: what is shared is taken at 50 % only."""
    assert _with("input: 128", "input: 128\n      confidence: 50%").workloads[0].confidence == 0.5


def test_a_workload_may_allow_a_smaller_cache() -> None:
    """None is allowed where none is named; another format than fp8 is a mistake."""
    assert _parse(BASE).workloads[0].kv_cache_dtypes == ()
    allowed = _with("input: 128", "input: 128\n      kvCacheDtypes: [fp8]").workloads[0]
    assert allowed.kv_cache_dtypes == ("fp8",)
    with pytest.raises(InputError, match="kvCacheDtypes"):
        _with("input: 128", "input: 128\n      kvCacheDtypes: [int4]")


def test_cards_shared_by_mps() -> None:
    """So many clients a card; the cards are not cut."""
    group = _with("mig: mixed", "mps: {replicas: 2}").nodes[0]
    assert (group.mps_replicas, group.shares_per_card, group.mig) == (2, 2, MigStrategy.NONE)


def test_cards_of_ones_own() -> None:
    """A node that is no known instance type names its board, count and memory."""
    node = "{name: a, gpus: {model: H100, count: 4, memory: 79GiB}, vcpus: 96, memory: 1TiB}"
    group = _with(NODE, node).nodes[0]
    assert (group.gpu.name, group.gpus_per_node) == ("H100-SXM-80GB", 4)
    assert (group.gpu_memory_bytes, group.memory_bytes) == (79 * 2**30, 2**40)
    assert (group.vcpus, group.price, group.instance) == (96, None, None)


@pytest.mark.parametrize(
    ("item", "dollars"), [("a", 8), ("p4d.24xlarge", 8), ("A100-SXM-40GB", 64), ("else", None)]
)
def test_own_prices_go_first(item: str, dollars: int | None) -> None:
    """By group, by instance type, or by card; what is priced nowhere keeps the list price."""
    price = _with(NODE, NODE, prices={item: _own(item)}).nodes[0].price
    assert price is not None
    assert (price.kind is PriceKind.OWN) == (dollars is not None)
    assert dollars is None or price.usd_per_hour == dollars


def test_spot_capacity_has_the_spot_price() -> None:
    """The kind of capacity and the region choose the price."""
    spot = _with(NODE, NODE.replace("mig: mixed", "capacityType: spot")).nodes[0].price
    assert spot is None or spot.kind is PriceKind.SPOT


@pytest.mark.parametrize(
    ("text", "cards"), [("2", Fraction(2)), ("2.5", Fraction(5, 2)), ("3/7", Fraction(3, 7))]
)
def test_quotas_are_exact(text: str, cards: Fraction) -> None:
    """Cards may be whole, decimal or a fraction; dollars are as written."""
    team = f"{{name: team-a, quota: {{gpus: {text}, usdPerHour: 12.30, resources: {{x: 2}}}}}}"
    quota = _with(TEAM, team).teams[0].quota
    assert (quota.cards, quota.usd_per_hour, dict(quota.resources)) == (
        cards, Decimal("12.3"), {"x": 2},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given_text", "value"), [("mean", None), ("p99", 0.99), ("95", 0.95), ("0.9", 0.9)]
)
def test_percentiles_in_every_form(given_text: str, value: float | None) -> None:
    """p99, 99, 0.99 and the mean."""
    slo = f"slo: {{tpot: 30ms, ttft: 1s, tpotPercentile: {given_text}, ttftPercentile: mean}}"
    workload = _with(SLO, slo).workloads[0]
    assert workload.slo.tpot_percentile == value
    assert workload.slo.ttft_percentile is None


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """A trace beside the fleet file is found."""
    (tmp_path / "t.csv").write_text("n\n10\n30\n", encoding="utf-8")
    path = tmp_path / "fleet.yaml"
    path.write_text(BASE.replace("input: 128", "input: 't.csv:n'"), encoding="utf-8")
    fleet = read_fleet(path, catalog=Catalog(), own_prices={})
    assert fleet.workloads[0].traffic.input.mean == 20


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (TEAM, "{name: team-a}\n    - {name: team-a}", "9: spec.teams[1].name: 'team-a' is alread"),
        (NODE, f"{NODE}\n    - {NODE}", "7: spec.nodes[1].name: 'a' is already taken"),
        ("team: team-a", "team: team-b", "11: spec.workloads[0].team: no team 'team-b'; did you"),
        ("team: team-a", "team: zzz", "add it to spec.teams"),
        (NODE, "{name: a}", "6: spec.nodes[0]: give either instanceType or gpus"),
        (NODE, NODE[:-1] + ", gpus: {model: H100, count: 1}}", "give either instanceType or gpus"),
        ("p4d.24xlarge", "p4d.24xlrge", "nodes[0].instanceType: unknown instance type"),
        (NODE, "{name: a, gpus: {model: H1000, count: 1}}", "6: spec.nodes[0].gpus.model: unknown"),
        (NODE, "{name: a, gpus: {model: H20-3e, count: 1}}", "nodes[0].gpus.memory: the memory th"),
        ("p4d.24xlarge", "g5.48xlarge", "6: spec.nodes[0]: node group a: A10G-24GB has no MIG"),
        ("mig: mixed", "mig: both", "6: spec.nodes[0].mig: Invalid enum value 'both'; allowed: mi"),
        ("mig: mixed", "timeSlicing: {replicas: 1}", "timeSlicing.replicas: Expected `int` >= 2"),
        ("mig: mixed", "mps: {replicas: 49}", "mps.replicas: Expected `int` <= 48"),
        ("mig: mixed", "mps: {replicas: 2}, timeSlicing: {replicas: 2}", "either timeSlicing or"),
        ("mig: mixed", "mig: mixed, mps: {replicas: 2}", "either mig or mps"),
        ("mig: mixed", "count: 100000", "6: spec.nodes: 800,000 GPUs in all; a plan covers at mos"),
        ("mig: mixed", "count: 100001", "nodes[0].count: Expected `int` <= 100000"),
        ("mig: mixed", "count: 0", "nodes[0].count: Expected `int` >= 1"),
        ("mig: mixed", "memory: 12", "nodes[0].memory: Expected `str | null`, got `int`; write it"),
        ("mig: mixed", "memory: 12G0", "6: spec.nodes[0].memory: '12G0' is not a memory size"),
        ("mig: mixed", "memory: 1e308TiB", "too large for a memory size"),
        (TEAM, "{name: team-a, quota: {gpus: -1}}", "8: spec.teams[0].quota.gpus: -1 is no number"),
        (TEAM, "{name: team-a, quota: {gpus: 1e400}}", "quota.gpus: '1e400' is no number of GPUs"),
        (TEAM, "{name: team-a, quota: {gpus: .nan}}", "quota.gpus: nan is no number of GPUs"),
        (TEAM, "{name: team-a, quota: {gpus: 1/0}}", "quota.gpus: '1/0' is no number of GPUs"),
        (TEAM, "{name: team-a, quota: {usdPerHour: -1}}", "8: spec.teams[0].quota.usdPerHour: -1"),
        (TEAM, "{name: team-a, quota: {resources: {x.y/z: -1}}}", "quota.resources.x.y/z: must no"),
        (TEAM, "{name: team-a, quota: {resources: {x: 9" + "9" * 400 + "}}}", "nor more than 1,00"),
        ("model: facebook", "model: facebok", "12: spec.workloads[0].model: unknown model 'facebo"),
        ("facebook/opt-1.3b", "./none.json", "12: spec.workloads[0].model: none.json"),
        (LOAD, "{concurrency: 8, rate: 1/s}", "13: spec.workloads[0].load: give either concurrenc"),
        (LOAD, "{}", "13: spec.workloads[0].load: give either concurrency or rate"),
        (LOAD, "{rate: 5}", "13: spec.workloads[0].load.rate: Expected `str | null`, got `int`; w"),
        (LOAD, "{rate: '5'}", "load.rate: rate '5' needs a unit; write it like 5/s"),
        (LOAD, "{rate: -5/s}", "load.rate: '-5/s' is not a request rate"),
        (LOAD, "{concurrency: .nan}", "load.concurrency: Expected `int | null`, got `float`"),
        (LOAD, "{concurrency: 1000001}", "load.concurrency: Expected `int` <= 1000000"),
        ("input: 128", "input: .nan", "14: spec.workloads[0].input: 'nan' is not a token length"),
        ("input: 128", "input: 1e30", "14: spec.workloads[0].input: '1e30' is not a token length"),
        ("input: 128", 'input: "\\0.csv:n"', "14: spec.workloads[0].input: trace file"),
        (SLO, "slo: {}", "16: spec.workloads[0].slo: an SLO needs a TPOT or a TTFT target"),
        (SLO, "slo: {tpot: 30}", "16: spec.workloads[0].slo.tpot: Expected `str | null`, got `int"),
        (SLO, "slo: {tpot: 30 days}", "slo.tpot: duration '30 days' has the unknown unit 'days'"),
        (SLO, "slo: {tpot: 1s, tpotPercentile: p30}", "16: spec.workloads[0].slo: SLO tpot percen"),
        (SLO, "slo: {tpot: 1s, ttftPercentile: x}", "slo.ttftPercentile: 'x' is not a share"),
        (SLO, "sloo: {tpot: 1s}", "16: spec.workloads[0].sloo: unknown field; did you mean slo"),
        (LAST, LAST + "      prefixCacheHit: 100%\n", "17: spec.workloads[0].prefixCacheHit"),
        (LAST, LAST + "      replicas: {min: 3, max: 2}\n", "17: spec.workloads[0].replicas: repl"),
        (LAST, LAST + "      flags: {maxModelLen: 0}\n", "flags.maxModelLen: Expected `int` >= 1"),
        (LAST, LAST + "      flags: {kvCacheMemoryBytes: 0GiB}\n", "17: spec.workloads[0].flags: "),
        (LAST, LAST + "      flags: {maxModelLength: 4}\n", "did you mean maxModelLen"),
        (LAST, LAST + "      engine: {version: 0.10}\n", "engine.version: Expected `str | null`, "),
        (LAST, LAST + "      engine: {version: 99.0.0}\n", "17: spec.workloads[0].engine.version"),
        ("spec:\n", "spec:\n  confidence: 1\n", "5: spec.confidence: confidence 1 must lie betwee"),
        ("input: 128", "input: 128\n      confidence: 0.2", "workloads[0].confidence: confidence"),
        ("spec:\n", "spec:\n  confidence: high\n", "5: spec.confidence: 'high' is not a share"),
        ("name: f", "name: F_f", "3: metadata.name: must be lower-case letters"),
        ("kind: Fleet", "kind: Fleets", "2: kind: Invalid enum value 'Fleets'; allowed: Fleet"),
        ("v1alpha1", "v2", "1: apiVersion: Invalid enum value 'rightslice.dev/v2'; allowed: right"),
    ],
)  # fmt: skip
def test_every_mistake_has_line_and_field(old: str, new: str, said: str) -> None:
    """File, line, field, what is wrong and what would be right."""
    with pytest.raises(FieldError) as caught:
        _with(old, new)
    assert caught.value.where.startswith("f.yaml:")
    assert said in str(caught.value)


@pytest.mark.parametrize("field", ["nodes", "workloads"])
def test_an_empty_list_is_refused(field: str) -> None:
    """A plan needs something to place, and somewhere."""
    head, _, rest = BASE.partition(f"  {field}:\n")
    kept = rest[rest.index("  teams:") :] if field == "nodes" else ""
    with pytest.raises(InputError, match=rf"f.yaml:[0-9]+: spec\.{field}: Expected `array`"):
        _parse(f"{head}  {field}: []\n{kept}")


@given(st.integers(0, len(BASE) - 1), st.characters(max_codepoint=0x3FF))
def test_a_changed_character_is_read_or_refused(at: int, character: str) -> None:
    """One typing mistake anywhere gives a fleet or an InputError that starts with the place."""
    try:
        _parse(BASE[:at] + character + BASE[at + 1 :])
    except InputError as error:
        message = str(error)
    else:
        message = "f.yaml:"
    assert message.startswith("f.yaml:")
