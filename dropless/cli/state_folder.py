"""The state folder as a whole: claimed by `dropless up`, removed by `dropless down --wipe`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from dropless.errors import DroplessError
from dropless.settings import Settings
from local_stack.cache import exclusive
from local_stack.process import short_digest
from local_stack.servers import postgresql
from local_stack.supervisor import Supervisor


def claim(settings: Settings) -> None:
    """See that the state folder is ours, and was made with this topology and these ports: its data depends on both.

    Raises:
        DroplessError: it is not; nothing was changed.
    """
    _ours(settings)
    if settings.port_base_file.exists():
        for what, file, now in (
            ("topology", settings.topology_file, settings.topology.value),
            ("first port", settings.port_base_file, str(settings.port_base)),
        ):
            before = file.read_text().strip()
            if before != now:
                raise DroplessError(
                    f"{settings.state} was made with the {what} {before}, not {now}: run `dropless down --wipe` first, "
                    "or keep another installation beside it with DROPLESS_STATE and DROPLESS_PORT_BASE."
                )
    settings.state.mkdir(parents=True, exist_ok=True)
    settings.topology_file.write_text(settings.topology.value)


def _ours(settings: Settings) -> None:
    """See that the state folder holds nothing, or an installation."""
    foreign = settings.state.is_dir() and any(settings.state.iterdir()) and not settings.topology_file.exists()
    if foreign:
        raise DroplessError(
            f"{settings.state} is not empty and holds no Dropless installation: "
            "choose another folder in DROPLESS_STATE."
        )


def wipe(settings: Settings, supervisor: Supervisor) -> None:
    """Remove the state folder, and what of an installation had to be put elsewhere."""
    _ours(settings)
    elsewhere = postgresql.data_home(settings)
    if not elsewhere.is_relative_to(settings.state):
        shutil.rmtree(elsewhere.parent, ignore_errors=True)
    if not supervisor.socket.is_relative_to(settings.state):
        shutil.rmtree(supervisor.socket.parent)
    if settings.state.is_dir():
        shutil.rmtree(settings.state)


@contextmanager
def lock(settings: Settings) -> Iterator[None]:
    """Let one `up` or `down` work on an installation at a time.

    Raises:
        Busy: another one does.
    """
    # In the cache, so that the state folder can be wiped under the lock.
    name = f"up-{short_digest(str(settings.state))}.lock"
    with exclusive(settings.cache / "locks" / name, "`dropless up` or `dropless down`"):
        yield
