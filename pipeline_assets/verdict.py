"""A check's outcome, whether a run or a sensor reports it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import dagster as dg


@dataclass(frozen=True)
class Verdict:
    """What a check found; a failure is an error unless `risk` is False."""

    passed: bool
    description: str
    risk: bool = True
    metadata: Mapping[str, dg.MetadataValue] = field(default_factory=dict)

    @property
    def severity(self) -> dg.AssetCheckSeverity:
        """ERROR where something is lost or missing, WARN where it is only not as declared."""
        return dg.AssetCheckSeverity.ERROR if self.risk else dg.AssetCheckSeverity.WARN

    def result(self, check: dg.AssetCheckKey) -> dg.AssetCheckResult:
        """The verdict of a run."""
        return dg.AssetCheckResult(
            asset_key=check.asset_key,
            check_name=check.name,
            passed=self.passed,
            severity=self.severity,
            description=self.description,
            metadata=self.metadata,
        )

    def evaluation(self, check: dg.AssetCheckKey) -> dg.AssetCheckEvaluation:
        """The verdict of a sensor."""
        return dg.AssetCheckEvaluation(
            asset_key=check.asset_key,
            check_name=check.name,
            passed=self.passed,
            severity=self.severity,
            description=self.description,
            metadata=self.metadata,
        )
