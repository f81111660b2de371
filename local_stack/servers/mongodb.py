"""SecantusDB, which speaks MongoDB's protocol: the example's marketplace.

A real MongoDB by URI serves as well; none is in any package registry.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from dropless import passwords
from dropless.settings import LOOPBACK
from local_stack.context import Context
from local_stack.process import Process
from local_stack.versions import SECANTUSDB

SYSTEM = "mongodb"
# Seven days: a connector that was down for less resumes where it stopped.
OPLOG_SECONDS = 7 * 24 * 3600
OPLOG_ENTRIES = 10_000_000
ROLES: dict[str, list[dict[str, str]]] = {
    "admin": [{"role": "root", "db": "admin"}],
    # Captures every database and asks for pre-images; never writes rows.
    "replication": [
        {"role": "readAnyDatabase", "db": "admin"},
        {"role": "clusterMonitor", "db": "admin"},
    ],
    "application": [{"role": "readWrite", "db": "marketplace"}],
}


def processes(context: Context) -> list[Process]:
    """One server."""
    return [
        Process(
            system=SYSTEM,
            name="mongodb-1",
            argv=(*_command(context), "--auth"),
            ports={"MongoDB": context.port("mongodb")},
            directory=context.data("mongodb-1"),
        )
    ]


def _command(context: Context) -> tuple[str, ...]:
    # A script's first line would name the folder in which it was built.
    return (
        str(context.software.folder(SECANTUSDB) / "bin" / "python"),
        *("-m", "secantus", "--host", LOOPBACK, "--port", str(context.port("mongodb"))),
        *("--storage-path", str(context.data("mongodb-1") / "storage"), "--log-level", "WARNING"),
        *("--cache-size", "64M", "--noop-heartbeat-seconds", "10", "--sync-on-commit"),
        *("--oplog-retention-seconds", str(OPLOG_SECONDS), "--oplog-max-entries", str(OPLOG_ENTRIES)),
    )


def prepare(context: Context, process: Process) -> None:
    """Make the users, once: the first start is without authentication, for this alone."""
    done = process.directory / "users-made"
    if done.exists():
        return
    with _open_server(context) as client:
        for name, roles in ROLES.items():
            password = passwords.read(context.settings.secrets, f"mongodb_{name}")
            try:
                client.admin.command("createUser", f"dropless_{name}", pwd=password, roles=roles)
            except OperationFailure:
                # An interrupted first start made it already.
                client.admin.command("updateUser", f"dropless_{name}", pwd=password, roles=roles)
    done.touch()


@contextmanager
def _open_server(context: Context) -> Iterator[MongoClient[dict[str, object]]]:
    log = context.settings.logs / "mongodb-1.first-start.log"
    with log.open("wb") as output:
        server = subprocess.Popen(_command(context), stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        client: MongoClient[dict[str, object]] = MongoClient(
            LOOPBACK, context.port("mongodb"), directConnection=True, serverSelectionTimeoutMS=1000
        )
        try:
            _answers(client)
            yield client
        finally:
            client.close()
            server.terminate()
            server.wait(timeout=30)


@retry(retry=retry_if_exception_type(PyMongoError), stop=stop_after_delay(60), wait=wait_fixed(0.2), reraise=True)
def _answers(client: MongoClient[dict[str, object]]) -> None:
    client.admin.command("ping")
