"""Fetch from Maven repositories with the ordinary client, and check every byte."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from local_stack import cache
from local_stack.commands import CommandFailed, run
from local_stack.versions import MAVEN_PLUGIN, Archive, Jars

Fetch = Callable[[Path], None]
"""Puts files into a folder."""
Forget = Callable[[str], None]
"""Makes the next fetch of the file of that name a real download."""


class Maven:
    """Maven with a local repository of its own, so that a corrupt file in it can be deleted.

    `home` is the cache; `environment` tells Maven which Java to use.
    """

    def __init__(self, executable: str, home: Path, environment: dict[str, str]) -> None:
        self._executable = executable
        self._repository = home / "maven"
        self._logs = home / "logs"
        self._environment = environment

    def jars(self, component: Jars, folder: Path) -> None:
        """Fetch a resolved set of jars into a folder."""
        fetch_checked(
            component.name,
            folder,
            cache.read_lock(component.lock),
            lambda target: self._run(
                component.name,
                f"-f{component.pom}",
                f"{MAVEN_PLUGIN}:copy-dependencies",
                "-DincludeScope=runtime",
                f"-DoutputDirectory={target}",
            ),
            self._forget,
        )

    def archive(self, component: Archive, folder: Path) -> None:
        """Fetch an archive and unpack it into a folder."""
        packed = folder / ".packed"
        packed.mkdir()
        cache.unpack(self.file(component, packed), folder)
        shutil.rmtree(packed)

    def file(self, component: Archive, folder: Path) -> Path:
        """Fetch an archive into a folder of its own, as it is."""
        _, artifact, version, kind, *classifier = component.artifact.split(":")
        file = f"{'-'.join([artifact, version, *classifier])}.{kind}"
        fetch_checked(
            component.name,
            folder,
            {file: component.sha256},
            lambda target: self._run(
                component.name,
                f"{MAVEN_PLUGIN}:copy",
                f"-Dartifact={component.artifact}",
                f"-DoutputDirectory={target}",
            ),
            self._forget,
        )
        return folder / file

    def _run(self, name: str, *arguments: str) -> None:
        run(
            # Not strict about the repository's own checksums: some mirrors serve none, and we check every byte.
            [self._executable, "-B", "-ntp", "-U", f"-Dmaven.repo.local={self._repository}", *arguments],
            what=f"Fetching {name} with Maven",
            log=self._logs / f"{name}.log",
            environment=self._environment,
            cwd=self._logs.parent,
        )

    def _forget(self, file: str) -> None:
        for path in self._repository.rglob(file):
            shutil.rmtree(path.parent)


@cache.persistent
def fetch_checked(name: str, folder: Path, expected: dict[str, str], fetch: Fetch, forget: Forget) -> None:
    """Fetch files into a folder until they are exactly the expected ones; three tries.

    Raises:
        Corrupt: they still differ at the last try.
        CommandFailed: the last try could not fetch them.
    """
    try:
        fetch(folder)
        wrong = cache.differing(folder, expected)
    except CommandFailed:
        _empty(folder)
        raise
    if wrong:
        for file in wrong:
            forget(file)
        _empty(folder)
        raise cache.Corrupt(
            f"The download of {name} is corrupt: {wrong[0]}"
            f"{f' and {len(wrong) - 1} more' if len(wrong) > 1 else ''} did not have the pinned SHA-256; "
            "it was deleted, so try again, and if it stays, ask whoever runs your Maven mirror."
        )


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
