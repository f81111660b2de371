"""One installer at a time: a Lease in the cluster, kept for as long as somebody works, and free soon after a crash."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dropless.errors import DroplessError
from dropless.kubernetes.manifests import Reference
from resources.adapter import Progress
from resources.api_server import ApiServer, Conflict
from resources.waiting import until

NAME: Final = "dropless-installer"
HELD_SECONDS: Final = 20
RENEW_SECONDS: Final = 5.0
# What another installer may take for a release.
WAIT_SECONDS: Final = 900.0


def _itself() -> str:
    return f"{socket.gethostname()}/{os.getpid()}/{threading.get_ident()}"


@dataclass
class Lease:
    """The right to install in a namespace. Source: coordination.k8s.io/v1, as leaders are elected with it."""

    cluster: ApiServer
    namespace: str
    wait_seconds: float = WAIT_SECONDS
    holder: str = field(default_factory=_itself)

    @contextmanager
    def held(self, progress: Progress = lambda _: None) -> Iterator[None]:
        """Hold it while the block runs, after waiting for whoever has it, which is told.

        Raises:
            NotReady: somebody else had it all the time; the sentence says who.
        """
        told: set[str] = set()

        def missing() -> str | None:
            taken = self._taken_by_another()
            if taken and taken not in told:
                progress(f"waiting: {taken}")
                told.add(taken)
            return taken

        until(f"The lease {NAME} of {self.namespace}", missing, self.wait_seconds)
        over = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(over,), daemon=True)
        renewing.start()
        try:
            yield
        finally:
            over.set()
            renewing.join()
            # Should it not be freed now, its time frees it soon; what went wrong in the block is to be told.
            with suppress(DroplessError):
                self._write_if_ours("")

    def _taken_by_another(self) -> str | None:
        found = self._found()
        holder = (found or {}).get("spec", {}).get("holderIdentity")
        if found is not None and holder not in {None, "", self.holder} and not _expired(found["spec"]):
            return f"{holder} is installing"
        try:
            self._write(self.holder, found)
        except Conflict:
            return "somebody else was faster"
        return None

    def _renew(self, over: threading.Event) -> None:
        while not over.wait(RENEW_SECONDS):
            # Not renewed once is not lost: the next time is well before it ends.
            with suppress(DroplessError):
                self._write_if_ours(self.holder)

    def _write_if_ours(self, holder: str) -> None:
        """Renew or free it, unless it ended meanwhile and somebody else has it now."""
        found = self._found()
        if found is not None and found["spec"].get("holderIdentity") == self.holder:
            self._write(holder, found)

    def _found(self) -> Mapping[str, Any] | None:
        return self.cluster.read(Reference("coordination.k8s.io/v1", "Lease", NAME, self.namespace))

    def _write(self, holder: str, found: Mapping[str, Any] | None) -> None:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        spec = {"holderIdentity": holder, "leaseDurationSeconds": HELD_SECONDS, "renewTime": now}
        if found is None:
            metadata = {"name": NAME, "namespace": self.namespace}
            self.cluster.create(
                {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
            )
        else:
            self.cluster.replace({**found, "spec": spec})


def _expired(spec: Mapping[str, Any]) -> bool:
    renewed = datetime.fromisoformat(str(spec["renewTime"]))
    return datetime.now(UTC) - renewed > timedelta(seconds=int(spec["leaseDurationSeconds"]))
