"""How one unified column is made from a source's row: a few operations, the same on every engine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import Annotated, Any, Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    field_validator,
    model_validator,
)

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


def origins(value: object) -> tuple[str, ...]:
    """Where a value comes from: one column or path, or several of which a row's first is taken.

    Raises:
        Problem: it is no name, or a list that is no choice.
    """
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise Problem(f"is {value!r}; it must be a source column's name, or a list of names, the newest first")
    if len(value) < 2 or len(set(value)) < len(value):
        raise Problem(f"is {value!r}; a list names at least two different columns")
    return tuple(value)


def written_origins(value: tuple[str, ...]) -> str | list[str]:
    """The reverse of `origins`."""
    return value[0] if len(value) == 1 else list(value)


Literal = Annotated[Any, BeforeValidator(scalar)]
_Origins = Annotated[
    tuple[str, ...],
    BeforeValidator(origins, json_schema_input_type=str | list[str]),
    PlainSerializer(written_origins, when_used="unless-none"),
]


class Expression(BaseModel):
    """One column's origin: `from` a source column or a `constant`, and at most one operation on it.

    Of several columns in `from`, the first that a row has counts, even if it is null there. The conversion to the
    column's type is implied. `default` stands in for null and missing values; `optional` lets a table's rows lack the
    column.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=False,
        # The shorthand: a text alone is the source's column.
        json_schema_extra={"type": ["object", "string"]},
    )

    from_: _Origins | None = Field(default=None, alias="from")
    constant: Literal | None = None
    values: dict[str, Scalar] | None = None
    divide: Annotated[int, Field(strict=True, ge=2)] | None = None
    timezone: str | None = None
    default: Literal | None = None
    optional: Annotated[bool, Field(strict=True)] = False

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
    def _are_paths(cls, texts: tuple[str, ...] | None) -> tuple[str, ...] | None:
        depths = {len(split(text)) > 1 for text in texts or ()}
        if len(depths) > 1:
            raise Problem("mixes columns with fields inside of columns; it must list one or the other")
        return texts

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
        if self.optional and (self.constant is not None or self.default is not None):
            other = "constant" if self.constant is not None else "default"
            raise Problem(f"is not needed beside `{other}`, which fills every row", ("optional",))
        together = [name for name in used if name in ONE_OF]
        if len(together) > 1:
            raise Problem(f"has {listed(f'`{name}`' for name in together)}; it can have one of them", (together[1],))
        return self

    @cached_property
    def paths(self) -> tuple[tuple[str, ...], ...]:
        """Each a source column, then the fields inside it, of which a row's first counts; none for a constant."""
        return tuple(split(text) for text in self.from_ or ())

    @property
    def needed(self) -> tuple[str, ...]:
        """The source columns of which a table must have one; none where a row may lack them."""
        return () if self.optional or self.default is not None else tuple(path[0] for path in self.paths)
