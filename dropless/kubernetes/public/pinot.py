"""Apache Pinot: its deep store, its users, our ZooKeeper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath as Path
from typing import Any, Final

from dropless.contract import Contract
from dropless.durability import PINOT_AUTHORITY, PINOT_JAAS
from dropless.kubernetes.addresses import Addresses
from dropless.kubernetes.installation import Installation
from dropless.names import PINOT_BUCKET

Json = dict[str, Any]
SECRET: Final = "pinot-users"  # noqa: S105 - the name of a Secret
# Each user's password is an environment variable, which a configuration file names: Pinot's `dynamic.env.config`.
USERS: Final = {
    "admin": "PINOT_ADMIN_PASSWORD",
    "pipeline": "PINOT_PIPELINE_PASSWORD",
    "analyst": "PINOT_ANALYST_PASSWORD",
}
TOKEN: Final = "PINOT_TOKEN"  # noqa: S105 - the same, of the header with which servers call the controller
_CALLS: Final = ("instance", "segment.fetcher", "segment.uploader")


def values(installation: Installation, _contracts: Sequence[Contract], at: Addresses) -> Json:
    """No password is in the configuration: those of the store come by the AWS SDK's variables."""
    controller = {
        "pinot.set.instance.id.to.hostname": "true",
        "controller.task.scheduler.enabled": "true",
        "controller.enable.split.commit": "true",
        "controller.local.temp.dir": "/var/pinot/controller/data/tmp",
        **_deep_store("pinot.controller", at),
        "controller.segment.fetcher.auth.token": TOKEN,
        **_users(
            "controller.admin.access.control", "org.apache.pinot.controller.api.access.BasicAuthAccessControlFactory"
        ),
    }
    broker = {
        "pinot.set.instance.id.to.hostname": "true",
        "pinot.query.server.port": "7321",
        "pinot.query.runner.port": "7732",
        "pinot.broker.enable.query.limit.override": "false",
        **_users("pinot.broker.access.control", "org.apache.pinot.broker.broker.BasicAuthAccessControlFactory"),
    }
    server = {
        "pinot.set.instance.id.to.hostname": "true",
        "pinot.server.instance.realtime.alloc.offheap": "true",
        "pinot.query.server.port": "7321",
        "pinot.query.runner.port": "7732",
        "pinot.server.instance.enable.split.commit": "true",
        "pinot.server.instance.currentDataTableVersion": "4",
        **_deep_store("pinot.server", at),
        **dict.fromkeys((f"pinot.server.{each}.auth.token" for each in _CALLS), TOKEN),
    }
    store = [
        _variable("AWS_SECRET_ACCESS_KEY", "minio-pinot", "secretKey"),
        {"name": "AWS_ACCESS_KEY_ID", "value": "dropless-pinot"},
    ]
    users = [_variable(variable, SECRET, user) for user, variable in USERS.items()]
    token = [_variable(TOKEN, SECRET, "pipelineToken")]
    kafka = [_variable(PINOT_JAAS, at.kafka.client("pinot")["userSecret"], "sasl.jaas.config")]
    persistence = _authority(at.kafka.ca_secret)
    return {
        "zookeeper": {"urlOverride": f"{at.zookeeper}/pinot"},
        "controller": {
            "data": {"dir": f"s3://{PINOT_BUCKET}/segments"},
            "extra": {"configs": _properties(controller)},
            # It looks at the topic's partitions.
            "extraEnv": [*store, *users, *token, *kafka],
            "persistence": {"storageClass": installation.storage_class, **persistence},
        },
        "broker": {"extra": {"configs": _properties(broker)}, "extraEnv": users},
        "server": {
            "extra": {"configs": _properties(server)},
            "extraEnv": [*store, *token, *kafka],
            "persistence": {"storageClass": installation.storage_class, **persistence},
        },
    }


def _authority(secret: str) -> Json:
    """Where whoever signed Kafka's certificates is known to Pinot's consumers."""
    if not secret:
        return {}
    return {
        "extraVolumes": [{"name": "kafka-ca", "secret": {"secretName": secret}}],
        "extraVolumeMounts": [{"name": "kafka-ca", "mountPath": str(Path(PINOT_AUTHORITY).parent), "readOnly": True}],
    }


def _deep_store(prefix: str, at: Addresses) -> dict[str, str]:
    return {
        f"{prefix}.storage.factory.class.s3": "org.apache.pinot.plugin.filesystem.S3PinotFS",
        f"{prefix}.storage.factory.s3.region": at.s3_region,
        f"{prefix}.storage.factory.s3.endpoint": at.s3,
        f"{prefix}.storage.factory.s3.disableAcl": "true",
        f"{prefix}.segment.fetcher.protocols": "file,http,s3",
        f"{prefix}.segment.fetcher.s3.class": "org.apache.pinot.common.utils.fetcher.PinotFSSegmentFetcher",
    }


def _users(prefix: str, factory: str) -> dict[str, str]:
    passwords = {f"{prefix}.principals.{user}.password": variable for user, variable in USERS.items()}
    return {
        f"{prefix}.class" if prefix.startswith("pinot") else f"{prefix}.factory.class": factory,
        f"{prefix}.principals": ",".join(USERS),
        **passwords,
        f"{prefix}.principals.analyst.permissions": "READ",
    }


def _variable(name: str, secret: str, key: str) -> Json:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def _properties(config: Mapping[str, str]) -> str:
    secret = [name for name, value in config.items() if value in {*USERS.values(), TOKEN}]
    config = {**config, "dynamic.env.config": ",".join(secret)} if secret else config
    return "\n".join(f"{name}={value}" for name, value in config.items())
