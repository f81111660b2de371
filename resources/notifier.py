"""Alerts to people: into the log, to a webhook, by e-mail."""

from __future__ import annotations

import logging
import smtplib
import ssl
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from dropless.alerts import Alert
from dropless.errors import DroplessError

SEND_SECONDS = 5.0

log = logging.getLogger("dropless.alerts")


class Email(BaseModel):
    """A mail server and who gets the alerts; the password is in a file of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    port: int = 25
    sender: str
    to: tuple[str, ...]
    starttls: bool = False
    user: str | None = None
    password_file: Path | None = None


class Channels(BaseModel):
    """Where alerts go beside the log; a webhook's URL may be a secret, so this is in no repository."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    webhook: str | None = None
    email: Email | None = None

    @classmethod
    def load(cls, file: Path) -> Channels:
        """The channels that a TOML file names; none without the file.

        Raises:
            DroplessError: the file is wrong; the sentence repeats nothing that is in it.
        """
        if not file.is_file():
            return cls()
        try:
            return cls.model_validate(tomllib.loads(file.read_text()))
        except tomllib.TOMLDecodeError as error:
            raise DroplessError(f"{file} is not TOML: {error}.") from None
        except ValidationError as error:
            places = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            raise DroplessError(f"{file} is wrong: {places}.") from None


class Notifier:
    """Sends alerts, each channel on its own: one that fails does not hold up the others."""

    def __init__(self, channels: Channels, link: str = "") -> None:
        self._channels = channels
        self._link = link

    @property
    def senders(self) -> dict[str, Callable[[Alert], None]]:
        """Every channel by name; a sender raises `DroplessError` when the alert was not taken."""
        senders: dict[str, Callable[[Alert], None]] = {"log": self._log}
        if self._channels.webhook:
            senders["webhook"] = self._post
        if self._channels.email:
            senders["email"] = self._mail
        return senders

    def _log(self, alert: Alert) -> None:
        log.log(logging.INFO if alert.over else logging.ERROR, "%s: %s", subject(alert), alert.problem.detail)

    def _post(self, alert: Alert) -> None:
        body = {
            # Slack, Mattermost and Teams show `text`; the rest is for machines.
            "text": f"{subject(alert)}\n{alert.problem.detail}",
            "id": alert.problem.id,
            "state": "over" if alert.over else "raised",
            "since": datetime.fromtimestamp(alert.since, UTC).isoformat(),
            "link": self._link,
        }
        try:
            httpx.post(self._channels.webhook or "", json=body, timeout=SEND_SECONDS).raise_for_status()
        except httpx.HTTPStatusError as error:
            raise DroplessError(f"The webhook refused an alert (HTTP {error.response.status_code}).") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Its URL may be a secret, and httpx repeats it in some errors.
            raise DroplessError(f"The webhook takes no alert: {type(error).__name__}.") from None

    def _mail(self, alert: Alert) -> None:
        server = self._channels.email
        if server is None:
            return
        message = EmailMessage()
        message["Subject"] = subject(alert)
        message["From"], message["To"] = server.sender, ", ".join(server.to)
        began = datetime.fromtimestamp(alert.since, UTC).isoformat(timespec="seconds")
        message.set_content(f"{alert.problem.detail}\n\nSince {began}.\n{self._link}\n")
        try:
            with smtplib.SMTP(server.host, server.port, timeout=SEND_SECONDS) as connection:
                if server.starttls:
                    connection.starttls(context=ssl.create_default_context())
                if server.user:
                    connection.login(
                        server.user, server.password_file.read_text().strip() if server.password_file else ""
                    )
                connection.send_message(message)
        except (smtplib.SMTPException, OSError) as error:
            raise DroplessError(f"The mail server {server.host}:{server.port} takes no alert: {error}.") from None


def subject(alert: Alert) -> str:
    """One line: what it is about, and whether it begins or is over."""
    return f"[dropless] {'Over: ' if alert.over else ''}{alert.problem.title}"
