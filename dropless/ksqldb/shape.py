"""What a column takes, and what it makes of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """`taken` is a pattern of the tagged values that can be converted, `value` the SQL that converts one of them."""

    taken: str
    value: str
    unless: tuple[str, ...] = ()
    """Conditions under which a taken value cannot be converted after all."""
    null_is_text: bool = False
    """Whether the text "null" may be taken, so that null has to be told from it."""
