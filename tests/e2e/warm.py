"""`rightslice operator` as a process that starts at once: a fork of one that has loaded everything.

    python -m tests.e2e.warm --ceiling=enforce ...

Every line on standard input starts one more operator with these arguments; its process id is
written back. What runs is the command itself; only the imports were done before.
"""

from __future__ import annotations

import os
import signal
import sys

import numpy as np
import scipy.optimize

import rightslice.entry.operator.run
from rightslice.entry.cli.app import run
from tools.testbed.control_plane import free_port

LOADED = (rightslice.entry.operator.run, np, scipy.optimize)


def main(arguments: list[str]) -> None:
    """Fork for each line until there are no more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            sys.stdin.close()
            os._exit(run(["operator", f"--health-port={free_port()}", *arguments]))
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
