"""The knee is where one more sequence adds less than a fifth of what the first one brought."""

from __future__ import annotations

from collections.abc import Callable

from rightslice.core.catalog.traffic import Traffic
from rightslice.core.perf.predict import curve
from rightslice.core.perf.result import PerfConstants
from rightslice.core.sizing.result import Sizing

Server = Callable[..., Sizing]
Load = Callable[..., Traffic]


def test_gain_falls_under_a_fifth_at_the_knee(
    server: Server, load: Load, constants: PerfConstants
) -> None:
    """Around the knee the gain of one more sequence crosses 20 % of the first one's."""
    knee = curve(server(), load(1), constants=constants).knee
    at = knee.concurrency
    line = curve(server(), load(1), constants=constants, points=(1, at, at + 1, at + 2))
    first, now, more, most = (p.output_tokens_per_second.expected for p in line.points)
    assert more - now >= 0.2 * first > most - more
    assert knee.binding == "latency-throughput knee"


def test_memory_gives_out_before_the_knee(
    server: Server, load: Load, constants: PerfConstants
) -> None:
    """When fewer sequences fit than the knee, the capacity binds and says what limits it."""
    knee = curve(server(max_num_seqs=4), load(1), constants=constants).knee
    assert (knee.concurrency, knee.binding) == (4, "max-num-seqs")
