"""What every test relies on: tables as wide as in the documentation, and no clock.

A property that is slow on a busy machine is no wrong property.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

os.environ["COLUMNS"] = "100"

settings.register_profile(
    "timeless", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("timeless")
