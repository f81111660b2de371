"""What a data scientist imports: `from dropless import Lake`."""

from __future__ import annotations

from typing import Self

from dropless.lake import catalogue
from dropless.lake.dictionary import address
from dropless.lake.engine import connect, query
from dropless.lake.information import TableInfo, information
from dropless.lake.profiles import Profile
from dropless.lake.reading import LakeTable
from dropless.lake.result import Result
from dropless.lake.store import Store


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
        profile: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        region: str | None = None,
        bucket: str | None = None,
        personal: bool | None = None,
    ) -> Self:
        """The lake at an address, of a profile, in the environment, or of the platform on this machine.

        Args:
            endpoint: where it is, or `DROPLESS_LAKE_ENDPOINT`.
            profile: a table of `~/.config/dropless/lake.toml`, or `DROPLESS_LAKE_PROFILE`.
            access_key: or `AWS_ACCESS_KEY_ID`; of the local platform, its read-only user's.
            secret_key: or `AWS_SECRET_ACCESS_KEY`.
            region: or `AWS_REGION`.
            bucket: or `DROPLESS_LAKE_BUCKET`.
            personal: read the tables with their personal columns, which takes credentials that may; or
                `DROPLESS_LAKE_PERSONAL=1`.

        Raises:
            DroplessError: an address without credentials, no such profile, or no platform on this machine.
        """
        given: dict[str, str | bool | None] = {
            "endpoint": endpoint,
            "access_key": access_key,
            "secret_key": secret_key,
            "region": region,
            "bucket": bucket,
            "personal": personal,
        }
        return cls(Profile.load(profile, given).store())

    def names(self) -> list[str]:
        """The names of all tables."""
        return [entry.name for entry in catalogue.entries(self._store)]

    def tables(self) -> list[TableInfo]:
        """Every table with its rows, bytes, version, freshness and meaning; `pandas.DataFrame` takes the list."""
        return [information(LakeTable(self._store, entry)) for entry in catalogue.entries(self._store)]

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

    def dictionary(self) -> str | None:
        """A link for a browser, good for twelve hours, to the meaning of every column; None before the first merge."""
        return address(self._store)
