"""The check in which every timed run ends: without it a number says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.lab import Lab, Partition
from dropless.errors import DroplessError
from resources.audit import Bookmark, audit


class Void(DroplessError):
    """The run lost, repeated or reordered something: it has no result."""


@dataclass
class Audits:
    """What all audits of one benchmark read together."""

    runs: int = 0
    records: int = 0
    rows: int = 0
    dead: int = 0
    findings: int = 0

    def as_json(self) -> dict[str, Any]:
        """For the result's file."""
        return dict(vars(self))


@dataclass
class Verifier:
    """Audits run after run, each from where it began."""

    lab: Lab
    audits: Audits = field(default_factory=Audits)

    def begin(self, start: Mapping[Partition, int]) -> None:
        """A run begins with the group at these raw offsets; what the outputs hold by now is not its own."""
        ends = self.lab.view.ends(self.lab.view.partitions(self.lab.outputs))
        Bookmark({**start, **ends}, {}, {}).save(self._bookmark)

    def end(self, records: int | None = None) -> None:
        """Audit the run.

        Args:
            records: How many changes it must have handled; None when that is not known beforehand.

        Raises:
            Void: the audit has findings, or the run handled another number of changes.
        """
        report = audit(self.lab.endpoints, self.lab.contract, self._bookmark)
        self.audits.runs += 1
        self.audits.records += report.records
        self.audits.rows += report.rows
        self.audits.dead += report.dead
        self.audits.findings += len(report.findings)
        if report.findings:
            first = report.findings[0]
            raise Void(
                f"The run is void: {len(report.findings)} findings, such as {first.anomaly} of "
                f"{first.topic}[{first.partition}]@{first.offset}, which {first.detail}."
            )
        if records is not None and report.records != records:
            raise Void(f"The run is void: it handled {report.records:,} changes of {records:,}.")

    @property
    def _bookmark(self) -> Any:
        return self.lab.folder / "bookmark.json"
