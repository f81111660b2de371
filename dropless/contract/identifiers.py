"""Names: ours, which become parts of topics, slots, files and SQL, and those of the sources."""

from __future__ import annotations

import re
from typing import Final

from dropless.contract.problems import Problem

MAX_LENGTH: Final = 40
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PART = re.compile(r'"((?:[^"]|"")+)"|([^."]+)')


def check_name(name: str) -> str:
    """The name itself, when it is safe in topic, slot, file and SQL names.

    Raises:
        Problem: it is not.
    """
    if name.startswith("_"):
        raise Problem(f"is {name!r}; names with a leading underscore are reserved for system columns")
    if not _NAME.fullmatch(name):
        raise Problem(f"is {name!r}; a name is a lower-case letter, then lower-case letters, digits and underscores")
    if len(name) > MAX_LENGTH:
        raise Problem(f"has {len(name)} characters; a name has at most {MAX_LENGTH}")
    return name


def check_foreign(name: str) -> str:
    """A source's own name, which may hold almost anything that can be seen.

    Raises:
        Problem: it is empty, or holds a control character or `${`.
    """
    # Connect would take ${...} for a reference to a secret.
    if not name or _CONTROL.search(name) or "${" in name:
        raise Problem(f"is {name!r}; it must not be empty or hold control characters or ${{")
    return name


def split(text: str) -> tuple[str, ...]:
    """The parts of a dotted name or path; a part with a dot in it is written in double quotes.

    Raises:
        Problem: it is not dotted parts.
    """
    check_foreign(text)
    parts: list[str] = []
    position = 0
    while match := _PART.match(text, position):
        quoted, plain = match.groups()
        parts.append(quoted.replace('""', '"') if quoted else plain)
        position = match.end()
        if position == len(text):
            return tuple(parts)
        if text[position] != ".":
            break
        position += 1
    raise Problem(f"is {text!r}; it must be names joined by dots, with a name that holds a dot in double quotes")


def join(parts: tuple[str, ...]) -> str:
    """The dotted name of these parts, the reverse of `split`."""
    return ".".join('"' + part.replace('"', '""') + '"' if re.search(r'[."]', part) else part for part in parts)
