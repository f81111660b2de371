"""No secret where somebody could read it: each is made in the cluster, once, and named everywhere else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from charts import (
    contracts,
    helm,
    installed,
    manifests,
)

from dropless.kubernetes import secrets, values
from dropless.kubernetes.installation import Installation
from dropless.kubernetes.releases import RELEASES


def test_secrets_are_made_here_and_named_everywhere_else() -> None:
    made = {each["name"] for each in secrets.secrets(Installation())}
    # Strimzi makes these; and one is made by whoever has the licence.
    others = ("kafka-user-", "kafka-cluster-ca-cert", "lenses-licence")
    for name, release in installed().items():
        for secret in _referenced({"values": release.values, "manifests": release.manifests}):
            assert secret in made or secret.startswith(others), f"{name}: {secret}"


def _referenced(tree: Any) -> Iterator[str]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            if key in {"secretName", "passwordSecret", "existingSecret", "userSecret", "caSecret"} and value:
                yield from [value] if isinstance(value, str) else _referenced(value)
            elif (
                key in {"secretKeyRef", "secret", "passwordSecretRef"}
                and isinstance(value, Mapping)
                and "name" in value
            ):
                yield value["name"]
            else:
                yield from _referenced(value)
    elif isinstance(tree, list | tuple):
        for each in tree:
            yield from _referenced(each)


def test_nothing_secret_is_in_any_value_or_manifest() -> None:
    """Every password of a rendering is one of its Secrets' random ones, so those are looked for everywhere else."""
    for size in ("seed", "laptop"):
        of = installed(size)
        made = [each for each in manifests(of) if each["kind"] == "Secret"]
        encoded = {value for each in made for key, value in each["data"].items() if key not in {"username", "rootUser"}}
        assert len(encoded) >= 12
        rest = [each for each in manifests(of) if each["kind"] != "Secret"]
        text = yaml.safe_dump([rest, [dict(each.values) for each in of.values()]])
        assert not [each for each in encoded if each in text]


def test_no_value_looks_like_a_password() -> None:
    for name, release in installed().items():
        for path, value in _leaves(release.values):
            last = path.rsplit("/", 1)[-1].lower()
            if isinstance(value, str) and any(word in last for word in ("password", "secretkey", "jaas", "token")):
                # A Secret's name or key, or a variable that is taken from one.
                known = value in {"secretKey", "licence", "password", "pipeline"}
                assert known or value.startswith("${") or "-" in value, f"{name}: {path}"


def _leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _leaves(value, f"{path}/{key}")
    elif isinstance(tree, list):
        for number, value in enumerate(tree):
            yield from _leaves(value, f"{path}/{number}")
    else:
        yield path, tree


def test_passwords_are_random_and_kept() -> None:
    release = next(each for each in RELEASES if each.name == "foundation")
    told = values.values(release, Installation(), contracts())
    texts = [helm().template(release, "dropless", told) for _ in range(2)]
    first, second = (
        {each["metadata"]["name"]: each for each in yaml.safe_load_all(text) if each and each["kind"] == "Secret"}
        for text in texts
    )
    assert first.keys() == second.keys()
    for name, secret in first.items():
        assert secret["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
        for key, value in secret["data"].items():
            if key not in {"username", "rootUser"}:
                assert value != second[name]["data"][key]
                assert len(value) >= 40
    dagster = first["postgresql-dagster"]["data"]
    assert dagster["postgresql-password"] == dagster["password"]
