"""What the header of a curated dataset may say."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from dropless.contract.identifiers import check_name
from dropless.contract.problems import Problem

Name = Annotated[str, AfterValidator(check_name)]


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Model(BaseModel):
    """Frozen, and closed: an unknown key is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(Model):
    """What a column of the result means, and which columns (`orders.amount`) it is made of."""

    description: str
    of: tuple[str, ...] = ()


class Partition(Model):
    """By which time of which table the result is cut, so that only the parts are built anew whose rows changed."""

    column: str
    by: Literal["day", "month", "year"] = "month"


class Check(Model):
    """What must be true of the result: no two rows alike in some columns, no row like this, at least so many rows."""

    name: Name
    unique: tuple[str, ...] = ()
    none: str = ""
    at_least: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(map(bool, (self.unique, self.none, self.at_least))) != 1:
            raise Problem(f"{self.name!r} must have exactly one of `unique`, `none` and `at_least`")
        return self

    @property
    def sentence(self) -> str:
        """The promise in words."""
        if self.unique:
            return f"No two rows are alike in {', '.join(self.unique)}."
        return f"No row has {self.none}." if self.none else f"There are at least {self.at_least} rows."


class Plot(Model):
    """The picture that Dagster shows of the result: lines or bars over `x`, of one column by another, or of several."""

    kind: Literal["line", "bar"]
    x: str
    y: Annotated[tuple[str, ...], BeforeValidator(_several)] = ()
    """Columns of numbers; without any, rows are counted."""
    by: str | None = None
    """A line or bar for each value of this column."""
    aggregate: Literal["sum", "mean", "min", "max"] = "sum"
    """What is made of `y` where several rows have the same place in the picture."""

    @model_validator(mode="after")
    def _one_way_of_telling_apart(self) -> Self:
        if self.by is not None and len(self.y) > 1:
            raise Problem("is one column too many: the several of `y` are told apart already", ("by",))
        if not self.y and self.aggregate != "sum":
            raise Problem(f"is {self.aggregate!r} of nothing: name `y`, or leave it out to count rows", ("aggregate",))
        return self

    def columns(self) -> dict[tuple[str | int, ...], str]:
        """The columns of the result that it names, by where it does."""
        several = len(self.y) > 1
        named: dict[tuple[str | int, ...], str] = {("x",): self.x}
        named |= {("y", number) if several else ("y",): name for number, name in enumerate(self.y)}
        return named if self.by is None else named | {("by",): self.by}


class Header(Model):
    """What the comment at the beginning says."""

    description: str = Field(min_length=1)
    owner: str | None = None
    tables: tuple[str, ...] = Field(min_length=1)
    """The lake tables that it reads: the contract's current state, its changes, or both."""
    partition: Partition | None = None
    schedule: str | None = None
    """A cron line (UTC); without one it is built after each merge of what it reads."""
    columns: dict[str, Column] = {}
    checks: tuple[Check, ...] = ()
    plot: Plot | None = None
