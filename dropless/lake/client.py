"""What a data scientist imports: `from dropless import Lake`."""

from __future__ import annotations

import os
from typing import Self

from dropless import names
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.lake import catalogue
from dropless.lake.engine import connect, query
from dropless.lake.reading import LakeTable
from dropless.lake.result import Result
from dropless.lake.store import Store
from dropless.settings import Settings


class Lake:
    """The lake's tables, to read.

    >>> lake = Lake.connect()
    >>> lake.table("orders").to_pandas(columns=["order_id", "amount"], where="status = 'paid'")
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @classmethod
    def connect(
        cls,
        endpoint: str | None = None,
        *,
        access_key: str | None = None,
        secret_key: str | None = None,
        region: str | None = None,
        bucket: str | None = None,
    ) -> Self:
        """The lake at an address, or in `DROPLESS_LAKE_ENDPOINT`, or of the platform on this machine.

        Credentials not given come from `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`; those of the
        local platform are its read-only user's.

        Raises:
            DroplessError: an address without credentials, or no platform on this machine.
        """
        endpoint = endpoint or os.environ.get("DROPLESS_LAKE_ENDPOINT")
        access_key = access_key or os.environ.get("AWS_ACCESS_KEY_ID")
        secret_key = secret_key or os.environ.get("AWS_SECRET_ACCESS_KEY")
        if endpoint is None:
            return cls(Store.reader(Endpoints.local(Settings.load())))
        if not access_key or not secret_key:
            raise DroplessError(f"No credentials for {endpoint}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.")
        region = region or os.environ.get("AWS_REGION") or "us-east-1"
        bucket = bucket or os.environ.get("DROPLESS_LAKE_BUCKET") or names.LAKE_BUCKET
        return cls(Store(endpoint, region, access_key, secret_key, bucket))

    def tables(self) -> list[str]:
        """The names of all tables."""
        return [entry.name for entry in catalogue.entries(self._store)]

    def table(self, name: str) -> LakeTable:
        """A table at its newest version; `as_of` goes back in time.

        A current state (`orders`) is as new as its last merge, and says so (`fresh_until`); its `now()` also has
        the changes since.

        Raises:
            DroplessError: there is none; the sentence has the nearest names.
        """
        return LakeTable(self._store, catalogue.find(self._store, name))

    def sql(self, statement: str, *, now: bool = False) -> Result:
        """A query in DuckDB's SQL over any of the tables, each pinned to its present version.

        With `now`, current states also have the changes that are not merged yet.

        Raises:
            DroplessError: it is no SQL, or names what there is not.
        """
        connection = connect()
        # Opening a table costs a round trip: only those that the statement may mean.
        lowered = statement.lower()
        for entry in catalogue.entries(self._store):
            if entry.name.lower() in lowered:
                exactly_now = now and entry.changes is not None
                LakeTable(self._store, entry, exactly_now=exactly_now).register(connection)
        return query(connection, statement)
