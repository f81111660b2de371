"""Processes of ours, found without asking supervisord, since it may have been killed."""

from __future__ import annotations

from collections.abc import Sequence

import psutil

from dropless.settings import Settings
from local_stack.supervisor import NAME_MARK, STATE_MARK
from local_stack.systems import stop_waves


def end_all(settings: Settings, patience_seconds: float) -> int:
    """End every process of this installation, in the order of stopping; how many there were.

    Args:
        settings: of the installation.
        patience_seconds: how long each group may take before it is killed.
    """
    found = marked(settings)
    by_name: dict[str, list[psutil.Process]] = {}
    for process in found:
        by_name.setdefault(_mark(process, NAME_MARK), []).append(process)
    for wave in stop_waves(by_name):
        end([process for name in wave for process in by_name[name]], patience_seconds)
    return len(found)


def marked(settings: Settings) -> list[psutil.Process]:
    """Every process that we supervise, and whatever such a process started, by its environment."""
    return [process for process in psutil.process_iter() if _mark(process, STATE_MARK) == str(settings.state)]


def end(processes: Sequence[psutil.Process], patience_seconds: float) -> None:
    """End processes; kill those that still run when patience is over."""
    for process in processes:
        if process.is_running():
            process.terminate()
    _, stubborn = psutil.wait_procs(processes, timeout=patience_seconds)
    for process in stubborn:
        process.kill()
    psutil.wait_procs(stubborn, timeout=10)


def _mark(process: psutil.Process, name: str) -> str:
    try:
        return process.environ().get(name, "")
    except psutil.Error:
        # It has ended, or is another user's.
        return ""
