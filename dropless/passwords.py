"""Passwords: made once, kept in files that only their owner can read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from dropless.errors import DroplessError

# Each is a file of this name in the secrets folder; Connect reads the same files by its directory provider.
NAMES = (
    "postgresql_admin",
    "postgresql_replication",
    "postgresql_application",
    "mongodb_admin",
    "mongodb_replication",
    "mongodb_application",
    "minio_root",
    "minio_pipeline",
    "minio_pinot",
    "minio_reader",
    "minio_scientist",
)


def ensure(folder: Path) -> None:
    """Make every missing password; existing ones stay."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name in NAMES:
        path = folder / name
        if not path.exists():
            write(path, secrets.token_urlsafe(24))


def write(path: Path, text: str) -> None:
    """Write a secret so that no other user can read it at any moment, whole or not at all."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    fresh.replace(path)


def read(folder: Path, name: str) -> str:
    """The password of that name.

    Raises:
        DroplessError: it was never made.
    """
    try:
        return (folder / name).read_text().strip()
    except FileNotFoundError:
        raise DroplessError(f"There is no password {name!r} in {folder}: run `dropless up` first.") from None


def mask(folder: Path, text: str) -> str:
    """The text with every password of the folder blanked out, for what a system said about its configuration."""
    for path in folder.glob("*"):
        secret = path.read_text().strip() if path.is_file() else ""
        if secret:
            text = text.replace(secret, "***")
    return text
