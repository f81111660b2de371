"""Points in time and days as integers and text. Microseconds since 1970, UTC, unless said otherwise."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from dropless.union.outcome import Unmappable

FIRST: Final = -62_135_596_800_000_000
"""The first microsecond of year 1."""
LAST: Final = 253_402_300_799_999_999
"""The last microsecond of year 9999."""
DAY: Final = 86_400_000_000
OUT_OF_RANGE: Final = "is not a time in the years 1 to 9999"

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - arithmetic on microseconds, not a moment
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_TEXT = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?)(?:(\.\d{1,6})(\d*))?(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII)
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:T00:00(?::00(?:\.0+)?)?Z)?", re.ASCII)


def in_range(microseconds: int) -> int:
    """The same moment.

    Raises:
        Unmappable: its year is not in 1 to 9999; PostgreSQL's infinities are such numbers.
    """
    if FIRST <= microseconds <= LAST:
        return microseconds
    raise Unmappable(OUT_OF_RANGE)


def microseconds_of_text(text: str) -> int:
    """The moment in ISO 8601 text with its zone.

    Raises:
        Unmappable: it is not such a text, has no zone, is out of range, or finer than microseconds.
    """
    moment = _parsed(text)
    if moment.tzinfo is UTC:
        # Within the years 1 to 9999, as every datetime.
        return _since_epoch(moment - EPOCH)
    if moment.tzinfo is None:
        raise Unmappable("has no time zone; the contract must give it one with `timezone`")
    return in_range(_since_epoch(moment - EPOCH))


def local_microseconds_of_text(text: str) -> int:
    """The local time in ISO 8601 text without a zone, as if it were UTC.

    Raises:
        Unmappable: it is not such a text or has a zone of its own.
    """
    moment = _parsed(text)
    if moment.tzinfo is not None:
        raise Unmappable("has a time zone of its own; the contract must not give it one")
    return _since_epoch(moment - _EPOCH)


def offset_of_day(zone: ZoneInfo) -> Callable[[int], int | None]:
    """A function from a local day, counted from 1970, to its offset from UTC; None where the day has several.

    Of a time that a clock showed twice the first is meant, and one that it skipped is moved on by the skipped
    hour, as in java.time.
    """

    @lru_cache(maxsize=8192)
    def offset(day: int) -> int | None:
        first = _offset(zone, day * 86_400)
        return first if first == _offset(zone, day * 86_400 + 86_399) else None

    return offset


def _offset(zone: ZoneInfo, local_seconds: int) -> int:
    shift = (_EPOCH + timedelta(seconds=local_seconds)).replace(tzinfo=zone).utcoffset() or timedelta()
    return (shift.days * 86_400 + shift.seconds) * 1_000_000


def to_utc(zone: ZoneInfo) -> Callable[[int], int]:
    """A function from local time to UTC; see `offset_of_day` for times that a clock showed twice or never."""
    known_offset = offset_of_day(zone)

    def convert(local: int) -> int:
        # Most days have one offset; on the others each moment is looked up.
        known = known_offset(in_range(local) // DAY)
        return in_range(local - (_offset(zone, local // 1_000_000) if known is None else known))

    return convert


@lru_cache(maxsize=8192)
def date_of_days(days: int) -> str:
    """The ISO date so many days after 1970-01-01.

    Raises:
        Unmappable: its year is not in 1 to 9999.
    """
    ordinal = days + _EPOCH_DAY
    if not 1 <= ordinal <= date.max.toordinal():
        raise Unmappable("is not a day in the years 1 to 9999")
    return date.fromordinal(ordinal).isoformat()


def date_of_text(text: str) -> str:
    """The ISO date in text; a timestamp is one only at midnight UTC.

    Raises:
        Unmappable: it is not a date.
    """
    match = _DATE.fullmatch(text)
    if match is None:
        raise Unmappable("is not a date")
    try:
        return date.fromisoformat(match[1]).isoformat()
    except ValueError:
        raise Unmappable("is not a date of the calendar") from None


def date_of_moment(microseconds: int) -> str:
    """The ISO date of midnight UTC.

    Raises:
        Unmappable: it is another time of the day.
    """
    days, rest = divmod(microseconds, DAY)
    if rest:
        raise Unmappable("is a time of a day, not a date")
    return date_of_days(days)


def iso(microseconds: int) -> str:
    """ISO 8601 text in UTC, such as `2026-01-31T12:00:00.500000Z`; the fraction is left out when it is 0."""
    return (_EPOCH + timedelta(microseconds=in_range(microseconds))).isoformat() + "Z"


def _parsed(text: str) -> datetime:
    try:
        # As Debezium and Java write it; the pattern is only for the rest.
        if text[-1:] == "Z" and text[10:11] == "T" and len(text) <= len("2026-01-31T12:00:00.123456Z"):
            return datetime.fromisoformat(text)
        match = _TEXT.fullmatch(text)
        if match is None:
            raise Unmappable("is not a timestamp in the years 1 to 9999")
        clock, fraction, finer, zone = match.groups()
        if finer and finer.strip("0"):
            raise Unmappable("is finer than microseconds")
        return datetime.fromisoformat(f"{clock}{fraction}{zone or ''}" if finer else text)
    except ValueError:
        raise Unmappable("is not a timestamp of the calendar in the years 1 to 9999") from None


def _since_epoch(since: timedelta) -> int:
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
