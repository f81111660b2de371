"""Contracts from their folders."""

from __future__ import annotations

from difflib import SequenceMatcher
from pathlib import Path
from typing import Final

from dropless.contract.checks import check_together
from dropless.contract.model import Contract
from dropless.contract.positions import Document, read
from dropless.contract.problems import Problem, did_you_mean, printable
from dropless.contract.validation import validated
from dropless.errors import ContractError

COMPONENT: Final = "pipeline_assets.components.UnifiedTable"
FILE: Final = "defs.yaml"
# What Dagster knows beside them in a component's instance file.
_KEYS = ("type", "attributes", "requirements", "post_processing")


def parse_contract(path: Path) -> Contract:
    """The contract in one `defs.yaml`.

    Raises:
        ContractError: one sentence with file and line.
    """
    document = read(path)
    if not _is_unified_table(document):
        found = document.value.get("type") if isinstance(document.value, dict) else None
        raise ContractError(f"{document.where(('type',))}`type` is {found!r}; it must be {COMPONENT}.")
    return _contract(document)


def load_contracts(folder: Path) -> list[Contract]:
    """Every unified table declared under the folder, by name; other components are left alone.

    Raises:
        ContractError: one sentence with file and line.
    """
    return [contract for contract, _ in load_folders(folder)]


def load_folders(folder: Path) -> list[tuple[Contract, Path]]:
    """The same, each with the folder that it lies in.

    Raises:
        ContractError: one sentence with file and line.
    """
    if not folder.is_dir():
        raise ContractError(f"{folder} is not a folder; it must hold one folder with a {FILE} per unified table.")
    documents = [read(path) for path in sorted(folder.rglob(FILE))]
    found = [(_contract(each), each.file) for each in documents if _is_unified_table(each)]
    try:
        check_together([(str(path), contract) for contract, path in found])
    except Problem as problem:
        raise ContractError(problem.message) from None
    return sorted(((contract, path.parent) for contract, path in found), key=lambda each: each[0].name)


def declaration_of(folder: Path, table: str) -> Path:
    """The file under the folder that declares a unified table.

    Raises:
        ContractError: a declaration is wrong, or none is of that table.
    """
    for path in sorted(folder.rglob(FILE)):
        document = read(path)
        if _is_unified_table(document) and _contract(document).name == table:
            return path
    raise ContractError(f"No contract in {folder} declares a table {table!r}.")


def _is_unified_table(document: Document) -> bool:
    value = document.value
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise ContractError(f"{document.where(())}The file must have `type: {COMPONENT}` and `attributes:`.")
    kind = value["type"]
    if kind != COMPONENT and SequenceMatcher(None, kind.lower(), COMPONENT.lower()).ratio() > 0.9:
        raise ContractError(f"{document.where(('type',))}`type` is {kind!r}; did you mean {COMPONENT}?")
    return bool(kind == COMPONENT)


def _contract(document: Document) -> Contract:
    for key in document.value:
        if key not in _KEYS:
            guess = did_you_mean(str(key), _KEYS)
            raise ContractError(
                f"{document.where((key,))}`{printable(key)}` does not belong here{guess}; "
                "a contract has `type` and `attributes`."
            )
    return validated(Contract, document.value.get("attributes"), document.where, ("attributes",))
