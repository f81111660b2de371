"""Our charts: valid to the API server's schemas, and each with a schema of its own that refuses mistakes."""

from __future__ import annotations

import json
from functools import cache

import jsonschema
import kubernetes_validate
import pytest
from charts import (
    OUR_CHARTS,
    contracts,
    everything,
    helm,
    installed,
    one,
)

from dropless.errors import DroplessError
from dropless.kubernetes import values
from dropless.kubernetes.installation import Installation
from dropless.kubernetes.releases import RELEASES
from dropless.kubernetes.values import CHARTS, FOLDER

KUBERNETES = "1.36"

# Their schemas are not the API server's own.
CUSTOM = ("kafka.strimzi.io", "postgresql.cnpg.io", "mongodbcommunity.mongodb.com", "keda.sh")


def test_everything_is_valid_to_the_api_servers_schemas(monkeypatch: pytest.MonkeyPatch) -> None:
    # It reads a megabyte of schemas for each object otherwise.
    monkeypatch.setattr(kubernetes_validate.utils, "schema_contents", cache(kubernetes_validate.utils.schema_contents))
    seen = set()
    for where, manifest in everything():
        if manifest["apiVersion"].startswith(CUSTOM):
            continue
        text = json.dumps({**manifest, "data": None} if manifest["kind"] == "Secret" else manifest, sort_keys=True)
        if text not in seen:
            seen.add(text)
            try:
                kubernetes_validate.validate(dict(manifest), KUBERNETES, strict=True)
            except kubernetes_validate.ValidationError as error:
                pytest.fail(f"{where}: {error.message}")


def test_a_misspelt_field_is_found() -> None:
    manifest = json.loads(json.dumps(one(installed()["zookeeper"], "StatefulSet")))
    manifest["spec"]["servicName"] = manifest["spec"].pop("serviceName")
    with pytest.raises(kubernetes_validate.ValidationError, match="servic"):
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


@pytest.mark.parametrize("chart", OUR_CHARTS)
def test_every_chart_has_a_schema_that_refuses_a_misspelt_value(chart: str) -> None:
    schema = json.loads((CHARTS / chart / "values.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    release = next(each for each in RELEASES if each.name == chart)
    told = values.values(release, Installation(), contracts())
    with pytest.raises(DroplessError, match="additional properties 'replcias' not allowed"):
        helm().template(release, "dropless", told | {"replcias": 5})


def test_what_a_chart_refuses_is_said_in_a_sentence() -> None:
    release = next(each for each in RELEASES if each.name == "zookeeper")
    told = values.values(release, Installation(), contracts())
    with pytest.raises(DroplessError, match=r"^Rendering zookeeper failed: values don't meet .*replicas"):
        helm().template(release, "dropless", told | {"replicas": 2})


def test_every_release_has_its_values_and_no_values_are_left_over() -> None:
    names = {each.name for each in RELEASES}
    assert {each.stem for each in FOLDER.glob("*.yaml")} == names
    assert {each.stem for each in (FOLDER / "laptop").glob("*.yaml")} <= names
    assert {each.name for each in CHARTS.iterdir() if each.is_dir()} == set(OUR_CHARTS) | {"common"}
