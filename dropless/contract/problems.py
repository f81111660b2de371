"""What is wrong with a contract, and where in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

Path = tuple[str | int, ...]
"""A place in a contract's attributes: names of keys and indexes of list items."""


class Problem(ValueError):
    """One thing that is wrong.

    `message` continues the name of the place ("column 'amount', `type`" + "is 'money', which ...").
    `path` is relative to the validated model.
    """

    def __init__(self, message: str, path: Path = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


def did_you_mean(text: str, known: Iterable[str]) -> str:
    """The clause ` (did you mean 'x'?)` for the closest known name, or nothing."""
    close = get_close_matches(text, list(known), n=1, cutoff=0.6)
    return f" (did you mean {str(close[0])!r}?)" if close else ""


def listed(names: Iterable[object]) -> str:
    """Names as an enumeration for a sentence."""
    return ", ".join(printable(name) for name in names) or "none"


def printable(name: object) -> str:
    """A name as it is, unless it would break the line or hide something."""
    text = str(name)
    return text if text.isprintable() else repr(text)[1:-1]


def describe(path: Sequence[str | int], attributes: object, whole: str = "the contract") -> str:
    """A place in words: "source 'store', column 'amount', `divide`"; `whole` is what has no place."""
    words: list[str] = []
    here = attributes
    for index, step in enumerate(path):
        here = _child(here, step)
        parent = path[index - 1] if index else None
        if isinstance(step, int) and parent in {"columns", "sources"}:
            name = here.get("name") if isinstance(here, dict) else None
            kind = "column" if parent == "columns" else "source"
            words[-1] = f"{kind} {name!r}" if isinstance(name, str) else f"{kind} number {step + 1}"
        elif isinstance(step, int) and words:
            words[-1] += f" (item {step + 1})"
        elif parent == "columns" and index > 1:
            words[-1] = f"column {step!r}"
        else:
            words.append(f"`{printable(step)}`")
    return ", ".join(words) or whole


def _child(value: object, step: str | int) -> object:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list | tuple) and isinstance(step, int) and step < len(value):
        return value[step]
    return None
