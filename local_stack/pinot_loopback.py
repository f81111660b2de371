"""A class of Pinot's, changed so that the query server listens on loopback alone."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

from local_stack.commands import run
from local_stack.toolchain import Java
from local_stack.versions import HERE

SCRIPT = HERE / "templates" / "pinot_loopback.groovy"


def classpath(folder: Path) -> str:
    """Pinot's class path, the changed class first."""
    return f"{_jar(folder)}:{folder}/*"


def build(java: Java, folder: Path, log: Path) -> None:
    """Change the class with the Javassist and the Groovy that Pinot brings, into a jar of its own.

    A jar, since Java's class-data archives refuse folders in the class path.
    """
    with tempfile.TemporaryDirectory() as changed:
        run(
            [java.executable, "-cp", f"{folder}/*", "groovy.ui.GroovyMain", str(SCRIPT), changed],
            what="Making Pinot listen on loopback alone",
            log=log,
        )
        jar = _jar(folder)
        jar.parent.mkdir()
        with zipfile.ZipFile(jar, "w") as archive:
            for path in sorted(Path(changed).rglob("*.class")):
                archive.write(path, path.relative_to(changed))


def _jar(folder: Path) -> Path:
    return folder / "changed" / "loopback.jar"
