"""Who reads which topic of a unified table, and how to tell how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dropless import names
from dropless.contract import Contract


class Stage(StrEnum):
    """A step on the way of a row."""

    UNION = "union"
    PINOT = "pinot"
    LAKE = "lake"


@dataclass(frozen=True)
class Reader:
    """A stage of one table; its consumer group is None where the reader keeps its own positions (Pinot).

    `sources` are those whose topics the union reads, in the same order: where ksqlDB unites a table, each has queries.
    """

    table: str
    stage: Stage
    topics: tuple[str, ...]
    group: str | None
    sources: tuple[str, ...] = ()


def readers(contract: Contract) -> list[Reader]:
    """Every reader of a table's topics, in the order of the way of a row."""
    table = contract.name
    raw = tuple(names.raw_topic(table, source.name) for source in contract.sources)
    unified = (names.unified_topic(table),)
    return [
        Reader(table, Stage.UNION, raw, names.union_group(table), tuple(source.name for source in contract.sources)),
        Reader(table, Stage.PINOT, unified, None),
        Reader(table, Stage.LAKE, unified, names.lake_group(table)),
    ]
