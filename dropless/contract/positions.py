"""YAML read safely, with the line of everything kept.

Only what means the same to every reader is accepted: no anchors, no tags, no duplicate keys, no
plain words that YAML 1.1 turns into something else (`no`, `0x1F`, `12:30`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from dropless.contract import problems
from dropless.errors import ContractError

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 20
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+([eE][-+]?[0-9]+)?")
_PREFIX = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Document:
    """A YAML document as plain values, and the line (from 1) on which each of them starts."""

    file: Path
    value: Any
    lines: dict[problems.Path, int]

    def where(self, path: problems.Path) -> str:
        """The prefix of a sentence about this place: `file:line: `."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.file}:{self.lines.get(path, 1)}: "


def read(file: Path) -> Document:
    """The one YAML document of a file.

    Raises:
        ContractError: it cannot be read, is not YAML, or uses what a contract must not.
    """
    try:
        data = file.read_bytes()
        if len(data) > MAX_BYTES:
            raise ContractError(f"{file}:1: The file has {len(data)} bytes; a contract has at most {MAX_BYTES}.")
        text = data.decode()
    except OSError as error:
        raise ContractError(f"{file}: The file cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ContractError(f"{file}:{line}: The file is not UTF-8 text.") from None
    return parse(file, text)


def parse(file: Path, text: str) -> Document:
    """The one YAML document of a text that stands at the beginning of a file.

    Raises:
        ContractError: it is not YAML, or uses what a contract must not.
    """
    try:
        _refuse_tricks(file, text)
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ContractError(_yaml_sentence(file, text, error)) from None
    except RecursionError:
        raise ContractError(f"{file}:1: The YAML is nested too deeply.") from None
    lines: dict[problems.Path, int] = {}
    value = None if node is None else _value(file, node, (), lines)
    return Document(file, value, lines)


def _refuse_tricks(file: Path, text: str) -> None:
    # On events, before anything is built, so that nothing can be expanded.
    depth = documents = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ContractError(f"{file}:{line}: Anchors and aliases (& and *) are not allowed; write the value out.")
        if tag := getattr(event, "tag", None):
            raise ContractError(f"{file}:{line}: The tag {tag!r} is not allowed; write a plain value.")
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise ContractError(f"{file}:{line}: A second document starts here; there must be one.")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ContractError(f"{file}:{line}: The YAML is nested more than {MAX_DEPTH} levels deep.")


def _yaml_sentence(file: Path, text: str, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        position = getattr(error, "position", None)
        line = text[:position].count("\n") + 1 if isinstance(position, int) else 1
        return f"{file}:{line}: The file holds a character that YAML does not allow."
    content = text.splitlines()[mark.line] if mark.line < len(text.splitlines()) else ""
    if "\t" in content[: len(content) - len(content.lstrip())]:
        return f"{file}:{mark.line + 1}: The line is indented with a tab; YAML wants spaces."
    reason = " ".join(filter(None, (getattr(error, "context", None), getattr(error, "problem", None))))
    return f"{file}:{mark.line + 1}: This is not YAML: {reason}."


def _value(file: Path, node: yaml.Node, path: problems.Path, lines: dict[problems.Path, int]) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise ContractError(f"{file}:{line}: A key must be a single text, not a list or an object.")
            key = _scalar(file, key_node)
            if key in mapping:
                raise ContractError(f"{file}:{line}: The key {key!r} is there twice; remove one.")
            lines[(*path, key)] = line
            mapping[key] = _value(file, value_node, (*path, key), lines)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_value(file, child, (*path, index), lines) for index, child in enumerate(node.value)]
    return _scalar(file, node)


def _scalar(file: Path, node: yaml.Node) -> Any:
    text: str = node.value
    kind = node.tag.removeprefix(_PREFIX)
    line = node.start_mark.line + 1
    if "{{" in text:
        raise ContractError(f"{file}:{line}: Templates ({{{{ ... }}}}) are not allowed; write the value out.")
    if kind in {"str", "timestamp"}:
        return text
    if kind == "null":
        return None
    if kind == "bool" and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    if kind == "int" and _INTEGER.fullmatch(text):
        return int(text)
    if kind == "float" and _FLOAT.fullmatch(text):
        return float(text)
    raise ContractError(f"{file}:{line}: {text!r} means different things to different YAML readers; put it in quotes.")
