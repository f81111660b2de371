"""Our charts as Helm renders them, each installation once per session."""

from __future__ import annotations

import atexit
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dropless.contract import Contract, load_contracts
from dropless.kubernetes.installation import Installation
from dropless.kubernetes.releases import RELEASES, releases
from dropless.settings import PROJECT, Settings
from local_stack.helm import tools
from resources.helm import Helm, Rendered, render

Manifest = Mapping[str, Any]


@cache
def helm() -> Helm:
    home = TemporaryDirectory(prefix="dropless-helm-")
    atexit.register(home.cleanup)
    return Helm(tools(Settings.load()).helm, Path(home.name))


@cache
def contracts() -> tuple[Contract, ...]:
    return tuple(load_contracts(PROJECT / "pipeline_assets" / "defs"))


@cache
def installed(size: str = "seed") -> dict[str, Rendered]:
    """Everything of an installation that leaves everything else open."""
    installation = Installation.model_validate({"size": size})
    return {each.release.name: each for each in render(helm(), releases(installation), installation, contracts())}


def rendered(installation: Installation, *names: str) -> dict[str, Rendered]:
    """Some releases of another installation."""
    chosen = [each for each in releases(installation) if each.name in names]
    return {each.release.name: each for each in render(helm(), chosen, installation, contracts())}


@cache
def with_workers() -> dict[str, Rendered]:
    """What is another way with workers instead of ksqlDB, KEDA, and people's namespaces."""
    worker = {"engine": "worker", "replicas": 2, "autoscaling": {"enabled": True}}
    installation = Installation.model_validate({"union": worker, "visitors": ["people"]})
    return rendered(installation, "pipeline", "foundation", "kafka")


def everything() -> Iterator[tuple[str, Manifest]]:
    """Each object that anybody might install, with where it comes from."""
    for where, of in (("seed", installed()), ("laptop", installed("laptop")), ("worker", with_workers())):
        for manifest in manifests(of):
            yield f"{where} {manifest['kind']} {manifest['metadata']['name']}", manifest


def manifests(of: Mapping[str, Rendered]) -> list[Manifest]:
    return [manifest for each in of.values() for manifest in each.manifests or ()]


def one(of: Rendered, kind: str, name: str | None = None) -> Manifest:
    """The object of a kind and name in a release."""
    found = [each for each in of.manifests or () if each["kind"] == kind and name in {None, each["metadata"]["name"]}]
    assert len(found) == 1, f"{len(found)} {kind} {name}"
    return found[0]


def pod_templates(of: Manifest) -> Iterator[Manifest]:
    if of["kind"] in {"Deployment", "StatefulSet"}:
        yield of["spec"]["template"]


def environment(template: Manifest) -> dict[str, Any]:
    """The variables of a pod's one container; a reference to a Secret as itself."""
    (container,) = template["spec"]["containers"]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


OUR_CHARTS = sorted(each.name for each in RELEASES if each.ours)
