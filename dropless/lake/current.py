"""The current state exactly now: what is merged, and the changes that have come since."""

from __future__ import annotations

from deltalake import DeltaTable
from duckdb import DuckDBPyConnection

from dropless.lake.deletions import Deletions
from dropless.lake.engine import quoted
from dropless.lake.merged import MergedTable
from dropless.lake.pending import pending, row_schema
from dropless.lake.scan import live, of_files
from dropless.lake.store import Store

# The newest change of every key, unless it is a deletion. Positions of a key never tie.
_COMPUTED = """
    select changes.* exclude (_committed_on) from {changes} as changes semi join
    (select _key, max(_position) as _position from {changes} group by _key) using (_key, _position)
    where not _deleted
"""
_MERGED = """
    with newest as (
        -- A change may be here twice: columns that became wider had their table written anew.
        select fresh.* from {fresh} as fresh
        qualify row_number() over (partition by _key order by _position desc) = 1
    )
    select base.* from {base} as base
    anti join newest on base._key = newest._key and newest._position > base._position
    union all by name
    select newest.* from newest
    anti join {base} as base on base._key = newest._key and base._position >= newest._position
    anti join {gone} as gone on gone._key = newest._key and gone._position > newest._position
    where not newest._deleted
"""
_NONE_GONE = "(select '' as _key, 0::bigint as _position where false)"


def register_computed(connection: DuckDBPyConnection, name: str, changes: object) -> None:
    """Make the state known that follows from a dataset of all changes."""
    # A name of its own: the changes may be asked for in the same query, at another version.
    own = f"_changes_of_{name}"
    connection.register(own, changes)
    body = _COMPUTED.format(changes=quoted(own))
    connection.execute(f"create or replace temp view {quoted(name)} as {body}")


def register_now(connection: DuckDBPyConnection, store: Store, table: str, folder: str, name: str | None = None) -> int:
    """Make a merged table known together with its changes since; the version of the changes in `folder`.

    Raises:
        OSError | DeltaError: the store does not answer.
    """
    name = name or table
    options = store.delta_options(patient=False)
    # In this order: what is merged meanwhile is then still among the changes.
    base = DeltaTable(store.uri(table), storage_options=options)
    changes = DeltaTable(store.uri(folder), storage_options=options)
    waiting = pending(store, folder, changes, MergedTable.progress_of(base, changes))
    merged = live(store, table, base)
    own = {each: f"_{each}_of_{name}" for each in ("base", "fresh", "gone")}
    connection.register(own["base"], merged)
    parts = {each: quoted(view) for each, view in own.items()}
    if not waiting.files:
        connection.execute(f"create or replace temp view {quoted(name)} as select * from {parts['base']}")  # noqa: S608 - quoted
        return waiting.until
    connection.register(own["fresh"], of_files(store, folder, waiting.files, row_schema(changes)))
    gone = Deletions(store, table, patient=False).dataset()
    if gone is None:
        parts["gone"] = _NONE_GONE
    else:
        connection.register(own["gone"], gone)
    connection.execute(f"create or replace temp view {quoted(name)} as {_MERGED.format(**parts)}")
    return waiting.until
