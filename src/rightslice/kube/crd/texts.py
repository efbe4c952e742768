"""How quantities are written in specs: the rules that the API server holds them to.

The forms are those of `units`, and of the fleet file; a form that passes here is one that
`units.parse_*` reads.
"""

from __future__ import annotations

from typing import Annotated, Final

from rightslice.kube.crd.shape import Rule, Shape, written

_NUMBER: Final = r"[0-9]{1,9}([.][0-9]{1,6})?"
_ZERO: Final = r"0+([.]0+)?[a-z/]*"

Name = Annotated[
    str,
    Shape(
        longest=63,
        rules=(
            written(
                "[a-z]([-a-z0-9]*[a-z0-9])?",
                "must be a name of lower-case letters, digits and dashes, as in granite-7b",
            ),
        ),
    ),
]
"""The name of an object that names other objects after itself."""

ObjectName = Annotated[
    str,
    Shape(
        longest=253,
        rules=(
            written(
                "[a-z0-9]([-a-z0-9.]*[a-z0-9])?",
                "must be an object's name: lower-case letters, digits, dashes and dots",
            ),
        ),
    ),
]

Duration = Annotated[
    str,
    Shape(
        longest=24,
        rules=(
            written(f"{_NUMBER}(us|ms|s|m)", "must be a duration with a unit, as in 30ms or 1.5s"),
            Rule(holds=f"!self.matches('^{_ZERO}$')", message="must be more than zero, as in 30ms"),
        ),
    ),
]

Rate = Annotated[
    str,
    Shape(
        longest=24,
        rules=(
            written(f"{_NUMBER}/(s|min|h)", "must be a rate with a unit, as in 5/s or 300/min"),
            Rule(holds=f"!self.matches('^{_ZERO}$')", message="must be more than zero, as in 5/s"),
        ),
    ),
]

Percentile = Annotated[
    str,
    Shape(
        longest=8,
        rules=(
            written(
                "p[5-9][0-9]([.][0-9]{1,2})?", "must be a percentile from p50 to p99.9, as in p95"
            ),
        ),
    ),
]

Share = Annotated[
    str,
    Shape(
        longest=8,
        rules=(written("[0-9]{1,2}([.][0-9]{1,2})?%", "must be a share below 100%, as in 30%"),),
    ),
]

Confidence = Annotated[
    str,
    Shape(
        longest=8,
        rules=(
            written(
                "[5-9][0-9]([.][0-9]{1,2})?%",
                "must be from 50% to less than 100%, as in 90%",
            ),
        ),
    ),
]

Cpus = Annotated[
    str,
    Shape(
        longest=16,
        rules=(written("[0-9]{1,6}([.][0-9]{1,3})?|[0-9]{1,9}m", "must be CPUs, as in 4 or 500m"),),
    ),
]

Memory = Annotated[
    str,
    Shape(
        longest=24,
        rules=(
            written(
                "[0-9]{1,15}([.][0-9]{1,3})?(Ki|Mi|Gi|Ti|k|M|G|T)?",
                "must be an amount of memory, as in 16Gi",
            ),
        ),
    ),
]

_LENGTHS: Final = (
    r"[1-9][0-9]{0,6}(k|Ki)?"
    r"|uniform[(][1-9][0-9]{0,6}, ?[1-9][0-9]{0,6}[)]"
    r"|lognormal[(][1-9][0-9]{0,6}([.][0-9]+)?, ?[0-3]([.][0-9]{1,4})?[)]"
)
_LENGTHS_SAY: Final = (
    "must be tokens of a request: a number from 1 to 9999999, uniform(100,900) or"
    " lognormal(512,1.0)"
)

TokenLengths = Annotated[
    int | str,
    Shape(
        longest=40,
        is_number_or_text=True,
        rules=(
            Rule(
                holds=(
                    "type(self) == int ? (self >= 1 && self <= 9999999) :"
                    f" (type(self) == string && self.matches('^({_LENGTHS})$'))"
                ),
                message=_LENGTHS_SAY,
            ),
        ),
    ),
]
"""Tokens a request: one number, or a distribution."""
