"""The values of a release: its sizes, what is generated, and what the user says, merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import yaml

from dropless.contract import Contract
from dropless.errors import DroplessError
from dropless.kubernetes import durable, generated
from dropless.kubernetes.installation import Installation
from dropless.kubernetes.releases import RELEASES, Release
from dropless.settings import PROJECT

FOLDER: Final = PROJECT / "helm_values"
CHARTS: Final = PROJECT / "helm_charts"

Json = dict[str, Any]


def values(release: Release, installation: Installation, contracts: Sequence[Contract]) -> Json:
    """What Helm is given for a release; it holds no secret.

    The later wins: the sizes in `helm_values`, those for a laptop, what is generated, the user's `values`, and last
    the durability table, which no values file can weaken.

    Raises:
        DroplessError: the user's values are for a release that there is not.
    """
    known = [each.name for each in RELEASES]
    for name in installation.values:
        if name not in known:
            raise DroplessError(f"There is no release {name!r} to pass values on to; there are {', '.join(known)}.")
    merged = read(FOLDER / f"{release.name}.yaml")
    laptop = FOLDER / "laptop" / f"{release.name}.yaml"
    if installation.size == "laptop" and laptop.is_file():
        merged = merge(merged, read(laptop))
    for layer in (
        generated.values(release.name, installation, contracts),
        installation.values.get(release.name, {}),
        durable.values(release.name),
    ):
        merged = merge(merged, layer)
    return merged


def read(path: Path) -> Json:
    """A values file.

    Raises:
        DroplessError: it cannot be read, or holds no object.
    """
    try:
        found = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise DroplessError(f"The values in {path} cannot be read: {error}.") from None
    if not isinstance(found, dict):
        raise DroplessError(f"The values in {path} must be an object.")
    return found


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> Json:
    """Both, objects path by path as Helm does it; a list is replaced as a whole."""
    merged: Json = deepcopy(dict(below))
    for name, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = merge(merged[name], value) if both else deepcopy(value)
    return merged


def at(tree: Any, path: str) -> Any:
    """The value at a dotted path, in which a number is a list's position; None where there is none."""
    for part in path.split("."):
        if isinstance(tree, list):
            tree = tree[int(part)] if int(part) < len(tree) else None
        else:
            tree = tree.get(part) if isinstance(tree, Mapping) else None
    return tree
