"""What an order may hold: the usual, and on demand at times what breaks pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from random import Random
from typing import Any, Final

_CURRENCIES: Final = ("EUR", "EUR", "EUR", "CHF", "GBP", "PLN", "JPY")
_WORDS: Final = (
    "blau",
    "rot",
    "Größe",
    "café",
    "日本語",
    "Ελληνικά",
    "עברית",
    "emoji 🛒📦",
    "e\u0301 combined",
    "a'quote",
    'a "double"',
    "back\\slash",
    "tab\there",
    "line\nbreak",
    "\u2028separator",
    "${dir:x}",
    "%s {}",
    "null",
    "",
    " padded ",
)
_FIRST_DAY: Final = date(2024, 1, 1)
_ODD_DAYS: Final = (date(1970, 1, 1), date(1969, 12, 31), date(2028, 2, 29), date(1900, 1, 1))

# What a sum over an ordinary shop's orders survives, and what it does not.
_GAPS: Final[dict[str, Sequence[int | None]]] = {
    "amount_cents": (0, 1),
    "items": (None,),
    "points": (None, 0),
    "weight_g": (None,),
}
_EDGES: Final[dict[str, Sequence[int | None]]] = {
    "amount_cents": (0, -1999, 999_999_999_999_999_999, 1),
    "items": (None, 0, 32_767),
    "points": (None, None, 0, -7, 2**53 + 1, 2**63 - 1),
    "weight_g": (None, 0, 2**31 - 1),
}


def random_fields(pick: Random, *, odd: bool = False) -> dict[str, Any]:
    """Every field of an order but its status: money in cents, weight in grams, None where unknown.

    Odd ones have, one time in ten, a value at the edge of its type.
    """
    edges = _EDGES if odd else _GAPS
    return {
        "customer": pick.randint(1, 50_000),
        "name": f"{pick.choice(_WORDS)} {pick.choice(_WORDS)}",
        "amount_cents": _rarely(pick, pick.randint(99, 80_000), edges["amount_cents"]),
        "currency": pick.choice(_CURRENCIES),
        "items": _rarely(pick, pick.randint(1, 12), edges["items"]),
        "points": _rarely(pick, pick.randint(0, 5_000), edges["points"]),
        "weight_g": _rarely(pick, pick.randint(1, 40_000), edges["weight_g"]),
        "gift": pick.choice((True, False, False, None)),
        "promised": _promised(pick),
        "details": _details(pick),
    }


def _rarely(pick: Random, usual: int, edges: Sequence[int | None]) -> int | None:
    return pick.choice(edges) if pick.random() < 0.1 else usual


def _promised(pick: Random) -> date | None:
    dice = pick.random()
    if dice < 0.15:
        return None
    if dice < 0.17:
        return pick.choice(_ODD_DAYS)
    return _FIRST_DAY + timedelta(days=pick.randrange(2000))


def _details(pick: Random) -> dict[str, Any] | None:
    dice = pick.random()
    if dice < 0.2:
        return None
    if dice < 0.25:
        return {}
    details: dict[str, Any] = {
        "note": pick.choice(_WORDS),
        "ümläut": pick.random() < 0.5,
        "rating": pick.randint(-5, 5),
        "ratio": pick.randint(1, 999) / 8,
        "tags": pick.choices(_WORDS, k=pick.randrange(4)),
        "address": {"city": pick.choice(_WORDS), "zip": None, "geo": {"lat": pick.randint(-720, 720) / 8}},
    }
    if dice > 0.995:
        # Beyond 2 kB PostgreSQL stores a value out of line, where an unchanged one is easily lost.
        details["blob"] = "".join(pick.choices("abcdefghijklmnopqrstuvwxyzäöü0123456789", k=pick.randint(3_000, 9_000)))
    return details
