"""One kind of repair is tried a few times, and its end is told as it is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from contracts import endpoints

from dropless.attempts import Ailment
from dropless.errors import DroplessError, NotReady
from pipeline_assets import repairs
from pipeline_assets.repairs import ATTEMPTS, mend
from resources.platform import LocalPlatform
from resources.repair import Repair, Repairs

DEAD = Ailment("process:x", "process x is FATAL")


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repairs, "WELL_SECONDS", 0.0)
    monkeypatch.setattr(repairs, "FIRST_PAUSE_SECONDS", 0.0)


class Thing:
    """Ails until it was mended so often; while `doomed`, it starts each time and is found dead a moment later."""

    def __init__(self, attempts: int, *, doomed: bool = False) -> None:
        self.left, self.doomed, self.tried = attempts, doomed, 0

    def find(self) -> list[Ailment]:
        return [] if self.left == 0 or (self.doomed and self.tried) else [DEAD]

    def mend(self) -> None:
        self.tried += 1
        self.left -= 1
        if self.doomed:
            raise NotReady("x was not ready after 60 seconds")

    @property
    def repair(self) -> Repair:
        return Repair("restart", self.find, self.mend)


def test_what_is_well_is_not_touched() -> None:
    thing = Thing(0)
    assert mend(thing.repair, print) == []
    assert thing.tried == 0


def test_what_is_mended_at_the_last_attempt_is_told_as_it_was_found() -> None:
    thing = Thing(ATTEMPTS)
    assert mend(thing.repair, print) == [DEAD]
    assert thing.tried == ATTEMPTS


def test_what_ails_still_ends_in_a_sentence() -> None:
    with pytest.raises(DroplessError, match=r"Given up after 3 attempts: process x is FATAL\."):
        mend(Thing(ATTEMPTS + 1).repair, print)


def test_what_only_seems_well_while_it_starts_is_not_called_mended() -> None:
    thing = Thing(99, doomed=True)
    with pytest.raises(DroplessError, match=r"process x is FATAL\. x was not ready after 60 seconds"):
        mend(thing.repair, print)
    assert thing.tried == ATTEMPTS


def test_a_process_that_is_just_being_started_again_is_waited_for() -> None:
    """As supervisord does with one that dies at once, again and again."""
    waited = []

    def wait_healthy(system: str, seconds: float) -> None:
        waited.append(system)
        raise NotReady(f"{system} was not ready after {seconds:g} seconds.")

    minio = SimpleNamespace(system="minio", name="minio-1", state="STARTING", again=True)
    kafka = SimpleNamespace(system="kafka", name="kafka-broker-1", state="RUNNING", again=False)
    platform = SimpleNamespace(
        status=lambda: [minio, kafka], processes=[minio, kafka], revive=lambda _: None, wait_healthy=wait_healthy
    )
    dead = Repairs([], endpoints(), cast("LocalPlatform", platform), {}).kinds[0]
    assert dead.find() == [Ailment("process:minio-1", "process minio-1 is STARTING again")]
    with pytest.raises(NotReady, match="minio was not ready"):
        dead.mend()
    assert waited == ["minio"]
