"""An alarm that neither rises nor falls at the first look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LOOKS: Final = 2


@dataclass(frozen=True)
class Alarm:
    """Whether it is raised, and how many looks in a row have spoken for the opposite."""

    raised: bool = False
    against: int = 0

    def after(self, value: float, *, raise_above: float, clear_below: float, looks: int = LOOKS) -> Alarm:
        """The alarm after one more look at a value.

        Between the two limits it stays as it is; beyond the one that speaks against it, it turns after `looks`
        looks in a row.
        """
        opposite = value <= clear_below if self.raised else value > raise_above
        if not opposite:
            return Alarm(self.raised)
        if self.against + 1 >= looks:
            return Alarm(not self.raised)
        return Alarm(self.raised, self.against + 1)
