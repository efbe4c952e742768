"""How long `import rightslice` and `rightslice --help` take, and which modules take it.

Prints minimum and median of ten runs, less what a bare interpreter takes for the import. Targets:
import below 0.15 s, help below 0.4 s on two cores. Run: ``python benchmarks/startup.py``.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 10
SLOWEST = 10


def seconds(*command: str) -> float:
    """Return how long *command* takes."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def timed(*command: str) -> tuple[float, float]:
    """Return minimum and median seconds of *command*."""
    runs = [seconds(*command) for _ in range(RUNS)]
    return min(runs), statistics.median(runs)


def slowest_modules(*arguments: str) -> list[tuple[float, str]]:
    """Return the modules that take most of their own time to import, in milliseconds."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    rows = [line.split("|") for line in done.stderr.splitlines() if line.startswith("import time:")]
    own = [
        (int(row[0].removeprefix("import time:")) / 1000, row[2].strip())
        for row in rows
        if row[0].removeprefix("import time:").strip().isdigit()
    ]
    return sorted(own, reverse=True)[:SLOWEST]


def main() -> None:
    """Print the table."""
    python = sys.executable
    script = str(Path(python).with_name("rightslice"))
    bare = timed(python, "-c", "pass")
    imported = timed(python, "-c", "import rightslice")
    helped = timed(script, "--help")
    print(f"{'':32}{'minimum':>10}{'median':>10}")
    for name, (least, middle) in (
        ("python -c pass", bare),
        ("import rightslice, beyond that", (imported[0] - bare[0], imported[1] - bare[1])),
        ("rightslice --help", helped),
    ):
        print(f"{name:32}{least:8.3f} s{middle:8.3f} s")
    print(f"\nOwn import time of the {SLOWEST} slowest modules of rightslice --help:")
    for milliseconds, module in slowest_modules(script, "--help"):
        print(f"{milliseconds:8.1f} ms  {module}")


if __name__ == "__main__":
    main()
