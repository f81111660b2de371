"""Whether Pinot and the lake hold exactly what the example's sources do."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from dropless.contract import Contract
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.example import truth
from dropless.reconciliation import newest

_PAUSE_SECONDS: Final = 0.25


@dataclass(frozen=True)
class Agreement:
    """The outcome: how many orders the sources hold, and a sentence for everything that is not as there."""

    orders: int
    seconds: float
    pinot: tuple[str, ...]
    lake: tuple[str, ...]

    @property
    def reached(self) -> bool:
        """Whether source, Pinot and lake are equal, value by value."""
        return not self.pinot and not self.lake

    def __str__(self) -> str:
        """One sentence, with a few of the differences."""
        if self.reached:
            return f"{self.orders:,} orders are equal in the sources, Pinot and the lake, after {self.seconds:.1f} s."
        some = [*(f"Pinot: {each}" for each in self.pinot[:5]), *(f"lake: {each}" for each in self.lake[:5])]
        counts = f"{len(self.pinot)} values differ in Pinot and {len(self.lake)} in the lake"
        return f"After {self.seconds:.1f} s, {counts}: {'; '.join(some)}."


def wait_for_agreement(endpoints: Endpoints, contract: Contract, seconds: float) -> Agreement:
    """Compare until all is equal or `seconds` are over; the sources must be at rest.

    The time of reading a state does not count against `seconds`: what a reading shows was so when it began.
    """
    began = time.monotonic()
    expected = truth.read(endpoints)
    pinot: tuple[str, ...] = ("nothing was read",)
    lake: tuple[str, ...] = ("nothing was read",)
    while True:
        looked = time.monotonic() - began
        if pinot:
            pinot = _differences_in_pinot(endpoints, contract, expected)
        if lake:
            lake = _differences_in_lake(endpoints, contract, expected)
        if not (pinot or lake) or looked >= seconds:
            return Agreement(len(expected), looked, pinot, lake)
        time.sleep(_PAUSE_SECONDS)


def _differences_in_pinot(endpoints: Endpoints, contract: Contract, expected: dict[str, truth.Row]) -> tuple[str, ...]:
    try:
        found = newest.in_pinot(endpoints, contract)
    except DroplessError as error:
        return (str(error),)
    return tuple(newest.differences(expected, found, milliseconds=True))


def _differences_in_lake(endpoints: Endpoints, contract: Contract, expected: dict[str, truth.Row]) -> tuple[str, ...]:
    try:
        found = newest.in_lake(endpoints, contract)
    except DroplessError as error:
        return (str(error),)
    return tuple(newest.differences(expected, found))
