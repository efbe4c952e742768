"""What answers the operator's questions, by the shipped constants and by each Model's own.

Answers are remembered: a pass asks the same as the last one did.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from rightslice.core.fit.answers import Answers
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.perf.calibration import Calibration
from rightslice.kube.admission.decide import Recommend


@dataclass
class Recommenders:
    """What answers questions, one for each set of calibrations: each remembers its answers."""

    constants: FittedConstants
    _known: dict[tuple[Calibration, ...], Recommend] = field(default_factory=dict)

    def by(self, calibrations: tuple[Calibration, ...]) -> Recommend:
        """Return what answers by the constants and *calibrations* beside theirs."""
        if calibrations not in self._known:
            every = (*self.constants.calibrations, *calibrations)
            constants = replace(self.constants, calibrations=every)
            self._known[calibrations] = Answers(constants).recommend
        return self._known[calibrations]
