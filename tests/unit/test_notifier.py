"""Alerts reach a real HTTP server and a real mail server, and a channel that is away is told of."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as Handler

from dropless.alerts import Alert, Problem
from dropless.errors import DroplessError
from resources.notifier import Channels, Email, Notifier

ALERT = Alert(
    Problem("platform/kafka:all_in_sync", "platform/kafka: all in sync: no", "topic ü"), over=False, since=0.0
)
OVER = Alert(ALERT.problem, over=True, since=0.0)


class Hook:
    """A webhook on a port of its own; it answers with `status`."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, str]] = []
        self.status = 200
        hook = self

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Receiver)
        self.url = f"http://127.0.0.1:{self.server.server_port}/secret-path"


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    threading.Thread(target=made.server.serve_forever, daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


class Mailbox(Handler):
    """Keeps what is delivered."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Message] = []

    def handle_message(self, message: Message) -> None:
        self.messages.append(message)


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, port
    controller.stop()


def test_a_webhook_gets_what_a_chat_shows_and_what_a_machine_reads(hook: Hook) -> None:
    send = Notifier(Channels(webhook=hook.url), "http://dagster").senders["webhook"]
    send(ALERT)
    send(OVER)
    first, second = hook.bodies
    assert first["text"] == "[dropless] platform/kafka: all in sync: no\ntopic ü"
    assert (first["id"], first["state"], first["link"]) == (ALERT.problem.id, "raised", "http://dagster")
    assert first["since"] == "1970-01-01T00:00:00+00:00"
    assert second["state"] == "over"


def test_a_webhook_that_refuses_is_told_of_without_its_url(hook: Hook) -> None:
    hook.status = 500
    with pytest.raises(DroplessError, match=r"HTTP 500") as refused:
        Notifier(Channels(webhook=hook.url)).senders["webhook"](ALERT)
    assert "secret-path" not in str(refused.value)
    hook.server.shutdown()
    hook.server.server_close()
    with pytest.raises(DroplessError) as away:
        Notifier(Channels(webhook=hook.url)).senders["webhook"](ALERT)
    assert "secret-path" not in str(away.value)


def test_an_e_mail_is_delivered_to_everybody(mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    email = Email(host="127.0.0.1", port=port, sender="dropless@example.org", to=("a@example.org", "b@example.org"))
    Notifier(Channels(email=email), "http://dagster").senders["email"](ALERT)
    [message] = box.messages
    again = message_from_bytes(message.as_bytes())
    assert again["Subject"] == "[dropless] platform/kafka: all in sync: no"
    assert again["X-RcptTo"] == "a@example.org, b@example.org"
    text = again.get_payload(decode=True)
    assert isinstance(text, bytes)
    assert "topic ü" in text.decode()


def test_a_mail_server_that_is_away_is_told_of(mailbox: tuple[Mailbox, int]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    email = Email(host="127.0.0.1", port=port, sender="dropless@example.org", to=("a@example.org",))
    with pytest.raises(DroplessError, match="takes no alert"):
        Notifier(Channels(email=email)).senders["email"](ALERT)


def test_channels_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "alerts.toml"
    assert set(Notifier(Channels.load(file)).senders) == {"log"}
    file.write_text('webhook = "http://x/"\n[email]\nhost = "mail"\nsender = "a@b"\nto = ["c@d"]\n')
    assert set(Notifier(Channels.load(file)).senders) == {"log", "webhook", "email"}


@pytest.mark.parametrize(("text", "reason"), [("webhook = ", "not TOML"), ('web = "secret"', "web: Extra inputs")])
def test_a_wrong_file_is_told_of_without_what_is_in_it(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "alerts.toml"
    file.write_text(text)
    with pytest.raises(DroplessError, match=reason) as wrong:
        Channels.load(file)
    assert "secret" not in str(wrong.value)
