"""Our own annotations: one table, from which they are read and documented."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from rightslice.core.catalog.question import Isolation
from rightslice.errors import InputError
from rightslice.kube.manifest import GROUP
from rightslice.kube.parse.notes import Notes
from rightslice.units import parse_duration, parse_rate, parse_ratio, parse_tokens

Value = int | float | str


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """One annotation of a pod, or of the object that makes pods."""

    name: str
    """After ``rightslice.dev/``."""
    field: str
    """The field of the answer that it fills."""
    example: str
    meaning: str
    read: Callable[[str], Value]


def _milliseconds(given: str) -> Value:
    value = round(parse_duration(given) * 1000, 6)
    return int(value) if value == int(value) else value


def _percentile(given: str) -> Value:
    share = parse_ratio(given.strip().removeprefix("p"))
    if not 0.5 <= share < 1:
        raise InputError(f"percentile {given!r} must be between p50 and p99.9")
    return share


def _concurrency(given: str) -> Value:
    if not re.fullmatch(r"\s*[1-9][0-9]{0,7}\s*", given, re.ASCII):
        raise InputError(f"concurrency {given!r} must be a whole number of at least 1")
    return int(given)


def _rate(given: str) -> Value:
    value = round(parse_rate(given), 9)
    return int(value) if value == int(value) else value


def _isolation(given: str) -> Value:
    return _one_of("isolation", given, tuple(one.value for one in Isolation))


def _mode(given: str) -> Value:
    return _one_of("mode", given, ("off", "advise", "enforce"))


def read_flags_wish(given: str) -> str:
    """Return ``set`` or ``keep``.

    Raises:
        InputError: for any other word.
    """
    return _one_of("flags", given, ("set", "keep"))


def _one_of(what: str, given: str, allowed: tuple[str, ...]) -> str:
    value = given.strip().lower()
    if value not in allowed:
        raise InputError(f"{what} {given!r} must be one of {', '.join(allowed)}")
    return value


ANNOTATIONS: Final = (
    Annotation(name="slo-tpot", field="slo.tpot_ms", example="30ms", read=_milliseconds,
               meaning="target of the time per output token"),
    Annotation(name="slo-ttft", field="slo.ttft_ms", example="500ms", read=_milliseconds,
               meaning="target of the time to the first token"),
    Annotation(name="slo-percentile", field="slo_percentile", example="p95", read=_percentile,
               meaning="percentile at which both targets hold; without it the mean TPOT and the"
               " p95 TTFT"),
    Annotation(name="load-concurrency", field="load.concurrency", example="64", read=_concurrency,
               meaning="clients that each send their next request when the last has ended"),
    Annotation(name="load-rate", field="load.request_rate", example="5/s", read=_rate,
               meaning="requests that arrive; give this or the concurrency"),
    Annotation(name="input-tokens", field="load.input_len", example="512", read=parse_tokens,
               meaning="prompt tokens of a request"),
    Annotation(name="output-tokens", field="load.output_len", example="128", read=parse_tokens,
               meaning="output tokens of a request"),
    Annotation(name="isolation", field="isolation", example="hardware", read=_isolation,
               meaning="`hardware`: whole cards and MIG slices only; `none`: shared cards will do"),
    Annotation(name="mode", field="mode", example="advise", read=_mode,
               meaning="what the webhook may do with the pod: `off`, `advise` or `enforce`"),
    Annotation(name="flags", field="flags_wish", example="set", read=read_flags_wish,
               meaning="`set`: the webhook may add flags that decide memory, where none is given,"
               " to a plain list of arguments; `keep`: it may not, as without the annotation"),
)  # fmt: skip
"""Every annotation that is read."""


def read_annotations(given: Mapping[str, object], notes: Notes) -> dict[str, Value]:
    """Return the value of each field that annotations in *given* fill; wrong ones are refused."""
    values: dict[str, Value] = {}
    for one in ANNOTATIONS:
        written = given.get(f"{GROUP}/{one.name}")
        if written is None:
            continue
        if not isinstance(written, str):
            notes.refuse(one.field, f"annotation {GROUP}/{one.name} must be text, in quotes")
            continue
        try:
            values[one.field] = one.read(written)
        except InputError as error:
            notes.refuse(one.field, f"annotation {GROUP}/{one.name}: {error}")
    return values
