"""The control plane's programs, built from source once and cached: nobody publishes them but in containers."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dropless.cli.interruptible import interruptible
from dropless.settings import Settings
from local_stack import cache, toolchain
from local_stack.commands import run
from local_stack.process import short_digest

MODULES: Final = Path(__file__).parent / "modules"
WAIT_SECONDS: Final = 3600.0

_VERSION: Final = "k8s.io/component-base/version"
# Without them the API server says v0.0.0, and charts that ask for a version are refused.
_STAMP: Final = f"-X {_VERSION}.gitVersion=v1.36.3 -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=36"
# By module, what it is stamped with, and the programs of it.
PROGRAMS: Final = {
    "etcd": ("", {"etcd": "go.etcd.io/etcd/server/v3"}),
    "kube": (
        _STAMP,
        {
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
        },
    ),
    "kwok": ("", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"}),
}
# What kwok plays of a node and a disk; they come with its source.
STAGES: Final = (
    "node/fast/node-initialize",
    "node/heartbeat-with-lease/node-heartbeat-with-lease",
    "pod/fast/pod-ready",
    "pod/fast/pod-complete",
    "pod/fast/pod-delete",
    "volume/fast/pvc-provision",
    "volume/fast/pv-bind",
    "volume/fast/pv-delete",
    "volume/fast/pvc-delete",
)
STORAGE_CLASS: Final = "volume/fast/storage-class"


@dataclass(frozen=True)
class Built:
    """A folder with every program and kwok's own stages."""

    folder: Path

    def program(self, name: str) -> str:
        """The path of a program."""
        return str(self.folder / name)


def built(settings: Settings) -> Built:
    """All of them, from the cache or built now (a quarter of an hour on two cores); another builder is waited for."""
    told = "".join((MODULES / name / file).read_text() for name in PROGRAMS for file in ("go.mod", "go.sum"))
    target = settings.cache / f"plane-{short_digest(told + repr(PROGRAMS) + repr(STAGES))[:8]}"
    deadline = time.monotonic() + WAIT_SECONDS
    while not target.is_dir():
        try:
            with cache.exclusive(settings.cache / ".lock-plane", "build of the control plane"):
                cache.complete(target, lambda folder: _build(settings.cache, folder))
        except cache.Busy:
            if time.monotonic() > deadline:
                raise
            time.sleep(2)
    return Built(target)


def _build(home: Path, folder: Path) -> None:
    go = toolchain.go(home)
    for name, (stamp, programs) in PROGRAMS.items():
        for program, package in programs.items():
            run(
                [go, "build", "-trimpath", "-ldflags", f"-s -w {stamp}", "-o", str(folder / program), package],
                what=f"Building {program} with Go",
                log=home / "logs" / f"{program}.log",
                environment={"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false -mod=readonly"},
                cwd=MODULES / name,
            )
    listed = subprocess.run(
        [go, "list", "-m", "-json", "sigs.k8s.io/kwok"],
        cwd=MODULES / "kwok",
        capture_output=True,
        text=True,
        check=True,
    )
    stages = Path(json.loads(listed.stdout)["Dir"]) / "kustomize" / "stage"
    (folder / "stages.yaml").write_text("\n---\n".join((stages / f"{each}.yaml").read_text() for each in STAGES))
    shutil.copyfile(stages / f"{STORAGE_CLASS}.yaml", folder / "storage-class.yaml")


if __name__ == "__main__":
    with interruptible():
        print(built(Settings.load()).folder)
