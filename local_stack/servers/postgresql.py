"""PostgreSQL 17 with logical decoding: the example's sources.

It refuses to run as root. Started by root, it runs as `nobody`, which owns its data; its home is then
elsewhere if `nobody` may not reach the state folder.
"""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

from dropless import passwords
from dropless.errors import DroplessError
from dropless.settings import LOOPBACK, Settings
from local_stack.commands import run
from local_stack.context import Context
from local_stack.process import ConfigFile, Process, short_digest
from local_stack.versions import POSTGRESQL

SYSTEM = "postgresql"
NAME = "postgresql-1"
SUPERUSER = "dropless_admin"
ROLES = {
    SUPERUSER: "superuser",
    "dropless_replication": "replication nosuperuser nocreatedb nocreaterole",
    "dropless_application": "noreplication nosuperuser nocreatedb nocreaterole",
}
# A statement that fails is not written to the log with the password in it.
QUIET = ("-c", "log_min_error_statement=panic")
UNPRIVILEGED = "nobody"
# Where things of root's lie that another user must reach.
SHARED_ROOT = Path("/var/lib/dropless")


def processes(context: Context) -> list[Process]:
    """One server."""
    home = data_home(context.settings)
    port = context.port("postgresql")
    config = home / "config" / "postgresql.conf"
    access = home / "config" / "pg_hba.conf"
    return [
        Process(
            system=SYSTEM,
            name=NAME,
            argv=(
                str(_binaries(context) / "bin" / "postgres"),
                *("-D", str(home / "data"), "-c", f"config_file={config}", "-c", f"hba_file={access}"),
            ),
            environment={"LC_ALL": "C", "TZ": "UTC"},
            files=(
                ConfigFile(config, _settings(port)),
                # Passwords only, on loopback only; replication connections are their own line.
                ConfigFile(
                    access,
                    f"host all all {LOOPBACK}/32 scram-sha-256\nhost replication all {LOOPBACK}/32 scram-sha-256\n",
                ),
            ),
            ports={"PostgreSQL": port},
            directory=home,
            user=_user(),
            # Fast shutdown: open connections are ended instead of being waited for.
            stop_signal="INT",
        )
    ]


def _settings(port: int) -> str:
    settings = {
        "listen_addresses": f"'{LOOPBACK}'",
        "port": port,
        "unix_socket_directories": "''",
        "password_encryption": "'scram-sha-256'",
        "wal_level": "logical",
        "max_replication_slots": 64,
        "max_wal_senders": 64,
        # A slot that nobody reads may hold this much; more would fill the disk.
        "max_slot_wal_keep_size": "'8GB'",
        "max_wal_size": "'512MB'",
        "max_connections": 200,
        "shared_buffers": "'64MB'",
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
        "log_destination": "'stderr'",
        "log_line_prefix": "'%m [%p] %u@%d '",
        "log_statement": "'none'",
        "dynamic_shared_memory_type": "posix",
    }
    return "".join(f"{name} = {value}\n" for name, value in settings.items())


def prepare(context: Context, process: Process) -> None:
    """Make the cluster, once; see to its roles and their passwords at every start."""
    home = process.directory
    if home.is_relative_to(SHARED_ROOT):
        for folder in (SHARED_ROOT, home.parent):
            folder.chmod(0o711)
    for path in (home, process.files[0].path.parent, *(file.path for file in process.files)):
        _own(path)
    binaries = _binaries(context)
    if not binaries.is_dir():
        shutil.copytree(context.software.folder(POSTGRESQL), binaries)
    log = context.settings.logs / f"{NAME}.prepare.log"
    if not (home / "data").exists():
        # initdb removes what it made when it fails, but not when it is killed.
        fresh = home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        # Its own access rules let nobody in: the generated ones count, and the roles get passwords below.
        run(
            [
                str(binaries / "bin" / "initdb"),
                *("-D", str(fresh), "--username", SUPERUSER, "--auth=reject"),
                *("--encoding=UTF8", "--locale=C", "--data-checksums"),
            ],
            what="Making the PostgreSQL cluster",
            log=log,
            environment=process.environment,
            user=_user(),
            cwd=home,
        )
        fresh.rename(home / "data")
    # Single-user mode: no listener is open before the superuser has a password.
    answer = run(
        [str(binaries / "bin" / "postgres"), "--single", *process.argv[1:], *QUIET, "postgres"],
        what="Making the PostgreSQL roles",
        log=log,
        environment=process.environment,
        user=_user(),
        cwd=home,
        stdin=roles(context.settings.secrets),
    )
    if "ERROR:" in answer:
        raise DroplessError(f"Making the PostgreSQL roles failed: {log} has the details.")


def roles(secrets: Path) -> str:
    """The statements, one a line, that make the three roles as they must be; repeating them changes nothing."""
    lines = []
    for role, rights in ROLES.items():
        password = passwords.read(secrets, f"postgresql_{role.removeprefix('dropless_')}")
        exists = f"select from pg_roles where rolname = '{role}'"
        lines.append(f"do $$ begin if not exists ({exists}) then create role {role}; end if; end $$")
        lines.append(f"alter role {role} login {rights} password {_literal(password)}")
    return "".join(f"{line}\n" for line in lines)


def data_home(settings: Settings) -> Path:
    """Where PostgreSQL lives: in the state folder if the user that it runs as can get there."""
    inside = settings.data / "postgresql"
    if _user() is None or _reachable(settings.state):
        return inside
    return SHARED_ROOT / short_digest(str(settings.state)) / "postgresql"


def _binaries(context: Context) -> Path:
    cached = context.software.folder(POSTGRESQL)
    if _user() is None or _reachable(cached):
        return cached
    return data_home(context.settings) / f"software-{cached.name}"


def _user() -> str | None:
    return UNPRIVILEGED if os.geteuid() == 0 else None


def _reachable(folder: Path) -> bool:
    """Whether every existing folder on the way lets everybody through."""
    return all(path.stat().st_mode & 0o001 for path in [folder, *folder.parents] if path.exists())


def _own(path: Path) -> None:
    user = _user()
    if user:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _literal(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
