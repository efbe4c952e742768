"""The talk's decisions come out, with no constant set for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_slides_are_decided_as_published() -> None:
    """Every decision on a slide is the answer at the point estimate."""
    script = ROOT / "examples" / "talk" / "check.py"
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
