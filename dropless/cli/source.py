"""`dropless source`: one of the example's databases, by hand."""

from __future__ import annotations

import json
import os
import shutil
from typing import Annotated

import psycopg
import typer
from bson import json_util
from pymongo.errors import PyMongoError

from dropless import databases, passwords
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.example import marketplace, store, webshop
from dropless.settings import Settings

_POSTGRESQL = {"store": store.DATABASE, "webshop": webshop.DATABASE}
_MONGODB = {"marketplace": marketplace.DATABASE}


def source(
    name: Annotated[str, typer.Argument(help="store, webshop or marketplace.")],
    *,
    run: Annotated[str | None, typer.Option(help="A statement (PostgreSQL) or a command document (MongoDB).")] = None,
) -> None:
    """Open psql on one of the example's databases, or run one statement there.

    A row or a reply is printed as JSON.

    Example: dropless source store --run "update orders set state = 'P' where id = 7"

    Example: dropless source marketplace --run '{"find": "orders", "limit": 1}'
    """
    endpoints = Endpoints.local(Settings.load())
    if name in _POSTGRESQL and run is None:
        _psql(endpoints, _POSTGRESQL[name])
    elif name in _POSTGRESQL:
        _statement(endpoints, _POSTGRESQL[name], run or "")
    elif name in _MONGODB and run is not None:
        _command(endpoints, _MONGODB[name], run)
    elif name in _MONGODB:
        raise DroplessError(
            f"Say what to run in {name!r}, for example: dropless source {name} "
            """--run '{"update": "orders", "updates": [{"q": {}, "u": {"$set": {"status": "paid"}}}]}'."""
        )
    else:
        raise DroplessError(f"There is no source {name!r}; the example has {', '.join([*_POSTGRESQL, *_MONGODB])}.")


def _psql(endpoints: Endpoints, database: str) -> None:
    if shutil.which("psql") is None:
        raise DroplessError(f"psql is not installed: give a statement, as in `dropless source {database} --run ...`.")
    # A password file is read by psql alone; arguments are seen by every user, variables by every child.
    file = endpoints.secrets / "pgpass"
    secret = passwords.read(endpoints.secrets, "postgresql_application")
    escaped = secret.replace("\\", "\\\\").replace(":", "\\:")
    host, port, user = endpoints.postgresql_host, str(endpoints.postgresql_port), "dropless_application"
    passwords.write(file, f"{host}:{port}:*:{user}:{escaped}\n")
    arguments = ["psql", "--no-password", f"--host={host}", f"--port={port}", f"--username={user}", database]
    os.execvpe("psql", arguments, os.environ | {"PGPASSFILE": str(file)})  # noqa: S606 - psql takes over the terminal


def _statement(endpoints: Endpoints, database: str, statement: str) -> None:
    try:
        with databases.postgresql(endpoints, database) as connection:
            cursor = connection.execute(statement.encode())
            if cursor.description is None:
                typer.echo(cursor.statusmessage)
                return
            names = [column.name for column in cursor.description]
            for row in cursor:
                typer.echo(json.dumps(dict(zip(names, row, strict=True)), default=str, ensure_ascii=False))
    except psycopg.Error as error:
        raise DroplessError(f"{database} refused: {str(error).strip().splitlines()[0]}") from error


def _command(endpoints: Endpoints, database: str, text: str) -> None:
    try:
        command = json_util.loads(text)
    except ValueError as error:
        raise DroplessError(f"The command is not a JSON document: {error}.") from error
    if not isinstance(command, dict) or not command:
        raise DroplessError('The command must be a JSON document that names what to do, as {"find": "orders"}.')
    try:
        with databases.mongodb(endpoints) as client:
            reply = client[database].command(command)
    except PyMongoError as error:
        raise DroplessError(f"{database} refused: {str(error).splitlines()[0]}") from error
    shown = {name: value for name, value in reply.items() if not name.startswith(("$", "operationTime"))}
    typer.echo(json_util.dumps(shown, json_options=json_util.RELAXED_JSON_OPTIONS, indent=2, ensure_ascii=False))
