"""What reconciliation finds, and what it has to say of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from dropless.contract import Column
from dropless.contract.column_type import Kind
from dropless.reconciliation.canonical import COARSE_US, Values, towards_zero
from dropless.reconciliation.mapped import Refused

LONGEST_SHOWN: Final = 60
STRIKES: Final = 2
"""At so many looks a row has to differ."""


class Tier(StrEnum):
    """How much is compared."""

    COUNTS = "counts"
    FULL = "full"


class Wrong(StrEnum):
    """In which way a system differs from the source."""

    MISSING = "missing"
    """The source has the row, the system does not."""
    EXTRA = "extra"
    """The system has a row that the source does not: a deletion was lost, a row came back, or the table was emptied."""
    DIFFERENT = "different"
    """Both have it, with other values."""
    DOUBLED = "doubled"
    """The system has it more than once."""
    UNREADABLE = "unreadable"
    """The system could not be read: what it held cannot be compared."""


@dataclass(frozen=True)
class Finding:
    """A row that differed at two fences; `columns` are those whose values differ."""

    system: str
    key: str
    what: Wrong
    columns: tuple[str, ...] = ()
    detail: str = ""


def compared(
    system: str,
    key: str,
    expected: Values | Refused | None,
    found: Values | None,
    columns: Sequence[Column],
    *,
    doubled: bool = False,
    milliseconds: bool = False,
) -> Finding | None:
    """How a system's row differs from the source's; None where it does not, or where the source's is refused."""
    if isinstance(expected, Refused):
        return None
    if expected is None:
        return None if found is None else Finding(system, key, Wrong.EXTRA)
    if found is None:
        return Finding(system, key, Wrong.MISSING)
    if doubled:
        return Finding(system, key, Wrong.DOUBLED)
    wrong = [each for each in columns if not _equal(each, expected[each.name], found[each.name], milliseconds)]
    if not wrong:
        return None
    shown = [
        f"{each.name} is {_shown(each, found[each.name])} instead of {_shown(each, expected[each.name])}"
        for each in wrong
    ]
    return Finding(system, key, Wrong.DIFFERENT, tuple(each.name for each in wrong), "; ".join(shown))


def _equal(column: Column, expected: Any, found: Any, milliseconds: bool) -> bool:  # noqa: FBT001
    if expected is None or found is None:
        return expected is found
    if column.type.kind is Kind.TIMESTAMP and milliseconds:
        return bool(towards_zero(expected) * COARSE_US == found)
    if column.type.kind is Kind.JSON and milliseconds:
        # Pinot writes numbers anew.
        return expected == found or bool(json.loads(expected) == json.loads(found))
    return bool(expected == found)


def _shown(column: Column, value: Any) -> str:
    if column.pii:
        return "another value" if value is not None else "null"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


@dataclass
class Suspects:
    """Rows that differ, until they have done so at two fences, or no longer do.

    A row that was touched between the fences tells nothing: it is looked at again.
    """

    strikes: dict[tuple[str, str], int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def suspect(self, system: str, keys: Iterator[str] | Sequence[str], strikes: int) -> None:
        """Have keys looked at; with one strike they have differed once, with none they were only touched."""
        for key in keys:
            self.strikes[system, key] = max(strikes, self.strikes.get((system, key), 0))

    @property
    def keys(self) -> set[str]:
        """Those to be looked at."""
        return {key for _, key in self.strikes}

    def judge(self, system: str, key: str, finding: Finding | None, *, touched: bool) -> None:
        """What a look at a suspect found."""
        if touched:
            return
        if finding is None:
            del self.strikes[system, key]
            return
        self.strikes[system, key] += 1
        if self.strikes[system, key] >= STRIKES:
            del self.strikes[system, key]
            self.findings.append(finding)

    def of(self, system: str) -> list[str]:
        """A system's suspects."""
        return [key for each, key in self.strikes if each == system]


@dataclass(frozen=True)
class Comparison:
    """One system against the sources."""

    system: str
    rows: Mapping[str, int]
    """By source: the rows that the system has."""
    findings: tuple[Finding, ...]
    more: int = 0
    """Differing rows beyond the limit, which were counted and not looked at one by one."""
    unsettled: int = 0
    """Rows that changed at every look."""

    @property
    def place(self) -> str:
        """The system in a sentence: `Pinot`, `the lake`."""
        return spoken(self.system)

    @property
    def counts(self) -> dict[str, int]:
        """Findings by what is wrong."""
        return dict(Counter(each.what.value for each in self.findings))

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings and not self.more


def spoken(system: str) -> str:
    """A system in a sentence."""
    return "Pinot" if system == "pinot" else f"the {system}"


@dataclass(frozen=True)
class Load:
    """What reading a source cost it."""

    rows: int
    seconds: float


@dataclass(frozen=True)
class Report:
    """A reconciliation of one table: what was compared with what, and what was found."""

    id: str
    table: str
    tier: Tier
    began: float
    """Seconds since 1970."""
    seconds: float
    rows: Mapping[str, int]
    """By source: the rows that it has."""
    comparisons: tuple[Comparison, ...]
    touched: int
    """Rows that changed while they were read; each was looked at again."""
    refused: Mapping[str, str]
    """Rows of the sources that are dead letters, of those that were looked at: key and reason."""
    fences: tuple[Mapping[str, float], ...]
    """By fence and stage: how long after it was written the fence had passed, in seconds."""
    load: Mapping[str, Load]
    where: str | None = None
    """The condition of the rows that were compared; without one all were."""

    @property
    def findings(self) -> list[Finding]:
        """Of all systems."""
        return [each for comparison in self.comparisons for each in comparison.findings]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return all(each.sound for each in self.comparisons)
