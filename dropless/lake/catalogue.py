"""Which tables the lake has, found by their Delta logs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from botocore.exceptions import BotoCoreError, ClientError

from dropless import names
from dropless.errors import DroplessError
from dropless.lake.store import Store

CHANGES_SUFFIX = "_changes"
_LOG = "_delta_log/"
_DEPTH = 2
"""Tables lie at the top or one folder below it, as `curated/daily_sales` does."""


@dataclass(frozen=True)
class Entry:
    """A table by the name that people use, and the folder that holds its data."""

    name: str
    folder: str
    current_state: bool = False
    """Whether it is computed from its changes when it is read."""
    changes: str | None = None
    """The folder of the changes that are merged into it."""


def entries(store: Store) -> list[Entry]:
    """Every table, by name; `orders` stands beside `orders_changes` even before it has a folder of its own.

    Raises:
        DroplessError: the lake does not answer, or refuses the credentials.
    """
    try:
        folders = sorted(each.removeprefix(store.folder) for each in _folders(store, store.folder, _DEPTH))
    except ClientError as error:
        raise DroplessError(
            f"The lake at {store.endpoint} refused {store.access_key!r} ({error.response['Error']['Code']}): "
            "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and the bucket's name."
        ) from None
    except BotoCoreError:
        raise unreachable(store) from None
    found = {folder: Entry(folder, folder) for folder in folders}
    for folder in folders:
        if folder.endswith(CHANGES_SUFFIX):
            name = folder.removesuffix(CHANGES_SUFFIX)
            merged = name in found
            found[name] = Entry(name, name if merged else folder, current_state=not merged, changes=folder)
    return [found[name] for name in sorted(found)]


def find(store: Store, name: str) -> Entry:
    """The table of that name.

    Raises:
        DroplessError: there is none; the sentence has the nearest names.
    """
    known = {entry.name: entry for entry in entries(store)}
    if name in known:
        return known[name]
    hint = (
        " Tables are published when they are merged: `dropless lake merge TABLE` does so now." if store.folder else ""
    )
    raise DroplessError(f"The lake has no table {name!r}{nearest(name, known)}{hint}")


def nearest(name: str, known: Iterable[str]) -> str:
    """How a sentence about an unknown name goes on."""
    there = sorted(known)
    if close := get_close_matches(name, there, 3, 0.5):
        return f"; did you mean {' or '.join(repr(each) for each in close)}?"
    return f"; there are: {', '.join(there)}." if there else ": it has none yet."


def unreachable(store: Store) -> DroplessError:
    """What to say when nothing answers."""
    return DroplessError(f"The lake at {store.endpoint} does not answer: is it running, and is the address right?")


def _folders(store: Store, prefix: str, depth: int) -> Iterator[str]:
    client = store.client()
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=store.bucket, Prefix=prefix, Delimiter="/")
    below = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])]
    if f"{prefix}{_LOG}" in below:
        yield prefix.rstrip("/")
    elif depth:
        for each in below:
            # What begins with an underscore is the pipeline's own, such as the deletions that were merged.
            if each.startswith("_") or each == f"{names.PUBLIC_FOLDER}/":
                continue
            yield from _folders(store, each, depth - 1)
