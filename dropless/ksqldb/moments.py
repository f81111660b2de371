"""Points in time and days, as ksqlDB's functions of milliseconds make them. Microseconds since 1970, UTC.

STRINGTOTIMESTAMP applies a text's date before its time of day: at the midnight of a local time that comes twice it
would take the second of the two, the worker takes the first. Zones in which midnight ever came twice are refused.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from dropless.ksqldb import sql
from dropless.ksqldb.fields import OTHER, TEXT, Field
from dropless.ksqldb.patterns import (
    CLOCK,
    DATE,
    DAYS,
    END,
    INNER_YEARS,
    MICROSECONDS,
    MIDNIGHT,
    MILLISECONDS,
    OFFSET,
    SINCE_1970,
    SPACE,
    up_to,
    wrapped,
)
from dropless.ksqldb.shape import Shape
from dropless.union.moments import DAY, LAST

_FORMAT: Final = "'yyyy-MM-dd HH:mm:ss'"
_ZONE_NAME: Final = re.compile(r"UTC|[A-Z][A-Za-z_]+(/[A-Za-z][A-Za-z0-9_+-]*)+")
_LAST_YEAR: Final = 2090
"""No zone has rules of its own for a later year."""
_NUMBER: Final = f"^-?[0-9]+{END}"
_LONG: Final = wrapped("numberLong", MILLISECONDS)
_QUOTED: Final = r'"([^"]*)"'
_LONG_MIDNIGHT: Final = r"T00:00:00(?:\.0{1,6}0*)?Z"
_DAY_MS: Final = DAY // 1000


def unfit_zone(name: str) -> str | None:
    """Why ksqlDB would give other times in a zone than the worker; None for nearly all zones."""
    if not _ZONE_NAME.fullmatch(name):
        return f"its time zone {name!r} may be unknown to Java; name one as Area/Place"
    if day := _twofold_midnight(name):
        return f"in its time zone {name} midnight came twice ({day}), and ksqlDB would take the second one"
    return None


@cache
def _twofold_midnight(name: str) -> str | None:
    zone, day = ZoneInfo(name), datetime(1970, 1, 1)  # noqa: DTZ001 - a clock's own time
    while day.year <= _LAST_YEAR:
        first, second = (day.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1))
        if first > second:
            return day.date().isoformat()
        day += timedelta(days=1)
    return None


def timestamp(field: Field, zone: str | None, *, mongodb: bool) -> Shape:
    """A point in time as microseconds; a local time of a zone only since 1970, before which zones are not the same."""
    if zone:
        return _local(field, zone)
    moment = f"(?:{DATE}{CLOCK}Z|{INNER_YEARS}{DATE}{CLOCK}{OFFSET})"
    if not mongodb:
        plain = (sql.found(_NUMBER, field.text), f"CAST({field.text} AS BIGINT)")
        taken = f"{OTHER}{MICROSECONDS}|{TEXT}{moment}"
        return Shape(taken, sql.case(plain, otherwise=_moment(field.text)))
    dated = [_dated(f'"{moment}"'), _dated(MILLISECONDS), _dated(_LONG)]
    taken = "|".join([f"{TEXT}{moment}", *(f"{OTHER}{each}" for each in dated)])
    milliseconds = _milliseconds(field)
    plain = (f"{milliseconds} IS NOT NULL", f"CAST({milliseconds} AS BIGINT) * 1000")
    return Shape(taken, sql.case(plain, otherwise=_moment(_dated_text(field))))


def date(field: Field, *, mongodb: bool) -> Shape:
    """A day as ISO text; of a point in time only midnight UTC is one."""
    day = f"{DATE}(?:{MIDNIGHT})?"
    if not mongodb:
        milliseconds = f"CAST({field.text} AS BIGINT) * {_DAY_MS}"
        plain = (sql.found(_NUMBER, field.text), _day_of(milliseconds))
        return Shape(f"{OTHER}{DAYS}|{TEXT}{day}", sql.case(plain, otherwise=f"SUBSTRING({field.text}, 1, 10)"))
    dated = [_dated(f'"{DATE}{_LONG_MIDNIGHT}"'), _dated(MILLISECONDS), _dated(_LONG)]
    taken = "|".join([f"{TEXT}{day}", *(f"{OTHER}{each}" for each in dated)])
    milliseconds = _milliseconds(field)
    number = f"CAST({milliseconds} AS BIGINT)"
    of_day = f"{milliseconds} IS NOT NULL AND {number} / {_DAY_MS} * {_DAY_MS} <> {number}"
    plain = (f"{milliseconds} IS NOT NULL", _day_of(number))
    return Shape(taken, sql.case(plain, otherwise=f"SUBSTRING({_dated_text(field)}, 1, 10)"), (of_day,))


def _local(field: Field, zone: str) -> Shape:
    micros = f"CAST({field.text} AS BIGINT)"
    clock = f"TIMESTAMPTOSTRING({micros} / 1000, {_FORMAT}, 'UTC')"
    of_number = f"{_seconds(clock, zone)} + {micros} - {micros} / 1000000 * 1000000"
    of_text = f"{_seconds(_clock(field.text), zone)} + {_fraction(field.text)}"
    # The last days are left out: an offset could lead out of the year 9999.
    taken = f"{OTHER}{up_to(LAST - 2 * DAY)}|{TEXT}{SINCE_1970}{DATE}{CLOCK}"
    return Shape(taken, sql.case((sql.found(_NUMBER, field.text), of_number), otherwise=of_text))


def _dated(inner: str) -> str:
    return rf'\{{{SPACE}"\$date"{SPACE}:{SPACE}(?:{inner}){SPACE}\}}'


def _dated_text(field: Field) -> str:
    """A text in $date, or the text alone."""
    return f"COALESCE({sql.extract('^' + _dated(_QUOTED) + END, field.text, 1)}, {field.text})"


def _milliseconds(field: Field) -> str:
    """The number in $date, as text; NULL where there is none."""
    return sql.extract(rf'^\{{{SPACE}"\$date"[^-0-9]*(-?[0-9]+)"?[ \t\r\n}}]*{END}', field.text, 1)


def _day_of(milliseconds: str) -> str:
    return f"TIMESTAMPTOSTRING({milliseconds}, 'yyyy-MM-dd', 'UTC')"


def _moment(text: str) -> str:
    """The microseconds of ISO text with its zone; Z is an offset of nothing."""
    sign, hours, minutes = (sql.extract(f"([+-])([0-9]{{2}}):?([0-9]{{2}})?{END}", text, group) for group in (1, 2, 3))
    behind = (
        f"CAST({sign} + {hours} AS BIGINT) * 3600000000 + CAST({sign} + COALESCE({minutes}, '00') AS BIGINT) * 60000000"
    )
    # Not every text has an offset, and NULL in a sum is an error.
    offset = sql.case((sql.found(f"Z{END}", text), sql.typed(0, "BIGINT")), otherwise=behind)
    return f"{_seconds(_clock(text), 'UTC')} + {_fraction(text)} - ({offset})"


def _clock(text: str) -> str:
    return f"SUBSTRING({text}, 1, 10) + ' ' + SUBSTRING({text}, 12, 8)"


def _seconds(clock: str, zone: str) -> str:
    """The microseconds of a clock's date and time of day in a zone, whole seconds."""
    return f"STRINGTOTIMESTAMP({clock}, {_FORMAT}, {sql.literal(zone)}) * 1000"


def _fraction(text: str) -> str:
    return f"CAST(RPAD(COALESCE({sql.extract('[.]([0-9]{1,6})', text, 1)}, ''), 6, '0') AS BIGINT)"
