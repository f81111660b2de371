"""Debezium's envelope in ksqlDB: every field a VARCHAR, so that no record fails to be read for its type.

A number of JSON in a raw row passes through a double there, as it does in the worker.
"""

from __future__ import annotations

from typing import Final

from dropless.contract import Source
from dropless.ksqldb import sql
from dropless.ksqldb.fields import OTHER, tagged
from dropless.ksqldb.keys import Reasons
from dropless.ksqldb.patterns import END, FILLED_OBJECT, MICROSECONDS, MILLISECONDS, OBJECT
from dropless.union.envelope import TRUNCATE

BEFORE: Final = "`before`"
AFTER: Final = "`after`"
ORIGIN: Final = "`source`"
OP: Final = "`op`"
DELETION: Final = f"{OP} = 'd'"
NO_DELETION: Final = f"{OP} <> 'd'"
NOTHING_KNOWN: Final = f"{BEFORE} IS NULL OR {sql.not_json(BEFORE)} OR {sql.lacks(FILLED_OBJECT, BEFORE)}"
"""Of a deletion: that the row before it is not there, not readable, or empty."""

_MICROSECONDS: Final = sql.json_field(ORIGIN, ["ts_us"])
_MILLISECONDS: Final = sql.json_field(ORIGIN, ["ts_ms"])
_NUMBER: Final = f"^{OTHER}-?[0-9]+{END}"
_IS_MICROSECONDS: Final = sql.found(_NUMBER, tagged(ORIGIN, "ts_us", _MICROSECONDS))
_IS_MILLISECONDS: Final = sql.found(_NUMBER, tagged(ORIGIN, "ts_ms", _MILLISECONDS))

COMMITTED: Final = sql.case(
    (_IS_MICROSECONDS, f"CAST({_MICROSECONDS} AS BIGINT)"), otherwise=f"CAST({_MILLISECONDS} AS BIGINT) * 1000"
)
"""The source's commit time in microseconds, of a record that `change_reasons` has nothing against."""


def change_reasons(source: Source) -> Reasons:
    """Why a record is no change of a row, in the worker's order."""
    row = "document" if source.mongodb else "row"
    no_state = (
        "The update has no `after`: switch the collection's pre- and post-images on."
        if source.mongodb
        else "The change has no `after`, the row as it was after it."
    )
    no_time = "The change has no commit time: `source.ts_us` is missing."
    out_of_range = "The change's commit time is not a time in the years 1 to 9999."
    return [
        (f"{OP} IS NULL", "The value is not a change event: it has no `op`."),
        (f"{OP} = 't'", TRUNCATE),
        (f"{OP} NOT IN ('c', 'u', 'd', 'r')", "The change's `op` is not c, u, d, r or t."),
        (f"{NO_DELETION} AND {AFTER} IS NULL", no_state),
        (f"{NO_DELETION} AND ({sql.not_json(AFTER)})", f"The change's {row} is not valid JSON."),
        (f"{NO_DELETION} AND {sql.lacks(OBJECT, AFTER)}", f"The change's {row} is not an object."),
        (f"{ORIGIN} IS NULL OR {sql.not_json(ORIGIN)} OR {sql.lacks(OBJECT, ORIGIN)}", no_time),
        (f"NOT ({_IS_MICROSECONDS} OR {_IS_MILLISECONDS})", no_time),
        (
            f"{_IS_MICROSECONDS} AND {sql.lacks(f'^{MICROSECONDS}{END}', _MICROSECONDS)}",
            out_of_range,
        ),
        (
            f"NOT ({_IS_MICROSECONDS}) AND {sql.lacks(f'^{MILLISECONDS}{END}', _MILLISECONDS)}",
            out_of_range,
        ),
    ]
