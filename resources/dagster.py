"""Runs of jobs in the running Dagster, so that what the command line does is seen in the UI."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, NotReady, Unreachable
from resources.rest import Rest
from resources.waiting import until

POLL_SECONDS = 0.5
RELOAD_SECONDS = 60.0
_ENDED = {"SUCCESS", "FAILURE", "CANCELED"}

# The web server notices only after seconds that its code location has started anew with other contracts.
_RELOAD = """
mutation { reloadWorkspace { __typename ... on Workspace { locationEntries {
  locationOrLoadError { __typename ... on PythonError { message } }
} } } }"""
_LOCATION = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"
_LAUNCH = """
mutation ($job: String!, $repository: String!, $location: String!) {
  launchRun(executionParams: {
    selector: {jobName: $job, repositoryName: $repository, repositoryLocationName: $location}
    runConfigData: {}
  }) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on InvalidSubsetError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}"""
_RUN = """
query ($run: ID!) { runOrError(runId: $run) { ... on Run { status stepStats {
  stepKey status startTime endTime
} } } }"""
_ERRORS = """
query ($run: ID!) { logsForRun(runId: $run) { ... on EventConnection { events {
  ... on ExecutionStepFailureEvent { stepKey message error { message cause { message } } }
  ... on RunFailureEvent { message }
} } } }"""

StepReport = Callable[[str, str, float], None]
"""Told a step's name, its new status as Dagster calls it (IN_PROGRESS, SUCCESS, ...), and the seconds it took."""


class Runs:
    """Starts jobs and follows them."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._url = endpoints.dagster
        self._rest = Rest("Dagster", [endpoints.dagster])

    def url(self, run: str) -> str:
        """Where the UI shows the run."""
        return f"{self._url}/runs/{run}"

    def launch(self, job: str) -> str:
        """Start a job and return its run id.

        Raises:
            DroplessError: Dagster has no such job, or refused.
        """
        until("Dagster's code location", self._not_loaded, RELOAD_SECONDS)
        nodes = self._ask(_LOCATION)["repositoriesOrError"].get("nodes", [])
        if not nodes:
            raise DroplessError(f"Dagster at {self._url} has loaded no code location.")
        variables = {"job": job, "repository": nodes[0]["name"], "location": nodes[0]["location"]["name"]}
        answer = self._ask(_LAUNCH, **variables)["launchRun"]
        if answer["__typename"] != "LaunchRunSuccess":
            reasons = [answer.get("message"), *(each["message"] for each in answer.get("errors", []))]
            said = next((reason for reason in reasons if reason), answer["__typename"])
            raise DroplessError(f"Dagster refused to start the job {job!r}: {said.strip().splitlines()[0]}")
        return str(answer["run"]["runId"])

    def follow(self, run: str, report: StepReport, timeout_seconds: float) -> None:
        """Wait until a run has ended well.

        Raises:
            DroplessError: it failed; the sentence is the failing step's.
            NotReady: it still runs when the time is over.
        """
        told: dict[str, str] = {}
        deadline = time.monotonic() + timeout_seconds
        while True:
            found = self._ask(_RUN, run=run)["runOrError"]
            for step in found.get("stepStats") or []:
                if step["status"] and told.get(step["stepKey"]) != step["status"]:
                    told[step["stepKey"]] = step["status"]
                    report(step["stepKey"], step["status"], (step["endTime"] or 0) - (step["startTime"] or 0))
            if found.get("status") in _ENDED:
                break
            if time.monotonic() > deadline:
                raise NotReady(f"The run {self.url(run)} did not end within {timeout_seconds:g} seconds.")
            time.sleep(POLL_SECONDS)
        if found["status"] != "SUCCESS":
            raise DroplessError(f"The Dagster run failed: {self._reason(run)} (see {self.url(run)})")

    def _not_loaded(self) -> str | None:
        for entry in self._ask(_RELOAD)["reloadWorkspace"].get("locationEntries", []):
            loaded = entry["locationOrLoadError"] or {"__typename": "nothing yet"}
            if loaded["__typename"] != "RepositoryLocation":
                return str(loaded.get("message", loaded["__typename"])).strip().splitlines()[0]
        return None

    def _reason(self, run: str) -> str:
        events = self._ask(_ERRORS, run=run)["logsForRun"].get("events", [])
        failures = [each for each in events if each]
        for each in failures:
            if each.get("error"):
                said = (each["error"].get("cause") or each["error"])["message"].strip().splitlines()[0]
                return f"step {each['stepKey']}: {said}"
        return failures[0]["message"].strip().splitlines()[0] if failures else "it was cancelled"

    def _ask(self, query: str, **variables: Any) -> dict[str, Any]:
        # While the daemon and runs write to SQLite, a question may have to wait for the next try.
        retrying = Retrying(
            retry=retry_if_exception_type(Unreachable), stop=stop_after_delay(30), wait=wait_fixed(1), reraise=True
        )
        answer = retrying(
            self._rest.call, "answer", "POST", "/graphql", json={"query": query, "variables": variables}
        ).json()
        if answer.get("errors"):
            raise DroplessError(f"Dagster refused a question: {answer['errors'][0]['message']}")
        data: dict[str, Any] = answer["data"]
        return data
