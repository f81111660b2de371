"""What a contract asks for and ksqlDB cannot do."""

from __future__ import annotations

from dropless.errors import DroplessError


class Inexpressible(DroplessError):
    """A mapping that ksqlDB's SQL cannot say so that it gives the worker's rows; the sentence says where and why."""

    def __init__(self, table: str, source: str, column: str | None, why: str) -> None:
        place = f"source {source!r} of {table!r}" + (f", column {column!r}" if column else "")
        super().__init__(f"ksqlDB cannot run the union of {place}: {why}. Leave this table to the worker.")
        self.source = source
        self.column = column
        self.why = why
