"""What a promise is, and what breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from dropless import durability

Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Finding:
    """One place where an invariant does not hold."""

    where: str
    expected: str
    found: str
    why: str


@dataclass(frozen=True)
class Invariant(Generic[Seen]):
    """One promise about what was seen; `protects_data` is False when only data written later is at stake."""

    name: str
    promise: str
    protects_data: bool
    findings: Callable[[Seen], Iterator[Finding]]


WHY: Final = {setting.name: setting.why for setting in durability.TABLE} | {
    "flush.messages": "a power cut takes unflushed writes",
    "flush.ms": "a power cut takes unflushed writes",
    "exactly.once.support": "a restarted task writes rows twice",
    "exactly.once.source.support": "a restarted task writes rows twice",
}
ANYWAY: Final = "the durability table asks for it"
# A value may be stricter than the table asks: more copies, or fewer records and milliseconds until the flush.
AT_LEAST: Final = ("min.insync.replicas", "replication.factor", "min.isr")
AT_MOST: Final = ("flush.interval.messages", "flush.interval.ms", "flush.messages", "flush.ms", "interval.ms")
# Kafka's own two spellings of one value.
_SAME: Final = {"-1": "all"}


def holds(name: str, required: str, found: str | None) -> bool:
    """Whether a setting's value is as required, or stricter where that is safe."""
    if found is None:
        return False
    if name.endswith(AT_LEAST):
        return int(found) >= int(required)
    if name.endswith(AT_MOST):
        return int(found) <= int(required)
    return _SAME.get(found, found) == required


def unkept(
    where: str, required: Mapping[str, str], found: Mapping[str, str], anyway: str = ANYWAY
) -> Iterator[Finding]:
    """The settings of one configuration that are not as required; `anyway` says why where the table does not."""
    for name, value in required.items():
        present = found.get(name)
        if not holds(name, value, present):
            yield Finding(f"{where}, {name}", value, "not set" if present is None else present, _why(name, anyway))


def _why(name: str, anyway: str) -> str:
    # A prefix (`producer.override.`) says whose setting it is.
    return next((why for setting, why in WHY.items() if name == setting or name.endswith(f".{setting}")), anyway)
