"""What one supervised process is: its command, its generated files, its ports."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dropless import passwords


@dataclass(frozen=True)
class ConfigFile:
    """A generated file; where a password belongs, the text has a reference to it.

    So what must exist is known without reading a password; `write` puts them in, and only then the
    file is closed to other users.
    """

    path: Path
    text: str

    @property
    def digest(self) -> str:
        """A short hash of the content, with passwords as references."""
        return short_digest(self.text)

    def found_digest(self) -> str | None:
        """The digest of what was written last, or None if the file was never written or changed since."""
        try:
            digest, of = self._note.read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return digest if self.path.is_file() and _file_digest(self.path) == of else None

    @property
    def _note(self) -> Path:
        return self.path.with_name(f".{self.path.name}.digest")

    def write(self, secrets: Path) -> None:
        """Write the file with its passwords put in, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        passwords.write(self.path, _REFERENCE.sub(lambda match: passwords.read(secrets, match[1]), self.text))
        passwords.write(self._note, f"{self.digest} {_file_digest(self.path)}")


_REFERENCE = re.compile(r"\$\{password:(\w+)\}")


def password(name: str) -> str:
    """A reference to a password in a generated file."""
    return f"${{password:{name}}}"


@dataclass(frozen=True)
class Process:
    """One program of supervisord.

    Its command and environment never hold a password: those are in its files.
    """

    system: str
    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    files: tuple[ConfigFile, ...] = ()
    # By what the port is for, to be named when it is taken.
    ports: Mapping[str, int] = field(default_factory=dict)
    directory: Path = Path("/")
    # The user to run as when we are root; None keeps ours.
    user: str | None = None
    # Which unified table it works for, if it is one of ours.
    table: str | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 20

    @property
    def command_digest(self) -> str:
        """A short hash of everything that needs a restart when it changes, apart from the files."""
        what = [list(self.argv), dict(self.environment), str(self.directory), self.user]
        return short_digest(json.dumps(what, sort_keys=True))


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def short_digest(text: str) -> str:
    """Sixteen hexadecimal digits of a SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def properties(values: Mapping[str, str | int]) -> str:
    """A Java properties file."""
    return "".join(f"{name}={str(value).replace(chr(92), chr(92) * 2)}\n" for name, value in values.items())
