"""What one benchmark found, as its file tells it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from benchmarks.conditions import Noise
from benchmarks.statistics import Estimate
from dropless.errors import DroplessError
from dropless.settings import PROJECT

RESULTS: Final = PROJECT / "benchmarks" / "results"


MOST_REPEATED: Final = 0.5
"""Disturbed rounds are made again, at most this share of all."""


@dataclass
class Pairs:
    """Values measured side by side, round by round, and the rounds that do not count."""

    rounds: list[dict[str, Any]] = field(default_factory=list)
    dropped: list[dict[str, Any]] = field(default_factory=list)

    def add(self, values: Mapping[str, float], noises: Mapping[str, Noise]) -> None:
        """One round; a round with a disturbed block does not count."""
        told = {
            "values": {name: _short(value) for name, value in values.items()},
            "noise": {name: noise.as_json() for name, noise in noises.items()},
        }
        reasons = {name: noise.verdict for name, noise in noises.items() if noise.verdict}
        if reasons:
            self.dropped.append(told | {"because": reasons})
        else:
            self.rounds.append(told)

    def numbers(self, count: int) -> Iterator[int]:
        """The numbers of the rounds to be made, until so many count or too many were disturbed."""
        for number in range(round((1 + MOST_REPEATED) * count)):
            if len(self.rounds) == count:
                return
            yield number

    def column(self, name: str) -> list[float]:
        """A value of every round that counts.

        Raises:
            DroplessError: every round was disturbed.
        """
        if not self.rounds and self.dropped:
            block, why = next(iter(self.dropped[-1]["because"].items()))
            raise DroplessError(f"Every round was disturbed by others, such as {block!r} in the last one: {why}.")
        return [float(each["values"][name]) for each in self.rounds]


@dataclass
class Result:
    """One benchmark's figures and everything they rest on."""

    benchmark: str
    figures: dict[str, Estimate]
    pairs: Pairs
    audits: dict[str, Any]
    conditions: dict[str, Any]
    setup: dict[str, Any]
    control: Estimate | None = None
    absolute: dict[str, float] = field(default_factory=dict)
    quick: bool = False
    void: str | None = None

    def write(self, folder: Path) -> Path:
        """Write the file."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.benchmark}.json"
        path.write_bytes(orjson.dumps(self.as_json(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        return path

    def as_json(self) -> dict[str, Any]:
        """The file's content."""
        return {
            "benchmark": self.benchmark,
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "quick": self.quick,
            "void": self.void,
            "figures": {name: _estimate(each) for name, each in self.figures.items()},
            "noise_floor": None if self.control is None else _estimate(self.control),
            "absolute": {name: _short(value) for name, value in self.absolute.items()},
            "rounds": self.pairs.rounds,
            "rounds_dropped": self.pairs.dropped,
            "audits": self.audits,
            "setup": self.setup,
            "conditions": self.conditions,
        }


def _estimate(estimate: Estimate) -> dict[str, float]:
    return {name: _short(value) for name, value in asdict(estimate).items()}


def _short(value: float) -> float:
    return float(f"{value:.5g}")
