"""The names of everything made for a unified table; no other module spells one."""

from __future__ import annotations

from typing import Final

LAKE_BUCKET: Final = "lake"
PINOT_BUCKET: Final = "pinot"
PUBLIC_FOLDER: Final = "public"
"""The folder of the lake's bucket with the tables as everybody may see them: without personal columns."""
DICTIONARY_FOLDER: Final = "_dictionary"
"""The folder of the lake's bucket with the dictionary of all tables."""
RECONCILIATION_FOLDER: Final = "_reconciliation"
"""The folder of the lake's bucket with a page for each reconciliation."""
SOURCE_SCHEMA: Final = "dropless"
"""The PostgreSQL schema for our own tables in a source database (heartbeats and signals)."""


REST_TOPICS: Final = "rest."
REST_PROBE: Final = f"{REST_TOPICS}probe"

RAW: Final = "raw."


def raw_topic(table: str, source: str) -> str:
    """The topic of one source's changes, as Debezium saw them."""
    return f"{RAW}{table}.{source}"


def heartbeat_topic(table: str, source: str) -> str:
    """The topic of one connector's heartbeats."""
    return f"heartbeat.{table}.{source}"


def signal_topic(table: str, source: str) -> str:
    """The topic of the signals that one connector has been given and has dealt with, in that order."""
    return f"signals.{table}.{source}"


def signal_table(table: str, source: str) -> str:
    """The PostgreSQL table of one connector's signals: another connector on the database must not act on them."""
    return f"signal_{table}_{source}"


def signal_collection(table: str, source: str) -> str:
    """The same in MongoDB, and the role that lets a connector write to it."""
    return f"dropless_signal_{table}_{source}"


def unified_topic(table: str) -> str:
    """The topic of the unified rows."""
    return f"unified.{table}"


def dead_topic(table: str) -> str:
    """The topic of the records that could not be mapped."""
    return f"dead.{table}"


def subject(topic: str) -> str:
    """The registry subject of a topic's values."""
    return f"{topic}-value"


def connector(table: str, source: str) -> str:
    """The connector that captures one source; also its topic prefix."""
    return f"{table}.{source}"


def slot(table: str, source: str) -> str:
    """The PostgreSQL replication slot of one source (lower case, at most 63 bytes)."""
    return f"dropless_{table}_{source}"


def publication(table: str, source: str) -> str:
    """The PostgreSQL publication of one source."""
    return f"dropless_{table}_{source}"


def union_group(table: str) -> str:
    """The consumer group of the union of a table."""
    return f"union.{table}"


def union_transactional_id(table: str, slot_number: int) -> str:
    """The stable transactional id of one union process."""
    return f"union.{table}.{slot_number}"


def replay_transactional_id(table: str) -> str:
    """The transactional id of a replay of a table's dead letters: a second one fences the first."""
    return f"replay.{table}"


def repair_transactional_id(table: str) -> str:
    """The transactional id of a repair that deletes rows: a second one fences the first."""
    return f"repair.{table}"


def lake_group(table: str) -> str:
    """The consumer group that shows the lake writer's progress; offsets live in the Delta table."""
    return f"lake.{table}"


def changes_table(table: str) -> str:
    """The lake table of every change."""
    return f"{table}_changes"


def deletions_table(table: str) -> str:
    """The lake table of every deletion that was merged: a late older change must not bring a key back."""
    return f"_deleted/{table}"
