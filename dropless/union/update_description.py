"""A document after an update, from the document before it and MongoDB's description of the update.

Needed where the server has no post-image to give: when the same transaction also deleted the document.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

import orjson

MAX_PADDING: Final = 1_500_000
"""How far past its end MongoDB lets an array grow at once."""

Document = dict[str, Any]


class Unusable(Exception):
    """The description does not fit the document."""


def updated(before: Document, description: Mapping[str, Any]) -> Document:
    """The document with the description's arrays cut, and its fields set and removed.

    The description is Debezium's: `updatedFields` is extended JSON text by dotted path, `removedFields`
    a list of paths, `truncatedArrays` a list of fields with their new sizes.

    Raises:
        Unusable: it is not such a description, or a path leads to nowhere in the document.
    """
    after = deepcopy(before)
    try:
        for cut in description.get("truncatedArrays") or ():
            holder, name = _place(after, cut["field"])
            del holder[name][cut["size"] if "size" in cut else cut["newSize"] :]
        for path, value in orjson.loads(description.get("updatedFields") or "{}").items():
            _set(*_place(after, path, make=True), value)
        for path in description.get("removedFields") or ():
            _remove(*_place(after, path))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError):
        raise Unusable from None
    return after


def _place(here: Any, path: str, *, make: bool = False) -> tuple[Any, Any]:
    """The object or array that holds the last step of a path, and that step as a key or an index."""
    while True:
        if isinstance(here, dict):
            # A field's own name may hold dots.
            if path in here or "." not in path:
                return here, path
            step, _, path = path.partition(".")
            here = here.setdefault(step, {}) if make else here[step]
        elif isinstance(here, list):
            step, inside, rest = path.partition(".")
            if not step.isdecimal():
                raise Unusable
            if not inside:
                return here, int(step)
            here, path = here[int(step)], rest
        else:
            raise Unusable


def _set(holder: Any, name: Any, value: Any) -> None:
    if isinstance(holder, list):
        missing = name + 1 - len(holder)
        if missing > MAX_PADDING:
            raise Unusable
        holder.extend([None] * missing)
    holder[name] = value


def _remove(holder: Any, name: Any) -> None:
    # An array keeps its length: its element becomes null.
    if isinstance(holder, dict):
        holder.pop(name, None)
    else:
        holder[name] = None
