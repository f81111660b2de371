"""The lake writer of one table: `python -m dropless.lake.writer --table orders`."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from dropless import durability, logs, names
from dropless.contract import Contract
from dropless.declared import applied, contract_digest, declared
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.lake.fault_points import FAULTS
from dropless.lake.loop import RETRY_SECONDS, LakeWriter
from dropless.lake.status import Status
from dropless.lake.store import Store, probe_conditional_put
from dropless.settings import Settings
from dropless.statusserver import StatusServer
from dropless.stopping import on_stop

log = structlog.get_logger()


def run(contract: Contract, endpoints: Endpoints, status_port: int) -> None:
    """Write a table's changes to the lake until SIGTERM or SIGINT."""
    reached = FAULTS.reached(os.environ)
    stop = threading.Event()

    def finish(signal_name: str) -> None:
        log.info("stopping", signal=signal_name)
        stop.set()

    on_stop(finish)

    group = names.lake_group(contract.name)
    status = Status(
        table=contract.name,
        contract_digest=contract_digest(contract),
        consumer=durability.positioned_consumer(endpoints, group, group),
    )
    server = StatusServer(status_port, status.snapshot)
    log.info("started", table=contract.name, status_port=server.port)
    store = Store.pipeline(endpoints)
    _probe(store, status, stop)
    LakeWriter(contract, store, status, stop, reached).run()
    log.info("stopped")


def _probe(store: Store, status: Status, stop: threading.Event) -> None:
    status.state = "probing the object store"
    told = ""
    while not stop.is_set():
        try:
            probe_conditional_put(store)
        except (BotoCoreError, ClientError) as error:
            if str(error) != told:
                log.warning("waiting for the object store", detail=str(error))
                told = status.detail = str(error)
            stop.wait(RETRY_SECONDS)
        else:
            return


def main() -> None:
    """Run a lake writer; exit code 1 with one sentence in the log when it cannot go on."""
    parser = argparse.ArgumentParser(prog="python -m dropless.lake.writer", description=__doc__)
    parser.add_argument("--table", required=True)
    parser.add_argument("--contract", type=Path, help="the file with the applied contract; else what is declared")
    parser.add_argument("--status-port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--s3", help="where the object store answers, if not where the platform's does")
    arguments = parser.parse_args()
    logs.configure(f"lake_writer.{arguments.table}")
    settings = Settings.load()
    try:
        contract = applied(arguments.contract) if arguments.contract else declared(settings, arguments.table)
        endpoints = Endpoints.load(settings)
        if arguments.s3:
            endpoints = replace(endpoints, s3=arguments.s3)
        run(contract, endpoints, arguments.status_port)
    except DroplessError as error:
        log.critical(str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
