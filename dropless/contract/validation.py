"""From what pydantic finds to one sentence for a person."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dropless.contract.problems import Path, Problem, describe, did_you_mean, listed, printable
from dropless.errors import ContractError

ModelType = TypeVar("ModelType", bound=BaseModel)
Where = Callable[[Path], str]
"""Gives the prefix of a sentence, such as `defs/orders/defs.yaml:12: `, for a place in the attributes."""


def validated(
    model: type[ModelType],
    attributes: object,
    where: Where = lambda _: "",
    start: Path = (),
    whole: str = "the contract",
) -> ModelType:
    """The attributes as a model; `whole` is what they are called in a sentence.

    Raises:
        ContractError: one sentence on the first thing that is wrong.
    """
    if not isinstance(attributes, Mapping):
        raise ContractError(f"{where(start)}`attributes` must be an object that describes a unified table.")
    try:
        return model.model_validate(attributes)
    except ValidationError as errors:
        first = errors.errors(include_url=False)[0]
        path, sentence = _sentence(first, model, attributes, whole)
        raise ContractError(f"{where((*start, *path))}{sentence}") from None


def told(problem: Problem, attributes: object, where: Where, whole: str = "the contract") -> ContractError:
    """A problem that was found outside the model, as what its reader is told."""
    place = describe(problem.path, attributes, whole)
    return ContractError(f"{where(problem.path)}{_capital(f'{place} {problem.message}.')}")


def _sentence(error: ErrorDetails, model: type[BaseModel], attributes: object, whole: str) -> tuple[Path, str]:
    path = tuple(step for step in error["loc"])
    cause = (error.get("ctx") or {}).get("error")
    if isinstance(cause, Problem):
        path = (*path, *cause.path)
        return path, _capital(f"{describe(path, attributes, whole)} {cause.message}.")
    value = error["input"]
    match error["type"]:
        case "missing":
            parent = path[:-1]
            return parent, _capital(f"{describe(parent, attributes, whole)} needs `{path[-1]}`.")
        case "extra_forbidden":
            parent, known = path[:-1], _keys(model, path[:-1])
            unknown = did_you_mean(str(path[-1]), known)
            place = describe(parent, attributes, whole)
            return path, _capital(f"{place} has no `{printable(path[-1])}`{unknown}; it has {listed(known)}.")
        case "string_pattern_mismatch":
            right = _PATTERNS.get(str(path[-1]), "written otherwise")
            return path, _capital(f"{describe(path, attributes, whole)} is {value!r}; it must be {right}.")
        case _:
            right = error["msg"].removeprefix("Input should be ").removeprefix("Input should have ")
            return path, _capital(f"{describe(path, attributes, whole)} is {_shown(value)}; it must be {right}.")


_PATTERNS = {
    "owner": "an e-mail address or team:<name>",
    "uri_env": "the name of an environment variable",
}


def _keys(model: type[BaseModel], path: Path) -> list[str]:
    """The keys of the model at a path, found by following the annotations."""
    here: Any = model
    for step in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            annotation = here.model_fields[str(step)].annotation
            # An index or a mapping's key comes next and leads to the element.
            here = annotation if get_origin(annotation) in {tuple, dict} else _model_in(annotation)
        else:
            here = _model_in(here)
    return [field.alias or name for name, field in here.model_fields.items()]


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for argument in get_args(annotation) if (found := _model_in(argument))), None)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]
