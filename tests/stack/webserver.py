"""The Dagster webserver as its UI uses it: GraphQL over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

T = TypeVar("T")

LAUNCH = """
mutation ($parameters: ExecutionParams!) {
  launchRun(executionParams: $parameters) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}"""
RUN = """
query ($run: ID!) {
  runOrError(runId: $run) { ... on Run { status startTime endTime } }
  logsForRun(runId: $run, limit: 1000) {
    ... on EventConnection {
      events { __typename ... on ExecutionStepFailureEvent { stepKey error { message } } }
    }
  }
}"""
ASSET = """
query ($key: AssetKeyInput!) {
  assetOrError(assetKey: $key) {
    ... on Asset {
      assetMaterializations(limit: 1) {
        runId timestamp
        metadataEntries {
          label
          ... on IntMetadataEntry { intValue }
          ... on FloatMetadataEntry { floatValue }
          ... on MarkdownMetadataEntry { mdStr }
        }
        tags { key value }
      }
    }
  }
}"""
CHECK = """
query ($key: AssetKeyInput!, $name: String!) {
  assetCheckExecutions(assetKey: $key, checkName: $name, limit: 1) {
    status timestamp
    evaluation { severity description metadataEntries { label ... on MarkdownMetadataEntry { mdStr } } }
  }
}"""
LOCATION = """
{
  repositoriesOrError {
    ... on RepositoryConnection { nodes { location { name } sensors { name sensorState { status } } } }
  }
}
"""

TICKS = """
{ repositoriesOrError { ... on RepositoryConnection { nodes { sensors {
  name sensorState { ticks(limit: 10) { status timestamp endTimestamp } }
} } } } }"""

Key = tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """A finished run; `failures` are the failed steps' messages."""

    id: str
    succeeded: bool
    seconds: float
    failures: list[str]


@dataclass(frozen=True)
class Evaluation:
    """The newest evaluation of a check."""

    status: str
    severity: str | None
    description: str
    table: str
    at: float


@dataclass(frozen=True)
class SensorTick:
    """A finished tick of a sensor."""

    sensor: str
    status: str
    seconds: float


class Webserver:
    """A client that waits for what it started."""

    def __init__(self, address: str) -> None:
        self._client = httpx.Client(base_url=address, timeout=30, trust_env=False)

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        reply = self._client.post("/graphql", json={"query": query, "variables": variables}).json()
        assert "errors" not in reply, reply["errors"]
        data: dict[str, Any] = reply["data"]
        return data

    def run(
        self,
        job: str = "__ASSET_JOB",
        assets: Sequence[Key] = (),
        checks: Sequence[tuple[Key, str]] = (),
        config: dict[str, Any] | None = None,
    ) -> Run:
        """Launch a job, or materialise assets and execute checks, as the UI's buttons do."""
        selector: dict[str, Any] = {
            "repositoryLocationName": "dropless",
            "repositoryName": "__repository__",
            "jobName": job,
        }
        if assets or checks:
            selector["assetSelection"] = [{"path": key} for key in assets]
            selector["assetCheckSelection"] = [{"assetKey": {"path": key}, "name": name} for key, name in checks]
        launched = self.ask(LAUNCH, parameters={"selector": selector, "runConfigData": config or {}})["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return self._finished(launched["run"]["runId"])

    def _finished(self, run: str) -> Run:
        def ended() -> dict[str, Any] | None:
            found = self.ask(RUN, run=run)
            return found if found["runOrError"]["status"] in ("SUCCESS", "FAILURE", "CANCELED") else None

        found = eventually(ended, 180)
        events = found["logsForRun"]["events"]
        failures = [event["error"]["message"] for event in events if event["__typename"] == "ExecutionStepFailureEvent"]
        times = found["runOrError"]
        return Run(run, times["status"] == "SUCCESS", (times["endTime"] or 0) - (times["startTime"] or 0), failures)

    def materialization(self, *key: str) -> dict[str, Any] | None:
        """The newest materialisation: its run, its metadata by label, its data version."""
        found = self.ask(ASSET, key={"path": key})["assetOrError"].get("assetMaterializations")
        if not found:
            return None
        metadata = {
            entry["label"]: next((entry[name] for name in ("intValue", "floatValue", "mdStr") if name in entry), None)
            for entry in found[0]["metadataEntries"]
        }
        tags = {tag["key"]: tag["value"] for tag in found[0]["tags"]}
        at = float(found[0]["timestamp"]) / 1000
        return metadata | {"run": found[0]["runId"], "version": tags.get("dagster/data_version"), "at": at}

    def ticks(self) -> list[SensorTick]:
        """Every sensor's newest ticks."""
        [repository] = self.ask(TICKS)["repositoriesOrError"]["nodes"]
        return [
            SensorTick(sensor["name"], tick["status"], tick["endTimestamp"] - tick["timestamp"])
            for sensor in repository["sensors"]
            for tick in sensor["sensorState"]["ticks"]
            if tick["endTimestamp"]
        ]

    def evaluation(self, key: Key, check: str) -> Evaluation | None:
        """The newest evaluation of a check, by a run or by a sensor."""
        found = self.ask(CHECK, key={"path": key}, name=check)["assetCheckExecutions"]
        if not found:
            return None
        newest = found[0]
        said = newest["evaluation"] or {}
        tables = [entry["mdStr"] for entry in said.get("metadataEntries", []) if entry.get("mdStr")]
        return Evaluation(
            newest["status"],
            said.get("severity"),
            said.get("description") or "",
            "\n".join(tables),
            float(newest["timestamp"]),
        )


def eventually(look: Callable[[], T | None], seconds: float) -> T:
    """What `look` finds, as soon as it finds something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing after {seconds} seconds"
        time.sleep(0.5)
    return found
