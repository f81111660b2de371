"""The reconciliations of a table so far, a line each, so that they can be plotted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import msgspec

from dropless.passwords import write
from dropless.reconciliation.findings import Report, Tier

KEPT: Final = 1000


@dataclass(frozen=True)
class Past:
    """What is remembered of one reconciliation."""

    id: str
    tier: Tier
    began: float
    """Seconds since 1970."""
    seconds: float
    rows: Mapping[str, Mapping[str, int]]
    """By system (`source` among them) and source."""
    findings: Mapping[str, int]
    """By system: rows that were found wrong, those beyond the limit included."""
    passed: Mapping[str, float]
    """By stage: how long the slowest fence took to pass it, in seconds."""

    @classmethod
    def of(cls, report: Report) -> Self:
        """A report in short."""
        stages = dict.fromkeys(stage for fence in report.fences for stage in fence)
        return cls(
            report.id,
            report.tier,
            report.began,
            round(report.seconds, 3),
            {"source": dict(report.rows), **{each.system: dict(each.rows) for each in report.comparisons}},
            {each.system: len(each.findings) + each.more for each in report.comparisons},
            {stage: round(max(fence.get(stage, 0.0) for fence in report.fences), 3) for stage in stages},
        )

    @property
    def sources(self) -> tuple[str, ...]:
        """Those that were compared."""
        return tuple(self.rows["source"])

    @property
    def sound(self) -> bool:
        """Whether nothing was wrong."""
        return not any(self.findings.values())


def load(path: Path) -> list[Past]:
    """All that is remembered, the oldest first."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return [msgspec.json.decode(line, type=Past) for line in lines]


def remember(path: Path, report: Report) -> list[Past]:
    """Add one, and forget the oldest of very many; all that is remembered then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = [*load(path), Past.of(report)][-KEPT:]
    write(path, "".join(msgspec.json.encode(each).decode() + "\n" for each in known))
    return known
