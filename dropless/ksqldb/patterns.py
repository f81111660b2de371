r"""Regular expressions that say which texts are taken, in what Java's and Python's have in common.

One exception is `\x{...}`, a character by its number, which is Java's alone. All decisions are made by patterns:
a function that fails in a WHERE makes it false, in the query of the rows and in that of the dead letters alike, and
the record would be in neither topic.
"""

from __future__ import annotations

import re
from typing import Final

from dropless.contract.literals import LONG_RANGE
from dropless.union.moments import FIRST, LAST

END: Final = r"(?![\s\S])"
"""The end of the text; Java's `$` also matches before a last line break."""
SPACE: Final = r"\s*"
"""What may stand between the parts of valid JSON."""
OBJECT: Final = rf"^{SPACE}\{{"
"""JSON text, known to be valid, is an object."""
FILLED_OBJECT: Final = rf'^{SPACE}\{{{SPACE}"'
"""... which is not empty."""
CLEAN: Final = r"[^\x{0}\x{D800}-\x{DFFF}]"
"""A character that a row may hold: no NUL, at which Pinot would cut, and no half of a surrogate pair."""
REPLACEMENT: Final = r"\x{FFFD}"
"""What a byte that is no UTF-8 is read as."""

_SYNTAX = re.compile(r"([!-/:-@\[-^`{-~])")


def exactly(text: str) -> str:
    """A pattern of this very text."""
    return _SYNTAX.sub(r"\\\1", text)


def up_to(limit: int) -> str:
    """A pattern of the whole numbers from 0 to a limit, without leading zeros."""
    digits = str(limit)
    if len(digits) == 1:
        return f"[0-{digits}]"
    shorter = ["0", f"[1-9][0-9]{{0,{len(digits) - 2}}}"]
    # Nines at the end limit nothing.
    bound = digits.rstrip("9")
    free = len(digits) - len(bound)
    below = []
    for place, digit in enumerate(bound):
        lowest = 1 if place == 0 else 0
        if int(digit) > lowest:
            here = f"[{lowest}-{int(digit) - 1}]" if int(digit) > lowest + 1 else str(lowest)
            below.append(bound[:place] + here + _digits(len(digits) - place - 1))
    return f"(?:{'|'.join([*shorter, *below, bound + _digits(free)])})"


def _digits(count: int) -> str:
    return f"[0-9]{{{count}}}" if count else ""


def between(low: int, high: int, *, written: bool = False) -> str:
    """A pattern of the whole numbers from `low`, which is negative, to `high`; -0 is one.

    With `written` also as a person may have written them in a text: with a plus, or with leading zeros.
    """
    plus, zeros = ("[+]?", "0*") if written else ("", "")
    return f"(?:{plus}{zeros}{up_to(high)}|-{zeros}{up_to(-low)})"


def long(*, written: bool = False) -> str:
    """A pattern of 64-bit numbers: of those beyond 9.2 x 10^18 only the last on either side, to keep it short."""
    plus, zeros = ("[+]?", "0*") if written else ("", "")
    most = "0|[1-9][0-9]{0,17}|[1-8][0-9]{18}|9[01][0-9]{17}"
    low, high = LONG_RANGE
    return f"(?:{plus}{zeros}(?:{most}|{high})|-{zeros}(?:{most}|{-low}))"


LONG: Final = long()
MICROSECONDS: Final = between(FIRST, LAST)
MILLISECONDS: Final = between(FIRST // 1000, LAST // 1000)
DAYS: Final = between(-719_162, 2_932_896)
"""Since 1970, in the years 1 to 9999."""

# More digits may be more than a double holds, in which the worker gets every JSON number with a fraction.
SHORT_FRACTION: Final = rf"(?=-?[0-9.]{{1,16}}{END})-?[0-9]+\.[0-9]+"
SHORT_WHOLE: Final = r"-?[0-9]{1,15}\.0+"

_YEAR = r"(?!0000)[0-9]{4}"
_LEAP = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"


def _date(year: str, leap: str) -> str:
    long_months, short_months = "(?:0[13578]|1[02])", "(?:0[469]|11)"
    return (
        rf"(?:{year}-(?:{long_months}-(?:0[1-9]|[12][0-9]|3[01])|{short_months}-(?:0[1-9]|[12][0-9]|30)"
        rf"|02-(?:0[1-9]|1[0-9]|2[0-8]))|(?!0000){leap}-02-29)"
    )


DATE: Final = _date(_YEAR, _LEAP)
"""A day of the calendar in the years 1 to 9999."""
CLOCK: Final = r"[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6}0*)?"
OFFSET: Final = r"[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?"
INNER_YEARS: Final = r"(?!0001|9999)"
"""Before a date: years in which no offset leads out of 1 to 9999."""
SINCE_1970: Final = r"(?!0|1[0-8]|19[0-6]|9999)"
"""Before a date: years in which Java's time zones and ours are the same."""
MIDNIGHT: Final = r"T00:00(?::00(?:\.0+)?)?Z"


def keyed(field: str, value: str) -> str:
    """A pattern that finds a field of JSON text with a value that begins so.

    A quote within a JSON string has a backslash before it, so what is found is always a key; but it may be that of an
    object further inside.
    """
    return rf'"{exactly(field)}"{SPACE}:{SPACE}{value}'


def wrapped(wrappers: str, inner: str) -> str:
    """A pattern of extended JSON's value in one of these wrappers, such as `oid|uuid`, around a text."""
    return rf'\{{{SPACE}"\$(?:{wrappers})"{SPACE}:{SPACE}"{inner}"{SPACE}\}}'


TEXTS: Final = "oid|numberDecimal|uuid|symbol"
"""Wrappers whose text counts as if it stood alone."""
WHOLE: Final = "numberLong|numberInt"
SIMPLE: Final = r'[^"\\]*'
"""What a JSON text holds that has no escapes."""
BINARY: Final = (
    rf'\{{{SPACE}"\$binary"{SPACE}:{SPACE}\{{{SPACE}"base64"{SPACE}:{SPACE}"[A-Za-z0-9+/=]*"'
    rf'{SPACE},{SPACE}"subType"{SPACE}:{SPACE}"[0-9a-f]{{1,2}}"{SPACE}\}}{SPACE}\}}'
)
INSIDE: Final = rf'\{{[^:]*:{SPACE}(?:\{{[^:]*:{SPACE})?"([^"]*)"'
"""Finds the text in any of these wrappers, of a value that is known to be one."""
