"""Calibrations as files: small, versioned JSON, one model and board each."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Final

from rightslice.core.perf.anchors import Anchors, Place
from rightslice.core.perf.calibration import Calibration, MeasuredPoint
from rightslice.core.perf.result import PerfConstants
from rightslice.edge.text_files import write_text
from rightslice.errors import FieldError, InputError

_KIND: Final = "Calibration"
_VERSION: Final = 2


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write *calibration* to *path*, whole or not at all.

    Raises:
        InputError: when *path* is a folder.
        UnavailableError: when it cannot be written.
    """
    stored = asdict(calibration)
    del stored["file"], stored["constants"]["calibrated_by"]
    document = {"kind": _KIND, "version": _VERSION, **stored}
    write_text(path, json.dumps(document, indent=1) + "\n")


def read_calibrations(folder: Path) -> tuple[Calibration, ...]:
    """Return the calibrations of every ``.json`` file in *folder*, by name.

    Raises:
        InputError: when *folder* is none, or a file of it is no calibration.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder}: is no folder; give the one that holds what `calibrate --out` wrote"
        )
    return tuple(read_calibration(path) for path in sorted(folder.glob("*.json")))


def read_calibration(path: Path) -> Calibration:
    """Return the calibration stored in *path*.

    Raises:
        InputError: when the file cannot be read or is no calibration of this version.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON: {error}") from None
    return replace(parse_calibration(text, str(path)), file=path.name)


def parse_calibration(text: str, where: str) -> Calibration:
    """Return the calibration in *text*; *where* names it in messages.

    Raises:
        InputError: when it is no calibration of this version.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InputError(f"{where}: cannot be read as JSON: {error}") from None
    if not isinstance(found, dict) or found.get("kind") != _KIND:
        raise InputError(f"{where}: is no calibration; `rightslice calibrate --out` writes one")
    if found.get("version") != _VERSION:
        raise InputError(
            f"{where}: has version {found.get('version')!r}, this release reads {_VERSION};"
            " calibrate again from the same points"
        )
    try:
        return _calibration(found)
    except (KeyError, TypeError, ValueError) as error:
        raise FieldError(where, "", f"not a calibration: {error}") from None


def _calibration(found: Mapping[str, Any]) -> Calibration:
    constants = {**found["constants"]}
    constants["fitted_gpus"] = tuple(constants["fitted_gpus"])
    constants["anchors"] = _anchors(constants["anchors"])
    for field in fields(PerfConstants):
        if field.type == "float":
            constants[field.name] = _finite(constants[field.name])
    return Calibration(
        model=str(found["model"]),
        gpu=str(found["gpu"]),
        engine_version=str(found["engine_version"]),
        era=str(found["era"]),
        date=str(found["date"]),
        points=tuple(MeasuredPoint(**point) for point in found["points"]),
        constants=PerfConstants(**constants),
    )


def _anchors(found: Mapping[str, Any] | None) -> Anchors | None:
    if found is None:
        return None
    return Anchors(
        places=tuple(
            Place(**{name: _finite(value) for name, value in place.items()})
            for place in found["places"]
        ),
        slopes=_rows(found["slopes"]),
        pulls=tuple(map(_finite, found["pulls"])),
        inverse=_rows(found["inverse"]),
        spread=_rows(found["spread"]),
        scale=_finite(found["scale"]),
    )


def _rows(found: Any) -> tuple[tuple[float, ...], ...]:  # noqa: ANN401 - parsed JSON
    return tuple(tuple(map(_finite, row)) for row in found)


def _finite(value: object) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a finite number")
    return float(value)
