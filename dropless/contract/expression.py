"""How one unified column is made from a source's row: a few operations, the same on every engine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import Annotated, Any, Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from dropless.contract.identifiers import split
from dropless.contract.problems import Problem, listed

Scalar = str | int | float | bool
ONE_OF: Final = ("values", "divide", "timezone")


def scalar(value: object) -> Scalar:
    """A literal of a contract; YAML's dates become their text.

    Raises:
        Problem: it is a list, an object or nothing.
    """
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str | int | float):
        return value
    raise Problem(f"is {value!r}; it must be a single text, number or boolean")


def as_text(value: Scalar) -> str:
    """A literal as the text by which a source's value is looked up: `true`, `7`, `paid`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


Literal = Annotated[Any, BeforeValidator(scalar)]


class Expression(BaseModel):
    """One column's origin: `from` a source column or a `constant`, and at most one operation on it.

    The conversion to the column's type is implied. `default` stands in for null and missing values.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=False,
        # The shorthand: a text alone is the source's column.
        json_schema_extra={"type": ["object", "string"]},
    )

    from_: str | None = Field(default=None, alias="from")
    constant: Literal | None = None
    values: dict[str, Scalar] | None = None
    divide: Annotated[int, Field(strict=True, ge=2)] | None = None
    timezone: str | None = None
    default: Literal | None = None

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: object) -> object:
        if isinstance(value, str):
            return {"from": value}
        if isinstance(value, Mapping):
            for operation, argument in value.items():
                if argument is None:
                    raise Problem("is empty; leave it out, or leave out the column to fill it with null", (operation,))
            return value
        if isinstance(value, Expression):
            return value
        raise Problem(
            f"is {value!r}; it must be a source column's name or an object such as {{from: total, divide: 100}}"
        )

    @field_validator("from_")
    @classmethod
    def _is_path(cls, text: str) -> str:
        split(text)
        return text

    @field_validator("values", mode="before")
    @classmethod
    def _texts_to_literals(cls, values: object) -> dict[str, Scalar]:
        if not isinstance(values, Mapping) or not values:
            raise Problem(f"is {values!r}; it must map the source's values, such as {{P: paid}}")
        texts: dict[str, Scalar] = {}
        for key, value in values.items():
            if isinstance(key, float) or not isinstance(key, str | int):
                raise Problem(f"has the source value {key!r}; write it in quotes")
            if as_text(key) in texts:
                raise Problem(f"has the source value {as_text(key)!r} twice")
            texts[as_text(key)] = scalar(value)
        return texts

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise Problem(f"is {name!r}, which is not an IANA time zone such as Europe/Berlin") from None
        return name

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        used = [name for name in (*ONE_OF, "default") if getattr(self, name) is not None]
        if self.from_ is not None and self.constant is not None:
            raise Problem("has both `from` and `constant`; it must have one of them")
        if self.from_ is None and self.constant is None:
            raise Problem("needs `from`, the source's column, or `constant`, a value for every row")
        if self.constant is not None and used:
            raise Problem(f"has a `constant`, so `{used[0]}` has nothing to work on", (used[0],))
        together = [name for name in used if name in ONE_OF]
        if len(together) > 1:
            raise Problem(f"has {listed(f'`{name}`' for name in together)}; it can have one of them", (together[1],))
        return self

    @cached_property
    def path(self) -> tuple[str, ...]:
        """The source column, then the fields inside it; empty for a constant."""
        return split(self.from_) if self.from_ is not None else ()
