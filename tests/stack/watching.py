"""The sensors, each ticking when a test says so: in the test's own process, on the real stack, with their own memory.

The stack's Dagster goes on watching beside; nothing that is found here is told there.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dropless.settings import Settings
from pipeline_assets.definitions import definitions
from pipeline_assets.installation import Installation
from pipeline_assets.sensors import watching as sensors

SENSORS = (
    *("alerts", "consumer_lag", "dead_letters", "drift_and_repair", "durability", "flow", "heartbeat", "processes"),
    "retention",
)
# As many as the daemon evaluates at once.
AT_ONCE = 4


@dataclass(frozen=True)
class _Settings(Settings):
    folder: Path = Path()

    @property
    def watch(self) -> Path:
        return self.folder


class _Elsewhere(Installation):
    """The installation of the environment, with its own place for what sensors remember."""

    folder: str

    @property
    def settings(self) -> Settings:
        return _Settings(**vars(Settings.load()), folder=Path(self.folder))


@dataclass(frozen=True)
class Ticked:
    """How long one tick took, and which runs it asked for."""

    seconds: float
    runs: list[dg.RunRequest]


class Watch:
    """Every sensor of the contracts in the environment."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, *, kept: bool) -> None:
        self.installation = _Elsewhere(folder=str(folder))
        self.instance = instance
        self._kept = kept
        # By asset and check, such as `platform/kafka:all_in_sync`.
        self.newest: dict[str, dg.AssetCheckEvaluation] = {}
        self.observed: dict[str, dg.AssetObservation] = {}
        self._repository = definitions().get_repository_def()

    def tick(self, name: str) -> Ticked:
        """Have one sensor look."""
        sensor = self._repository.get_sensor_def(name)
        context = dg.build_sensor_context(instance=self.instance, repository_def=self._repository)
        started = time.monotonic()
        told = sensor.evaluate_tick(context)
        seconds = time.monotonic() - started
        for event in told.asset_events:
            if self._kept:
                self.instance.report_runless_asset_event(event)
            if isinstance(event, dg.AssetCheckEvaluation):
                self.newest[f"{event.asset_key.to_user_string()}:{event.check_name}"] = event
            if isinstance(event, dg.AssetObservation):
                self.observed[event.asset_key.to_user_string()] = event
        return Ticked(seconds, list(told.run_requests or ()))

    def failing(self, checks: Collection[str]) -> dict[str, str]:
        """Those of these checks that failed when they were news last, with what they said."""
        return {
            check: found.description or ""
            for check in checks
            if (found := self.newest.get(check)) is not None and not found.passed
        }

    def tick_all(self, names: Collection[str] = SENSORS) -> dict[str, Ticked]:
        """Have sensors look as the daemon does, some at a time."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return dict(zip(names, pool.map(self.tick, names), strict=True))

    def run(self, job: str, config: Mapping[str, Any] | None = None) -> dg.ExecuteInProcessResult:
        """Run a job here."""
        found = self._repository.get_job(job)
        return found.execute_in_process(
            config, self.instance, resources={"installation": self.installation}, raise_on_error=False
        )


@contextmanager
def watch(folder: Path, *, kept: bool = False) -> Iterator[Watch]:
    """Sensors with an instance and a memory below a folder; what they tell is kept in the instance if that is asked."""
    home = folder / "dagster"
    home.mkdir(exist_ok=True)
    with dg.instance_for_test(temp_dir=str(home)) as instance, pytest.MonkeyPatch.context() as elsewhere:
        made = Watch(folder / "memory", instance, kept=kept)
        elsewhere.setattr(sensors, "installation", lambda: made.installation)
        yield made
