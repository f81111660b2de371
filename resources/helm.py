"""Helm, as a program of a pinned version that sees nothing of the user's own Helm."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from dropless.contract import Contract
from dropless.errors import DroplessError
from dropless.kubernetes.installation import Installation
from dropless.kubernetes.manifests import Manifest, parse
from dropless.kubernetes.releases import Release, namespace
from dropless.kubernetes.values import CHARTS, values
from dropless.plan import Json
from resources.api_server import Access

# A chart from a repository is fetched first.
SECONDS = 120.0
AT_ONCE = 3
# How often somebody looks how far an installation is.
LOOK_SECONDS = 1.0
# What Helm takes beyond its own time-out: the chart, and taking back what failed.
LEEWAY_SECONDS = 300.0
# While it makes a release what it shall be, and not again what it was.
FORWARD: Final = ("pending-install", "pending-upgrade")
INTERRUPTED: Final = (*FORWARD, "pending-rollback")


class Failed(DroplessError):
    """Helm ended with an error; the sentence has its own words."""


@dataclass(frozen=True)
class Deployed:
    """What Helm knows of a release: the state of its last revision, and the manifests of that."""

    state: str
    revision: int
    manifests: tuple[Manifest, ...]


@dataclass(frozen=True)
class Helm:
    """The program, the folder of its caches and configuration, and the cluster it works on; it sees no other."""

    program: Path
    home: Path
    access: Access | None = None

    def template(self, release: Release, space: str, told: Mapping[str, Json]) -> str:
        """A release's manifests as YAML. No cluster is asked, except what a public chart itself looks up in ours.

        Secrets that are made once get a value that is thrown away.

        Raises:
            DroplessError: the values or the chart are wrong, or a public chart could not be fetched; Helm's own words.
        """
        asking = ["--dry-run=server"] if self.access and not release.ours else []
        arguments = ["template", release.name, *self._chart(release), "--namespace", space, *asking, "--values", "-"]
        return self._run(arguments, f"Rendering {release.name}", yaml.safe_dump(dict(told)))

    def upgrade(
        self, release: Release, space: str, told: Mapping[str, Json], seconds: float, watch: Callable[[], None]
    ) -> None:
        """Install or upgrade a release, wait until its pods are ready, and take it back if they do not become so.

        A field that somebody else has set since is ours again. `watch` is called about once a second.

        Raises:
            Failed: it did not work; what was before is there again, and Helm's own words say why.
        """
        arguments = ["upgrade", release.name, *self._chart(release), "--install", "--namespace", space]
        arguments += ["--values", "-", "--timeout", f"{seconds:g}s"]
        self._run(
            [*arguments, "--wait", "--wait-for-jobs", "--rollback-on-failure", "--force-conflicts"],
            f"Installing {release.name}",
            yaml.safe_dump(dict(told)),
            seconds=seconds + LEEWAY_SECONDS,
            watch=watch,
        )

    def deployed(self, release: str, space: str) -> Deployed | None:
        """What Helm knows of a release; None if nothing.

        Raises:
            DroplessError: the cluster does not answer.
        """
        try:
            text = self._run(["status", release, "--namespace", space, "--output", "json"], f"Looking at {release}")
        except Failed as error:
            if "release: not found" in str(error):
                return None
            raise
        found = json.loads(text)
        return Deployed(found["info"]["status"], found["version"], tuple(parse(found.get("manifest") or "")))

    def kinds(self, release: Release) -> str:
        """The custom resource definitions that a chart brings beside its templates, as YAML; Helm never upgrades them.

        Raises:
            DroplessError: the chart could not be fetched.
        """
        return self._run(["show", "crds", *self._chart(release)], f"Fetching the kinds of {release.name}")

    def _chart(self, release: Release) -> list[str]:
        if release.ours:
            return [str(CHARTS / release.chart)]
        return [release.chart, "--repo", release.repository, "--version", release.version]

    def _run(
        self,
        arguments: Sequence[str],
        what: str,
        stdin: str = "",
        seconds: float = SECONDS,
        watch: Callable[[], None] = lambda: None,
    ) -> str:
        access = self.access.arguments("--kube-context") if self.access else []
        try:
            child = subprocess.Popen(
                [str(self.program), *arguments, *access],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environment(),
                text=True,
                # Ctrl-C is for us: Helm is told to stop, and waited for while it takes back what it began.
                start_new_session=True,
            )
        except OSError as error:
            raise DroplessError(f"{what} failed: {error}.") from None
        try:
            output, errors = _communicate(child, stdin, seconds, watch)
        except subprocess.TimeoutExpired as error:
            raise DroplessError(f"{what} failed: {error}.") from None
        if child.returncode:
            raise Failed(f"{what} failed: {_reason(errors)}.")
        return output

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HELM_")}
        folders = {f"HELM_{name.upper()}_HOME": str(self.home / name) for name in ("cache", "config", "data")}
        # Rendering needs no cluster, so it is given none.
        return kept | folders | ({} if self.access else {"KUBECONFIG": os.devnull})


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


def _communicate(
    child: subprocess.Popen[str], stdin: str, seconds: float, watch: Callable[[], None]
) -> tuple[str, str]:
    given: str | None = stdin
    deadline = time.monotonic() + seconds
    try:
        while True:
            try:
                return child.communicate(given, timeout=LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    raise
            # What was not yet written of it is remembered.
            given = None
            watch()
    except BaseException:
        # It takes back what it began, and says so: with its output closed, it would die of that instead.
        child.terminate()
        child.communicate(timeout=LEEWAY_SECONDS)
        raise
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()


def _reason(text: str) -> str:
    # What it logs, its error says again.
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("level=")]
    return " ".join(lines).removeprefix("Error: ").rstrip(".") or "no reason was given"
