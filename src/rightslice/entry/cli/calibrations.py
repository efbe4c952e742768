"""Which calibrations stand behind an answer: their points, age and distance, and those not used."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.catalog.model import Model
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.perf.calibration import Calibration, architecture_of, serving, standing_of
from rightslice.entry.cli.console import console


@dataclass(frozen=True, kw_only=True)
class Server:
    """Something predicted: what runs where."""

    name: str
    """Of the workload; empty where there is one only."""
    model: Model
    engine: EngineRelease
    gpu: str
    sharing: str = ""
    """How it shares its card; empty: alone."""


def print_calibrations(
    constants: FittedConstants, servers: Iterable[Server], today: dt.date
) -> None:
    """Print a line for each calibration read, used or not."""
    lines = list(calibration_lines(constants, tuple(servers), today))
    if lines:
        console().print()
    for line in lines:
        console().print(line, highlight=False, soft_wrap=True, markup=False)


def calibration_lines(
    constants: FittedConstants, servers: tuple[Server, ...], today: dt.date
) -> Iterator[str]:
    """Yield what each calibration was used for, how old and how far off it is."""
    known = constants.calibrations
    used = [(server, _used(known, server)) for server in servers]
    for item in known:
        own = [server for server, chosen in used if chosen is item]
        by_distance: dict[str, list[str]] = {}
        for server in own:
            far = standing_of(item, server.model, server.engine, server.gpu).distance
            by_distance.setdefault(far, []).append(server.name)
        for far, names in by_distance.items():
            whose = f" for {', '.join(names)}" if all(names) else ""
            yield f"constants: calibrated with {_made(item, today)}{whose}: {far}"
        if not own and servers:
            yield f"not used: calibration with {_made(item, today)}: {_why_not(item, servers)}"


def _used(known: tuple[Calibration, ...], server: Server) -> Calibration | None:
    """Return what `FittedConstants.on` takes: measured in the mode, else on cards held alone."""
    own = serving(known, server.model, server.engine, server.gpu, server.sharing)
    return own or serving(known, server.model, server.engine, server.gpu)


def _made(item: Calibration, today: dt.date) -> str:
    return (
        f"{len(item.points)} points of {item.model} on {item.gpu} with vLLM"
        f" {item.engine_version}, {item.date}{_age(item.date, today)}"
    )


def _age(date: str, today: dt.date) -> str:
    try:
        days = (today - dt.date.fromisoformat(date)).days
    except ValueError:
        return ""
    if days < 0:
        return " (in the future)"
    return " (today)" if days == 0 else f" ({days} day{'s' if days > 1 else ''} old)"


def _why_not(item: Calibration, servers: tuple[Server, ...]) -> str:
    """Return the reason: the nearest miss, or a calibration that serves better."""
    standings = [standing_of(item, server.model, server.engine, server.gpu) for server in servers]
    if any(standing.serves for standing in standings):
        return "another one is nearer or later"
    same = [
        standing
        for standing, server in zip(standings, servers, strict=True)
        if item.model == architecture_of(server.model)
    ]
    if not same and len(servers) > 1:
        return f"no workload serves {item.model}"
    return (same or standings)[0].distance
