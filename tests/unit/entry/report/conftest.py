"""Plans to report on: the real decision on the fleet beside this file, and the parts of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from rightslice.core.catalog.fleet import Fleet
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.perf.predict import curve
from rightslice.core.perf.result import Curve
from rightslice.core.plan.plan import plan as plan_fleet
from rightslice.core.plan.result import Plan
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.fleet_file import read_fleet
from rightslice.edge.memory_coefficients import memory_coefficients
from rightslice.edge.perf_constants import load_constants
from rightslice.entry.report import render_report


def make_plan(fleet: Fleet) -> Plan:
    """Return the plan of *fleet*, on a day when its prices are old."""
    constants = FittedConstants(memory=memory_coefficients(), perf=load_constants())
    return plan_fleet(fleet, constants=constants, today=dt.date(2027, 6, 1))


def make_curves(plan: Plan) -> dict[str, Curve]:
    """Return the curve of every placed workload."""
    eras = load_constants()
    return {
        item.name: curve(sizing, item.workload.traffic, constants=eras[item.workload.engine.era])
        for item in plan.workloads
        if item.placed is not None and (sizing := item.placed.candidate.sizing) is not None
    }


@pytest.fixture(scope="session")
def fleet() -> Fleet:
    """The fleet beside this file."""
    path = Path(__file__).with_name("fleet.yaml")
    return read_fleet(path, catalog=Catalog(), own_prices={})


@pytest.fixture(scope="session")
def plan(fleet: Fleet) -> Plan:
    """Its plan."""
    return make_plan(fleet)


@pytest.fixture(scope="session")
def curves(plan: Plan) -> Mapping[str, Curve]:
    """The curves of its workloads."""
    return make_curves(plan)


@pytest.fixture(scope="session")
def planned() -> Callable[[Fleet], Plan]:
    """The decision itself, for other fleets."""
    return make_plan


@pytest.fixture(scope="session")
def page(plan: Plan, curves: Mapping[str, Curve]) -> str:
    """The report of the fleet beside this file."""
    return render_report(plan, curves=curves, generated="2026-11-22")
