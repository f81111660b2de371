"""The reconciliations of a table so far, a line each, so that they can be plotted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import orjson

from dropless.passwords import write
from dropless.reconciliation.findings import Report

KEPT: Final = 1000


@dataclass(frozen=True)
class Past:
    """What is remembered of one reconciliation."""

    id: str
    tier: str
    began: float
    """Seconds since 1970."""
    seconds: float
    rows: Mapping[str, Mapping[str, int]]
    """By system (`source` among them) and source."""
    findings: Mapping[str, int]
    """By system: rows that were found wrong, those beyond the limit included."""
    passed: Mapping[str, float]
    """By stage: how long the slowest fence took to pass it, in seconds."""
    sources: tuple[str, ...]

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
            tuple(report.rows),
        )

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
    told: list[dict[str, Any]] = [orjson.loads(line) for line in lines]
    return [Past(**{**each, "sources": tuple(each["sources"])}) for each in told]


def remember(path: Path, report: Report) -> list[Past]:
    """Add one, and forget the oldest of very many; all that is remembered then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = [*load(path), Past.of(report)][-KEPT:]
    write(path, "".join(orjson.dumps(each).decode() + "\n" for each in known))
    return known
