"""Golden files: what a case's input gives must be what lies beside it.

``pytest tests/golden --rewrite-golden`` writes what is given now; read the difference before you
commit it.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from rightslice.core.plan.result import Plan

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that rewrites the goldens."""
    parser.addoption(
        "--rewrite-golden", action="store_true", help="write the golden files instead of comparing"
    )


@pytest.fixture(scope="session")
def build_plan() -> Callable[[Mapping[str, Any]], Plan]:
    """Return the builder of plans from short descriptions."""
    spec = importlib.util.spec_from_file_location("golden_plans", HERE / "plans.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    builder: Callable[[Mapping[str, Any]], Plan] = module.build_plan
    return builder


@pytest.fixture
def rewrite_golden(request: pytest.FixtureRequest) -> bool:
    """Return whether goldens are to be written instead of compared."""
    return bool(request.config.getoption("--rewrite-golden", default=False))
