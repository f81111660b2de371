"""What a system answers, reduced to what is managed: no difference that is only a way of writing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from dropless.plan import Json

# The property by which the items of a list of objects are recognised, so that a system may reorder them.
_IDENTITIES = ("name", "columnName", "topic")

# What systems show in place of a secret; nobody desires such a value.
_MASK = re.compile(r"\*{3,}|\[hidden\]|<hidden>|x{5,}", re.IGNORECASE)


def managed(desired: Json, found: Json) -> Json:
    """The found value with only the paths that `desired` names, its scalars in desired's types.

    Systems add defaults, reorder named items and answer numbers as strings; none of that is drift.
    """
    if isinstance(desired, Mapping) and isinstance(found, Mapping):
        return {name: managed(value, found[name]) for name, value in desired.items() if name in found}
    if isinstance(desired, list) and isinstance(found, list):
        return _managed_list(desired, found)
    return _as_typed(desired, unmasked(desired, found))


def unmasked(desired: Json, found: Json) -> Json:
    """The desired value where a system shows only a mask: what cannot be seen is taken to be right."""
    return desired if isinstance(found, str) and _MASK.fullmatch(found) else found


def _managed_list(desired: list[Json], found: list[Json]) -> list[Json]:
    identity = next((each for each in _IDENTITIES if _identified(desired, each) and _identified(found, each)), None)
    if identity is None:
        same_length = len(desired) == len(found)
        return [managed(a, b) for a, b in zip(desired, found, strict=True)] if same_length else found
    by_name = {item[identity]: item for item in found}
    return [managed(item, by_name[item[identity]]) for item in desired if item[identity] in by_name]


def _identified(items: Sequence[Json], identity: str) -> bool:
    names = [item[identity] for item in items if isinstance(item, Mapping) and identity in item]
    return len(names) == len(items) == len(set(map(str, names)))


def _as_typed(desired: Json, found: Json) -> Json:
    if isinstance(found, (Mapping, list)) or found is None or type(found) is type(desired):
        return found
    text = str(found).lower() if isinstance(found, bool) else str(found)
    try:
        match desired:
            case bool():
                return {"true": True, "false": False}.get(text.lower(), found)
            case int():
                return int(text)
            case float():
                return float(text)
            case str():
                return text
    except ValueError:
        return found
    return found
