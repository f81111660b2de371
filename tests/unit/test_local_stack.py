"""What the embedded platform generates, and how it guards its start."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from dropless import durability, passwords
from dropless.errors import DroplessError
from dropless.settings import PROJECT, Settings, Topology
from local_stack import ports_in_use, systems, toolchain
from local_stack.context import Context
from local_stack.install import Installation
from local_stack.process import ConfigFile, Process, password
from local_stack.supervisor import Supervisor, program
from local_stack.toolchain import Java
from local_stack.versions import COMPONENTS, Jars, Packages


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "s", tmp_path / "cache", PROJECT / "pipeline_assets" / "defs", 17000, Topology.COMPACT)


def context_of(settings: Settings) -> Context:
    folders = {each.name: settings.cache / each.name for each in COMPONENTS}
    return Context(settings, Installation(Java("/usr/bin/java", "17.0.15"), folders))


def text_of(processes: list[Process], name: str) -> str:
    return "".join(file.text for process in processes if process.name == name for file in process.files)


@pytest.mark.parametrize(
    ("topology", "counts"),
    [
        (
            Topology.COMPACT,
            {"kafka": 4, "kafka_connect": 1, "schema_registry": 1, "zookeeper": 1, "pinot": 1, "minio": 1},
        ),
        (Topology.FULL, {"kafka": 6, "kafka_connect": 2, "schema_registry": 2, "zookeeper": 3, "pinot": 5, "minio": 2}),
    ],
)
def test_each_topology_has_its_node_counts(settings: Settings, topology: Topology, counts: dict[str, int]) -> None:
    processes = systems.processes(context_of(replace(settings, topology=topology)))
    found = {system: sum(process.system == system for process in processes) for system in counts}
    assert found == counts


@pytest.mark.parametrize("topology", list(Topology))
def test_no_port_is_used_twice(settings: Settings, topology: Topology) -> None:
    processes = systems.processes(context_of(replace(settings, topology=topology)))
    ports = [port for process in processes for port in process.ports.values()]
    assert len(ports) == len(set(ports))


def test_every_broker_runs_with_the_durability_table(settings: Settings) -> None:
    processes = systems.processes(context_of(settings))
    for node in (1, 2, 3):
        lines = text_of(processes, f"kafka-broker-{node}").splitlines()
        assert {f"{name}={value}" for name, value in durability.broker().items()} <= set(lines)


def test_no_password_is_in_a_command_or_in_what_is_compared(settings: Settings) -> None:
    passwords.ensure(settings.secrets)
    secrets = [passwords.read(settings.secrets, name) for name in passwords.NAMES]
    for process in systems.processes(context_of(settings)):
        shown = program(process, 1, settings) + repr(process)
        assert not [secret for secret in secrets if secret in shown]


def test_a_generated_file_holds_the_password_and_is_closed_to_others(settings: Settings) -> None:
    passwords.ensure(settings.secrets)
    file = ConfigFile(settings.config / "server.conf", f"secret={password('minio_pinot')}\n")
    assert file.found_digest() is None
    file.write(settings.secrets)
    assert file.path.read_text() == f"secret={passwords.read(settings.secrets, 'minio_pinot')}\n"
    assert file.path.stat().st_mode & 0o077 == 0
    assert file.found_digest() == file.digest
    file.path.write_text("changed by hand")
    assert file.found_digest() is None


def test_a_port_in_use_is_named_with_a_way_out(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = Process("postgresql", "postgresql-1", ("postgres",), ports={"PostgreSQL": port})
        with pytest.raises(DroplessError) as raised:
            ports_in_use.check([process], settings)
    sentence = str(raised.value)
    assert sentence.startswith(f"Port {port}, which PostgreSQL needs, is in use by ")
    assert "DROPLESS_PORT_BASE=18000 dropless up" in sentence
    ports_in_use.check([process], settings)


@pytest.mark.parametrize(
    ("said", "found"), [("1.8.0_392", False), ("11.0.2", False), ("17", True), ("21.0.8", True), ("nonsense", False)]
)
def test_a_java_that_is_too_old_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, *, found: bool
) -> None:
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{said}\" 2025-04-15' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    toolchain.own_java.cache_clear()
    try:
        own = toolchain.own_java()
    finally:
        toolchain.own_java.cache_clear()
    assert (own is not None) is found
    if own:
        assert own == Java(str(java), said)


def test_a_long_state_folder_still_has_a_short_socket(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Supervisor(settings).socket.is_relative_to(settings.state) or len(str(settings.state)) > 70
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp")
    far = replace(settings, state=settings.state / ("x" * 100))
    chosen = Supervisor(far).socket
    try:
        assert len(str(chosen)) < 92
        assert chosen.parent.stat().st_mode & 0o077 == 0
    finally:
        chosen.parent.rmdir()


def test_clients_stop_before_brokers_and_brokers_before_controllers() -> None:
    names = ["kafka-controller-1", "kafka-broker-1", "dagster-code-1", "pinot-1", "union-orders-0", "minio-1"]
    assert systems.stop_waves(names) == [
        ["dagster-code-1", "union-orders-0"],
        ["pinot-1"],
        ["kafka-broker-1"],
        ["kafka-controller-1", "minio-1"],
    ]


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda each: each.name)
def test_everything_is_pinned_by_a_digest(component: object) -> None:
    digest = r"[0-9a-f]{64}"
    match component:
        case Jars():
            lines = component.lock.read_text().splitlines()
            assert lines
            assert all(re.fullmatch(rf"{digest}  \S+\.jar", line) for line in lines)
        case Packages():
            text = component.lock.read_text()
            pinned = re.findall(r"^\S+==\S+", text, re.MULTILINE)
            assert pinned
            assert all(
                re.search(rf"^{re.escape(each)}.*\\\n\s+--hash=sha256:{digest}", text, re.MULTILINE) for each in pinned
            )
        case _:
            # A Go module's version has its commit; Go's checksum database has its digest.
            assert re.fullmatch(digest, getattr(component, "sha256", "0" * 64))
