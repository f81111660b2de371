"""The types that a unified column may have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import BeforeValidator, Field, PlainSerializer

from dropless.contract.problems import Problem, did_you_mean

MAX_PRECISION: Final = 38
"""What Delta, Arrow and Parquet hold in 128 bits."""

_DECIMAL = re.compile(r"decimal\s*\(\s*(\d{1,4})\s*,\s*(\d{1,4})\s*\)")


class Kind(StrEnum):
    """A column type without its parameters."""

    STRING = "string"
    INT = "int"
    LONG = "long"
    DOUBLE = "double"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    DATE = "date"
    JSON = "json"


@dataclass(frozen=True)
class ColumnType:
    """A column's type; precision and scale are 0 unless it is a decimal."""

    kind: Kind
    precision: int = 0
    scale: int = 0

    @classmethod
    def parse(cls, text: object) -> Self:
        """The type written in a contract, such as `long` or `decimal(18,2)`.

        Raises:
            Problem: there is no such type.
        """
        if isinstance(text, cls):
            return text
        if not isinstance(text, str):
            raise Problem(f"must be one of {_known()}, not {text!r}")
        if match := _DECIMAL.fullmatch(text):
            return cls._decimal(int(match[1]), int(match[2]))
        if text.strip().startswith(Kind.DECIMAL):
            raise Problem(f"is {text!r}; a decimal needs its precision and scale, such as decimal(18,2)")
        if text not in set(Kind):
            raise Problem(f"is {text!r}, which is not a type{did_you_mean(text, Kind)}; the types are {_known()}")
        return cls(Kind(text))

    @classmethod
    def _decimal(cls, precision: int, scale: int) -> Self:
        if not 1 <= precision <= MAX_PRECISION:
            raise Problem(f"has {precision} digits; a decimal holds 1 to {MAX_PRECISION}")
        if scale > precision:
            raise Problem(f"has {scale} digits after the point but only {precision} in all")
        return cls(Kind.DECIMAL, precision, scale)

    def __str__(self) -> str:
        if self.kind is Kind.DECIMAL:
            return f"decimal({self.precision},{self.scale})"
        return self.kind.value


def _known() -> str:
    return ", ".join("decimal(p,s)" if kind is Kind.DECIMAL else kind.value for kind in Kind)


_PLAIN = "|".join(kind for kind in Kind if kind is not Kind.DECIMAL)
_WRITTEN = Annotated[str, Field(pattern=rf"^({_PLAIN}|{_DECIMAL.pattern})$")]
ContractType = Annotated[
    ColumnType, BeforeValidator(ColumnType.parse, json_schema_input_type=_WRITTEN), PlainSerializer(str)
]
"""A `ColumnType` as a field of a pydantic model."""
