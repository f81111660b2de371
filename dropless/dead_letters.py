"""What a dead letter says, whichever engine wrote it."""

from __future__ import annotations

from confluent_kafka import Message

from dropless.ksqldb import dead_letters as of_ksqldb
from dropless.ksqldb.dead_letters import Letter
from dropless.records import REASON, headers


def by_worker(message: Message) -> bool:
    """Whether a worker wrote it: then its key and value are the raw record's own bytes."""
    return REASON in headers(message)


def read(message: Message) -> Letter | None:
    """Why a raw record is no row, and where that record is; None of a record that no union wrote."""
    told = headers(message)
    if REASON not in told:
        return of_ksqldb.letter(message.value())
    try:
        origin = (told["topic"], int(told["partition"]), int(told["offset"]))
        return Letter(told[REASON], told.get("column"), told["source"], origin)
    except (KeyError, ValueError):
        return None
