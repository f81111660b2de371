"""The control plane, and one installation on it that is made as a user makes it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import operators
import pytest
import yaml
from built import built
from charts_of_others import UNANSWERED, real, real_kinds, repository
from control_plane import ControlPlane
from program import DROPLESS
from typer.testing import CliRunner

from dropless.cli import build
from dropless.errors import DroplessError
from dropless.settings import Settings
from local_stack.helm import tools

# Beside those of the stack that the other tests start.
PORT_OFFSET = 600
WAIT_SECONDS = 60.0
# A restricted namespace takes no pod that is less than restricted.
NAMESPACE = """
apiVersion: v1
kind: Namespace
metadata:
  name: dropless
  labels: {pod-security.kubernetes.io/enforce: restricted}
"""
# What only a user can make; nobody here reads what is in it.
LICENCE = """
apiVersion: v1
kind: Secret
metadata: {name: lenses-licence, namespace: dropless}
stringData: {licence: none, agentKey: none}
"""


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)


@dataclass(frozen=True)
class Done:
    """What a command printed."""

    stdout: str
    stderr: str


@dataclass(frozen=True)
class Cluster:
    """The control plane, the file that tells of the installation on it, and the command that installs."""

    plane: ControlPlane
    folder: Path
    file: Path

    def told(self, **changed: Any) -> Path:
        """A file of another installation in the same namespace."""
        path = self.folder / "other.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(self.file.read_text()) | changed))
        return path

    def command(self, *arguments: str, installation: Path | None = None, kubeconfig: Path | None = None) -> list[str]:
        """`dropless kubernetes ...` on this cluster."""
        told = ["--installation", str(installation or self.file)]
        if arguments[0] in {"plan", "apply"}:
            told += ["--kubeconfig", str(kubeconfig or self.plane.kubeconfig)]
        return [*DROPLESS, "kubernetes", *arguments, *told]

    def run(self, *arguments: str, code: int = 0, **where: Path | None) -> Done:
        """Run it to its end, in this process: its imports alone take seconds.

        Raises:
            AssertionError: it ended otherwise than expected.
        """
        command = self.command(*arguments, **where)[len(DROPLESS) :]
        with pytest.MonkeyPatch.context() as patched:
            for name in os.environ.keys() - self.environment.keys():
                patched.delenv(name)
            result = CliRunner().invoke(build(command), command)
        stderr = result.stderr
        if isinstance(result.exception, DroplessError):
            stderr += str(result.exception)
        elif result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, f"{result.exit_code}: {result.stdout[-3000:]} {stderr[-3000:]}"
        return Done(result.stdout, stderr)

    def plan(self, only: str | None = None, code: int = 0, **where: Path | None) -> list[dict[str, Any]]:
        """What the plan says, of one release or all."""
        chosen = ["--only", only] if only else []
        found: list[dict[str, Any]] = json.loads(self.run("plan", "--json", *chosen, code=code, **where).stdout)
        return found

    @property
    def environment(self) -> dict[str, str]:
        """Without anything of the tester's own clusters."""
        return {
            name: value for name, value in os.environ.items() if not name.startswith(("KUBE", "HELM_", "DROPLESS_"))
        }


@pytest.fixture(scope="session")
def bare() -> Iterator[Cluster]:
    """A control plane with nodes and every custom kind, a repository of charts, and nothing installed."""
    settings = Settings.load()
    folder = Path(tempfile.mkdtemp(prefix="dropless-plane-"))
    programs = tools(settings)
    plane = ControlPlane(
        built(settings),
        programs,
        folder / "plane",
        int(os.environ.get("DROPLESS_TEST_PORT_BASE", "27000")) + PORT_OFFSET,
    )
    try:
        with repository(programs, folder / "repository") as charts:
            plane.start()
            plane.add_kinds(operators.kinds(settings, real_kinds(programs)))
            plane.add_nodes(operators.stages())
            plane.apply(NAMESPACE)
            file = folder / "installation.yaml"
            told: dict[str, Any] = {"chart_repository": charts, "storage_class": "kwok-volume"}
            if real():
                told["values"] = dict(UNANSWERED)
            file.write_text(yaml.safe_dump(told))
            yield Cluster(plane, folder, file)
    finally:
        plane.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def cluster(bare: Cluster) -> Cluster:
    """The same with the whole installation, at the specification's sizes."""
    bare.plane.apply(LICENCE)
    bare.run("apply", "--json")
    return bare
