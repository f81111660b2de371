"""What an installation on Kubernetes is told by its user: one YAML file, all of it optional."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dropless.errors import DroplessError

System = Literal[
    "zookeeper",
    "kafka",
    "kafka-connect",
    "schema-registry",
    "rest-proxy",
    "ksqldb",
    "postgresql",
    "mongodb",
    "pinot",
    "minio",
    "lenses",
    "dagster",
]
SYSTEMS: Final[tuple[System, ...]] = get_args(System)
Dns = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

# What an external system is told beside its address.
_ONLY_FOR: Final[dict[str, str]] = {
    "protocol": "kafka",
    "mechanism": "kafka",
    "ca_secret": "kafka",
    "broker": "pinot",
    "user": "pinot",
    "replicas": "pinot",
    "region": "minio",
}


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class External(_Model):
    """A system that somebody else runs; its passwords are Secrets of the names that ours would have."""

    address: str = Field(min_length=1, pattern=r"^[^\s\"'\\{}$]+$")
    """`host:port` of Kafka (several with commas), ZooKeeper and the databases, the URL of everything else."""
    protocol: Literal["SASL_SSL", "SASL_PLAINTEXT", "SSL", "PLAINTEXT"] = "SASL_SSL"
    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    ca_secret: str = ""
    """The Secret with Kafka's `ca.crt`, unless a public authority signed it."""
    broker: str = ""
    """The URL of Pinot's broker; `address` is its controller's."""
    user: str = ""
    """Our processes' user, whose password is in the Secret `pinot-users` under that name; none if Pinot asks nobody."""
    replicas: int = Field(default=1, ge=1)
    """How many of Pinot's servers keep each row."""
    region: str = "us-east-1"


class Autoscaling(_Model):
    """Workers by lag, where KEDA is in the cluster."""

    enabled: bool = False
    max_replicas: int = Field(default=3, ge=1)


class Union(_Model):
    """Whose work the unified rows are."""

    engine: Literal["ksqldb", "worker"] = "ksqldb"
    replicas: int = Field(default=1, ge=1)
    autoscaling: Autoscaling = Autoscaling()


class Installation(_Model):
    """One installation. `values` are passed on to a release's chart, over everything but the durability settings."""

    namespace: str = Field(default="dropless", pattern=Dns)
    operators_namespace: str = Field(default="dropless-operators", pattern=Dns)
    size: Literal["seed", "laptop"] = "seed"
    registry: str = Field(default="registry.invalid/dropless", min_length=1)
    """Where our image is, and where Connect's is pushed to; the default is nowhere."""
    tag: str = "latest"
    storage_class: str = ""
    chart_repository: str = Field(default="", pattern=r"^(https?://[^\s]+)?$")
    """The URL of a repository with all of the public charts, such as a mirror; else each comes from its own."""
    visitors: tuple[str, ...] = ()
    """Namespaces whose pods may reach what people use: Pinot's broker, MinIO, Dagster, Lenses."""
    lenses_environment: str = Field(default="dropless", pattern=Dns, max_length=63)
    """What our Kafka is called in Lenses' HQ, where somebody makes an environment of that name."""
    external: dict[System, External] = {}
    union: Union = Union()
    values: dict[str, dict[str, Any]] = {}

    @model_validator(mode="after")
    def _only_what_belongs(self) -> Self:
        for system, external in self.external.items():
            for name in external.model_fields_set & _ONLY_FOR.keys():
                if _ONLY_FOR[name] != system:
                    raise ValueError(f"external.{system} has no `{name}`; only {_ONLY_FOR[name]} has one")
        pinot = self.external.get("pinot")
        if pinot and not pinot.broker:
            raise ValueError("external.pinot needs `broker`, the URL of its broker")
        return self

    def ours(self, system: System) -> bool:
        """Whether it is for us to install a system."""
        return system not in self.external

    @classmethod
    def of_this_cluster(cls) -> Self | None:
        """The installation that we are part of, in the file that `DROPLESS_INSTALLATION` names; None without it.

        Raises:
            DroplessError: it cannot be read, or says something that is not understood; one sentence.
        """
        path = os.environ.get("DROPLESS_INSTALLATION")
        return cls.load(Path(path)) if path else None

    @classmethod
    def load(cls, path: Path) -> Self:
        """The installation in a file.

        Raises:
            DroplessError: it cannot be read, or says something that is not understood; one sentence.
        """
        try:
            told = yaml.safe_load(path.read_text()) or {}
        except (OSError, yaml.YAMLError) as error:
            raise DroplessError(f"The installation in {path} cannot be read: {error}.") from None
        if not isinstance(told, dict):
            raise DroplessError(f"The installation in {path} must be an object such as {{namespace: dropless}}.")
        try:
            return cls.model_validate(told)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise DroplessError(f"The installation in {path} is wrong: {where or 'it'}: {first['msg']}.") from None
