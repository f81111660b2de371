"""`dropless kubernetes`, as a person and a program call it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from dropless.cli import build
from dropless.errors import DroplessError
from dropless.kubernetes.releases import RELEASES


def told(*arguments: str) -> str:
    done = CliRunner().invoke(build(["kubernetes"]), ["kubernetes", *arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_releases_are_listed_in_their_order() -> None:
    lines = json.loads(told("releases", "--json"))
    assert [each["name"] for each in lines] == [each.name for each in RELEASES]
    assert all(each["why"] for each in lines)
    kafka = next(each for each in lines if each["name"] == "kafka")
    assert kafka["awaits"] == ["kafkas.kafka.strimzi.io/kafka", "kafkaconnects.kafka.strimzi.io/kafka-connect"]
    assert "zookeeper" in told("releases")


def test_sizes_add_up() -> None:
    lines = {each["release"]: each for each in json.loads(told("sizes", "--laptop", "--json"))}
    everything = lines.pop("all")
    for name in ("pods", "cpu", "memory", "memory_limit", "disk"):
        assert everything[name] == pytest.approx(sum(each[name] for each in lines.values()))
    assert everything["memory"] < 12e9


def test_the_specification_is_shown_row_by_row() -> None:
    lines = {each["service"]: each for each in json.loads(told("specification", "--json"))}
    assert len(lines) == 11
    assert lines["kafka"]["volumes"] == ["6 x 1Ti log"]
    assert lines["zookeeper"]["cpu"] == "2-4"
    assert lines["rest-proxy"]["buffers"] == ["512Mi producer", "16Mi consumer"]


def test_values_are_those_that_helm_is_given(tmp_path: Path) -> None:
    file = tmp_path / "installation.yaml"
    file.write_text("{values: {ksqldb: {replicas: 4}}}")
    values = yaml.safe_load(told("values", "ksqldb", "--installation", str(file)))
    assert values["replicas"] == 4
    assert values["configuration"]["ksql.streams.processing.guarantee"] == "exactly_once_v2"
    assert json.loads(told("values", "ksqldb", "--installation", str(file), "--json")) == values


def test_what_is_rendered_shows_no_password() -> None:
    found = list(yaml.safe_load_all(told("render", "foundation")))
    data = [value for each in found if each["kind"] == "Secret" for value in each["data"].values()]
    assert data
    assert set(data) == {"(made in the cluster)"}


def test_a_release_that_there_is_not_is_named() -> None:
    with pytest.raises(DroplessError, match="no release 'kafak'; it has foundation, "):
        told("values", "kafak")


def test_a_public_chart_is_not_fetched_unasked() -> None:
    with pytest.raises(DroplessError, match="--public fetches it"):
        told("render", "minio")
