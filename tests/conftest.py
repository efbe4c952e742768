"""What every test relies on: tables are as wide as in the documentation, whoever runs them."""

from __future__ import annotations

import os

os.environ["COLUMNS"] = "100"
