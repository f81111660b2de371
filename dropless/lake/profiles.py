"""Which lake, with which credentials: from arguments, the environment, a profile, or the platform on this machine."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dropless import names
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.lake.store import Store
from dropless.settings import Settings

FILE = "~/.config/dropless/lake.toml"
_TRUE = {"1", "true", "yes", "on"}


class Profile(BaseModel):
    """A lake and how to read it; in the file a table `[name]` with these keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    access_key: str | None = None
    secret_key: str | None = Field(default=None, repr=False)
    region: str = "us-east-1"
    bucket: str = names.LAKE_BUCKET
    personal: bool = False
    """Whether the credentials may read personal columns; without, the tables are read that have none."""

    @classmethod
    def load(cls, name: str | None, given: Mapping[str, str | bool | None]) -> Self:
        """What is given, completed from the profile of that name (or in `DROPLESS_LAKE_PROFILE`), then the environment.

        Raises:
            DroplessError: there is no such profile, or it is wrong.
        """
        name = name or os.environ.get("DROPLESS_LAKE_PROFILE")
        told: dict[str, object] = {key: value for key, value in _environment().items() if value is not None}
        if name is not None:
            told |= _profile(name)
        told |= {key: value for key, value in given.items() if value is not None}
        try:
            return cls.model_validate(told)
        except ValidationError as error:
            first = error.errors()[0]
            where = f"Profile {name!r} in {_file()}" if name else "The lake's settings"
            # Not the value: it may be a secret.
            raise DroplessError(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from None

    def store(self) -> Store:
        """The object store.

        Raises:
            DroplessError: an address without credentials, or no platform on this machine.
        """
        if self.endpoint is None:
            endpoints = Endpoints.load(Settings.load())
            return Store.reader(endpoints) if self.personal else Store.scientist(endpoints)
        if not self.access_key or not self.secret_key:
            raise DroplessError(
                f"No credentials for {self.endpoint}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                f"or `access_key` and `secret_key` of a profile in {FILE}."
            )
        found = Store(self.endpoint, self.region, self.access_key, self.secret_key, self.bucket)
        return found if self.personal else found.published()


def _environment() -> dict[str, str | bool | None]:
    personal = os.environ.get("DROPLESS_LAKE_PERSONAL")
    return {
        "endpoint": os.environ.get("DROPLESS_LAKE_ENDPOINT") or None,
        "access_key": os.environ.get("AWS_ACCESS_KEY_ID") or None,
        "secret_key": os.environ.get("AWS_SECRET_ACCESS_KEY") or None,
        "region": os.environ.get("AWS_REGION") or None,
        "bucket": os.environ.get("DROPLESS_LAKE_BUCKET") or None,
        "personal": None if personal is None else personal.lower() in _TRUE,
    }


def _file() -> Path:
    return Path(os.environ.get("DROPLESS_LAKE_PROFILES") or FILE).expanduser()


def _profile(name: str) -> dict[str, object]:
    path = _file()
    try:
        text = path.read_text()
        found = tomllib.loads(text)
    except FileNotFoundError:
        raise DroplessError(f"There is no profile {name!r}: {path} does not exist.") from None
    except tomllib.TOMLDecodeError as error:
        raise DroplessError(f"{path} is no TOML: {error}.") from None
    if path.stat().st_mode & 0o077:
        raise DroplessError(f"{path} can be read by others but holds secrets: `chmod 600 {path}`.")
    profile = found.get(name)
    if not isinstance(profile, dict):
        raise DroplessError(f"{path} has no profile {name!r}; it has: {', '.join(sorted(found)) or 'none'}.")
    return profile
