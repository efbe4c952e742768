"""The catalogue's own data is complete, legal and sourced, and its names are found."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
import time

import pytest

from rightslice.core.catalog.gpu import Gpu, MatmulDtype
from rightslice.core.catalog.instance import PriceKind
from rightslice.core.catalog.mig import MigGrid, MigProfile
from rightslice.edge import gpu_table, instance_table
from rightslice.edge.catalog_files import Catalog
from rightslice.errors import InputError, UnknownNameError
from rightslice.units import GIB

CATALOG = Catalog()
GRIDS = CATALOG.mig_gpus()
PROFILES = [(grid, profile) for grid in GRIDS for profile in grid.profiles]


def _label(case: tuple[MigGrid, MigProfile]) -> str:
    return f"{case[0].name}-{case[1].name}"


def test_catalogue_has_every_mig_gpu_and_profile() -> None:
    """The public sources give 127 profiles over 18 GPUs."""
    assert (len(GRIDS), len(PROFILES)) == (18, 127)


@pytest.mark.parametrize("case", PROFILES, ids=_label)
def test_placements_lie_within_the_grid(case: tuple[MigGrid, MigProfile]) -> None:
    """Every legal start leaves room for the whole profile, and starts are known with the grid."""
    grid, profile = case
    assert (profile.starts is None) == (grid.slots is None) == (profile.memory_slots is None)
    for start in profile.starts or ():
        assert start >= 0
        assert start + (profile.memory_slots or 0) <= (grid.slots or 0)


@pytest.mark.parametrize("case", PROFILES, ids=_label)
def test_instances_fit_slots_and_slices(case: tuple[MigGrid, MigProfile]) -> None:
    """As many instances as the driver allows fit the compute slices and have a start each."""
    grid, profile = case
    most = profile.max_instances
    assert most is not None
    assert most * profile.compute_slices <= grid.compute_slices
    assert profile.starts is None or most <= len(profile.starts)


@pytest.mark.parametrize("case", PROFILES, ids=_label)
def test_slice_memory_is_near_its_name(case: tuple[MigGrid, MigProfile]) -> None:
    """Usable memory is at most the name's figure and within 15 % of it."""
    _, profile = case
    if profile.memory_bytes is not None:
        named = re.search(r"\.(\d+)gb", profile.name)
        assert named is not None
        assert 0.85 <= profile.memory_bytes / GIB / int(named[1]) <= 1


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: grid.name)
def test_grid_profiles_are_distinct(grid: MigGrid) -> None:
    """Names and shapes are unique within a grid, and it has its source and date."""
    names = {profile.name for profile in grid.profiles}
    shapes = {profile.shape for profile in grid.profiles}
    assert len(names) == len(shapes) == len(grid.profiles)
    assert grid.placement_evidence
    assert grid.source.text
    assert re.fullmatch(r"20\d\d-\d\d(-\d\d)?", grid.source.date)


def test_hopper_shares_are_not_sevenths() -> None:
    """A 3g of the H100 has 60 of 132 SMs and a double-memory 1g 26: read, not derived."""
    sms = {profile.shape: profile.sms for profile in CATALOG.mig_gpu("H100-80GB").profiles}
    assert (sms["3g"], sms["1gd"], sms["7g"]) == (60, 26, 132)


def test_sms_read_on_another_board_are_unknown() -> None:
    """The H100 PCIe has 114 SMs, so the counts that were read on 132 do not hold for it."""
    grid = CATALOG.gpu("H100-PCIe-80GB").mig
    assert grid is not None
    assert {profile.sms for profile in grid.profiles} == {None}
    assert "SM counts" in grid.note


def test_boards_share_grids() -> None:
    """Both form factors of the 40 GB A100 are cut alike; H200 SXM and NVL too."""
    assert CATALOG.gpu("A100-SXM-40GB").mig == CATALOG.gpu("A100-PCIe-40GB").mig
    assert CATALOG.gpu("H200").mig == CATALOG.gpu("H200-NVL").mig


def test_every_grid_belongs_to_a_board() -> None:
    """No MIG GPU is without a board."""
    assert {gpu.mig.name for gpu in CATALOG.gpus() if gpu.mig} == {grid.name for grid in GRIDS}


@pytest.mark.parametrize("gpu", CATALOG.gpus(), ids=lambda gpu: gpu.name)
def test_board_memory_is_what_cuda_reports(gpu: Gpu) -> None:
    """Reported memory is at most the marketing size, within 15 % of it, and in its own range."""
    if gpu.memory_bytes is None:
        assert gpu.memory_low_bytes is None
        return
    assert gpu.memory_low_bytes is not None
    assert gpu.memory_high_bytes is not None
    assert gpu.memory_low_bytes <= gpu.memory_bytes <= gpu.memory_high_bytes
    assert gpu.memory_high_bytes <= gpu.memory_label_gb * GIB
    assert gpu.memory_low_bytes >= 0.85 * gpu.memory_label_gb * GIB
    assert "memory:" in gpu.source.text


@pytest.mark.parametrize("gpu", CATALOG.gpus(), ids=lambda gpu: gpu.name)
def test_board_is_sourced_and_positive(gpu: Gpu) -> None:
    """Every board has a source with a date, and every known figure is above zero."""
    assert gpu.source.text
    assert re.fullmatch(r"20\d\d-\d\d(-\d\d)?", gpu.source.date)
    figures = (gpu.bandwidth_bytes_per_second, gpu.sms, gpu.power_watts, *gpu.flops.values())
    assert all(figure > 0 for figure in figures if figure is not None)


@pytest.mark.parametrize(
    ("spelt", "board"),
    [
        ("H100", "H100-SXM-80GB"),
        ("h100-80gb", "H100-SXM-80GB"),
        ("NVIDIA H100 80GB HBM3", "H100-SXM-80GB"),
        ("NVIDIA-H100-80GB-HBM3-SHARED", "H100-SXM-80GB"),
        ("NVIDIA-H100-PCIe", "H100-PCIe-80GB"),
        ("A100-40GB", "A100-SXM-40GB"),
        ("A100-80GB", "A100-SXM-80GB"),
        ("A100-SXM4-40GB", "A100-SXM-40GB"),
        ("NVIDIA-A100-SXM4-80GB", "A100-SXM-80GB"),
        ("NVIDIA-A100-PCIE-40GB", "A100-PCIe-40GB"),
        ("NVIDIA A100 80GB PCIe", "A100-PCIe-80GB"),
        ("Tesla-T4", "T4-16GB"),
        ("A10G", "A10G-24GB"),
        ("L4", "L4-24GB"),
        ("NVIDIA GeForce RTX 4090", "RTX-4090-24GB"),
        ("RTX-PRO-6000", "RTX-PRO-6000-Server-96GB"),
        ("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", "RTX-PRO-6000-Server-96GB"),
        ("NVIDIA-GH200-480GB", "GH200-96GB"),
        ("GB200-186GB", "GB200"),
        ("B200", "B200-SXM-180GB"),
    ],
)
def test_users_spellings_are_found(spelt: str, board: str) -> None:
    """Aliases, product labels of GPU feature discovery and names of logs mean one board."""
    assert CATALOG.gpu(spelt).name == board


def test_aliases_are_unique_and_resolve() -> None:
    """No spelling means two boards, and every alias finds its own."""
    for gpu in CATALOG.gpus():
        assert {CATALOG.gpu(alias).name for alias in (gpu.name, *gpu.aliases)} == {gpu.name}
        spelt = [gpu_table.spelling(alias) for alias in gpu.aliases]
        assert len(set(spelt)) == len(spelt)


def test_unknown_gpu_names_near_matches() -> None:
    """A slip of the keyboard is answered with what was probably meant."""
    with pytest.raises(UnknownNameError, match=r"did you mean.*H100"):
        CATALOG.gpu("H10O-80GB")


def test_unknown_figures_stay_unknown() -> None:
    """Tensor rates of the GB10 and SMs of the B300 were not found: missing, not derived."""
    assert MatmulDtype.INT8 not in CATALOG.gpu("GB10").flops
    assert CATALOG.gpu("B300").sms is None


def test_boards_of_the_instances_exist() -> None:
    """Every instance type names a board of the catalogue."""
    boards = {gpu.name for gpu in CATALOG.gpus()}
    assert {instance.gpu for instance in CATALOG.instances()} <= boards
    assert {instance.cloud for instance in CATALOG.instances()} == {"aws", "gcp", "azure"}


def test_facts_of_an_instance() -> None:
    """A p5.48xlarge has 8 H100, 192 vCPUs, 2 TiB and 32 EFA interfaces."""
    instance = CATALOG.instance("P5.48xlarge")
    facts = (instance.gpu, instance.gpu_count, instance.vcpus, instance.efa_interfaces)
    assert facts == ("H100-SXM-80GB", 8, 192, 32)
    assert instance.memory_bytes == 2048 * GIB


def test_memory_of_azure_instances_is_unknown() -> None:
    """The type name states vCPUs but no memory, so memory stays unknown."""
    instance = CATALOG.instance("Standard_NC24ads_A100_v4")
    assert (instance.gpu, instance.vcpus) == ("A100-PCIe-80GB", 24)
    assert instance.memory_bytes is None


def test_fractional_instances_hold_no_whole_gpu() -> None:
    """A g6f.large holds an eighth of an L4: count 0, and the label says the fraction."""
    instance = CATALOG.instance("g6f.large")
    assert (instance.gpu_count, instance.gpu_label) == (0, "1/8 l4")


def test_prices_are_positive_and_of_known_instances() -> None:
    """Every price is above zero, belongs to an instance type and has a source."""
    names = {instance.name for instance in CATALOG.instances()}
    for price in CATALOG.prices():
        assert price.usd_per_hour > 0
        assert price.item in names
        assert price.source


def test_one_price_a_place() -> None:
    """No item has two prices of one kind in one place."""
    places = [(price.item, price.kind, price.region) for price in CATALOG.prices()]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize(
    ("item", "usd", "day"),
    [
        ("p5.48xlarge", "55.04", "2026-07-20"),
        ("g5.xlarge", "1.006", "2026-07-20"),
        ("a3-highgpu-1g", "11.06125", "2026-08-03"),
        ("Standard_NC24ads_A100_v4", "3.673", "2026-06-18"),
    ],
)
def test_default_region_prices(item: str, usd: str, day: str) -> None:
    """Without a region the cloud's default one is meant, and the decimals are the source's."""
    price = CATALOG.price(item, region=None, kind=PriceKind.ON_DEMAND)
    assert price is not None
    assert str(price.usd_per_hour) == usd
    assert price.as_of == dt.date.fromisoformat(day)


def test_price_without_a_list_price_is_none() -> None:
    """A p5e.48xlarge is sold in capacity blocks only."""
    assert CATALOG.price("p5e.48xlarge", region=None, kind=PriceKind.ON_DEMAND) is None


def test_spot_price_of_a_region_is_the_median_zone() -> None:
    """Zones differ by 5 times; the region's answer is a zone's own price, undated."""
    price = CATALOG.price("p5.48xlarge", region="us-east-2", kind=PriceKind.SPOT)
    assert price is not None
    assert (price.region, str(price.usd_per_hour)) == ("us-east-2/use2-az2", "11.5616")
    assert price.as_of is None


def test_price_of_an_unknown_instance_is_bad_input() -> None:
    """A mistyped instance type is refused, not taken for one without a price."""
    with pytest.raises(UnknownNameError, match=r"did you mean p5\.48xlarge"):
        CATALOG.price("p5.48xlarg", region=None, kind=PriceKind.ON_DEMAND)


@pytest.mark.parametrize("minor", range(6, 34))
def test_engine_ranges_are_contiguous(minor: int) -> None:
    """Every release from 0.6 to 0.33 is known, under the version that was asked for."""
    release = CATALOG.engine(f"0.{minor}.1")
    assert release.version == f"0.{minor}.1"
    assert release.first in {known.first for known in CATALOG.engines()}


@pytest.mark.parametrize(
    ("asked", "version", "first"),
    [
        ("v0.6.3", "0.6.3", "0.6"),
        ("0.6.4.post1", "0.6.4.post1", "0.6"),
        ("0.19.0", "0.19.0", "0.18"),
        ("0.33", "0.33", "0.33"),
        ("latest", "0.33.0", "0.33"),
        (None, "0.33.0", "0.33"),
        ("0.29.1rc1.dev17", "0.29.1rc1.dev17", "0.24"),
    ],
)
def test_engine_spellings(asked: str | None, version: str, first: str) -> None:
    """Versions are read as vLLM prints them; none means the newest."""
    release = CATALOG.engine(asked)
    assert (release.version, release.first) == (version, first)


@pytest.mark.parametrize(
    ("asked", "said"),
    [("0.5.4", "0.6 is the oldest"), ("0.34.0", r"0\.33\.0, the newest"), ("1.0", "newest")],
)
def test_engine_outside_the_range_is_refused(asked: str, said: str) -> None:
    """Older and newer releases are refused with the limit that is known."""
    with pytest.raises(InputError, match=said):
        CATALOG.engine(asked)


@pytest.mark.parametrize("asked", ["", "new", "0", "v", "0.x", "0.6 .3", "-1.2"])
def test_engine_that_is_no_version_is_refused(asked: str) -> None:
    """Text that is no version is refused with an example."""
    with pytest.raises(InputError, match="is not a vLLM version"):
        CATALOG.engine(asked)


def test_defaults_change_with_the_release() -> None:
    """Utilization rises to 0.92 in 0.24, where graphs have entered the budget."""
    old, new = CATALOG.engine("0.19.0"), CATALOG.engine("0.24.0")
    assert (old.gpu_memory_utilization, old.graphs_in_budget) == (0.9, False)
    assert (new.gpu_memory_utilization, new.graphs_in_budget) == (0.92, True)


def test_tables_load_without_heavy_libraries() -> None:
    """Reading every table imports neither numpy, scipy, yaml nor rich."""
    code = (
        "import sys; from rightslice.edge.catalog_files import Catalog; c = Catalog();"
        "c.gpus(); c.mig_gpus(); c.instances(); c.prices(); c.engines();"
        "sys.exit(bool({'numpy', 'scipy', 'yaml', 'rich'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_load_times_are_printed() -> None:
    """Each table is parsed anew and its time printed (seen with -s; not asserted)."""
    for load in (gpu_table.gpus, instance_table.instances, instance_table.prices):
        load.cache_clear()
        start = time.perf_counter()
        assert load()
        print(f"{load.__name__}: {(time.perf_counter() - start) * 1e3:.1f} ms")  # noqa: T201 - the point of this test
    gpu_table._by_spelling.cache_clear()
