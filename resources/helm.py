"""Helm, as a program of a pinned version that sees nothing of the user's own Helm."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dropless.contract import Contract
from dropless.errors import DroplessError
from dropless.kubernetes.installation import Installation
from dropless.kubernetes.manifests import Manifest, parse
from dropless.kubernetes.releases import Release, namespace
from dropless.kubernetes.values import CHARTS, values
from dropless.plan import Json

# A chart from a repository is fetched first.
SECONDS = 120.0
AT_ONCE = 3


@dataclass(frozen=True)
class Helm:
    """The program, and the folder of its caches and configuration."""

    program: Path
    home: Path

    def template(self, release: Release, space: str, told: Mapping[str, Json]) -> str:
        """A release's manifests as YAML, without asking any cluster.

        Secrets that are made once get a value that is thrown away.

        Raises:
            DroplessError: the values or the chart are wrong, or a public chart could not be fetched; Helm's own words.
        """
        arguments = ["template", release.name, *self._chart(release), "--namespace", space, "--values", "-"]
        return self._run(arguments, f"Rendering {release.name}", yaml.safe_dump(dict(told)))

    def _chart(self, release: Release) -> list[str]:
        if release.ours:
            return [str(CHARTS / release.chart)]
        return [release.chart, "--repo", release.repository, "--version", release.version]

    def _run(self, arguments: Sequence[str], what: str, stdin: str) -> str:
        try:
            done = subprocess.run(
                [str(self.program), *arguments],
                input=stdin,
                env=self._environment(),
                capture_output=True,
                text=True,
                check=False,
                timeout=SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DroplessError(f"{what} failed: {error}.") from None
        if done.returncode:
            raise DroplessError(f"{what} failed: {_reason(done.stderr)}.")
        return done.stdout

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HELM_")}
        folders = {f"HELM_{name.upper()}_HOME": str(self.home / name) for name in ("cache", "config", "data")}
        # Rendering needs no cluster, so it is given none.
        return kept | folders | {"KUBECONFIG": os.devnull}


@dataclass(frozen=True)
class Rendered:
    """A release of an installation: what Helm is given, and what it makes of it; None where the chart is elsewhere."""

    release: Release
    namespace: str
    values: Mapping[str, Any]
    manifests: tuple[Manifest, ...] | None


def render(
    helm: Helm,
    releases: Sequence[Release],
    installation: Installation,
    contracts: Sequence[Contract],
    *,
    public: bool = False,
) -> list[Rendered]:
    """Render releases, in their order; public charts, which are fetched from their repositories, only if asked.

    Raises:
        DroplessError: one of them cannot be rendered.
    """

    def one(release: Release) -> Rendered:
        told, space = values(release, installation, contracts), namespace(release, installation)
        manifests = tuple(parse(helm.template(release, space, told))) if release.ours or public else None
        return Rendered(release, space, told, manifests)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, releases))


def _reason(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("level=INFO")]
    return " ".join(lines).removeprefix("Error: ").rstrip(".") or "no reason was given"
