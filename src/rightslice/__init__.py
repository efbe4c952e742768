"""The smallest GPU slice that meets an LLM server's latency target, and a fleet fitted to its load.

Names load when they are first used (PEP 562), so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rightslice.core.fit.fit import fit as fit
    from rightslice.core.packing.offline import pack as pack
    from rightslice.core.perf.predict import curve as curve
    from rightslice.core.perf.predict import predict as predict
    from rightslice.core.plan.plan import plan as plan
    from rightslice.core.sizing.memory import size as size
    from rightslice.edge.catalog_files import Catalog as Catalog

__version__ = "0.1.0"

_WHERE = {
    "Catalog": "rightslice.edge.catalog_files",
    "curve": "rightslice.core.perf.predict",
    "fit": "rightslice.core.fit.fit",
    "pack": "rightslice.core.packing.offline",
    "plan": "rightslice.core.plan.plan",
    "predict": "rightslice.core.perf.predict",
    "size": "rightslice.core.sizing.memory",
}

__all__ = ["Catalog", "__version__", "curve", "fit", "pack", "plan", "predict", "size"]


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module 'rightslice' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return __all__
