"""The right to install: never taken from, nor freed for, somebody else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dropless.errors import NotReady
from resources.lease import Lease

LONG_AGO = "2026-01-01T00:00:00.000000Z"


class Kept:
    """A cluster with one object."""

    def __init__(self) -> None:
        self.object: Mapping[str, Any] | None = None

    def read(self, _: object) -> Mapping[str, Any] | None:
        return self.object

    def create(self, body: Mapping[str, Any]) -> None:
        self.object = body

    replace = create

    @property
    def holder(self) -> str:
        assert self.object is not None
        return str(self.object["spec"]["holderIdentity"])

    def ends(self) -> None:
        assert self.object is not None
        self.object = {**self.object, "spec": {**self.object["spec"], "renewTime": LONG_AGO}}


def lease(cluster: Kept, holder: str) -> Lease:
    return Lease(cluster, "dropless", wait_seconds=0.2, holder=holder)  # type: ignore[arg-type]


def test_one_holds_it_at_a_time() -> None:
    cluster = Kept()
    told: list[str] = []
    waits = pytest.raises(NotReady, match="a is installing")
    with lease(cluster, "a").held(told.append), waits, lease(cluster, "b").held(told.append):
        raise AssertionError
    # Once, however often it looks.
    assert told == ["waiting: a is installing"]
    with lease(cluster, "b").held():
        assert cluster.holder == "b"
    assert cluster.holder == ""


def test_who_lost_it_neither_renews_nor_frees_it() -> None:
    cluster = Kept()
    first = lease(cluster, "a")
    with first.held():
        cluster.ends()
        with lease(cluster, "b").held():
            first._write_if_ours("a")
            assert cluster.holder == "b"
            cluster.ends()
        with lease(cluster, "c").held():
            first._write_if_ours("")
            assert cluster.holder == "c"
