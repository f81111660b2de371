"""The object store of the lake: who may use it how, and whether it keeps Delta's promises."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import boto3
import pyarrow.fs as pafs
from botocore.config import Config
from botocore.exceptions import ClientError

from dropless import names, passwords
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError

if TYPE_CHECKING:
    # Its package is for development only.
    from mypy_boto3_s3 import S3Client

PROBE_WRITERS = 8
PROBE_ROUNDS = 3
# 412: another writer was first; 409: it was first while ours was under way.
_LOST = {409, 412}


@dataclass(frozen=True)
class Store:
    """An S3 endpoint, a bucket, and the credentials to use it with."""

    endpoint: str
    region: str
    access_key: str
    secret_key: str = field(repr=False)
    bucket: str = names.LAKE_BUCKET
    folder: str = ""
    """The folder of the bucket in which the tables lie, with a slash at its end; empty for the bucket itself."""
    always_impatient: bool = False
    """Whether no client of it rides out a restart: for looks that must end within seconds."""

    @classmethod
    def pipeline(cls, endpoints: Endpoints, *, patient: bool = True) -> Store:
        """The lake as its writer sees it."""
        secret = passwords.read(endpoints.secrets, "minio_pipeline")
        return cls(endpoints.s3, endpoints.s3_region, "dropless-pipeline", secret, always_impatient=not patient)

    @classmethod
    def reader(cls, endpoints: Endpoints) -> Store:
        """All of the lake, read-only."""
        secret = passwords.read(endpoints.secrets, "minio_reader")
        return cls(endpoints.s3, endpoints.s3_region, "dropless-reader", secret)

    @classmethod
    def scientist(cls, endpoints: Endpoints) -> Store:
        """The lake as data scientists see it: read-only, and without personal columns."""
        secret = passwords.read(endpoints.secrets, "minio_scientist")
        return cls(endpoints.s3, endpoints.s3_region, "dropless-scientist", secret).published()

    def published(self) -> Store:
        """The tables without personal columns."""
        return replace(self, folder=f"{names.PUBLIC_FOLDER}/")

    def uri(self, table: str) -> str:
        """Where a table lies."""
        return f"s3://{self.bucket}/{self.folder}{table}"

    def options(self) -> dict[str, str]:
        """The storage options that every engine of the Arrow family understands."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ALLOW_HTTP": str(self.endpoint.startswith("http://")).lower(),
        }

    def delta_options(self, *, patient: bool = True) -> dict[str, str]:
        """The storage options of delta-rs; commits rest on conditional puts alone.

        A patient client rides out a restart of the store; an impatient one soon says that nothing answers.
        """
        patient = patient and not self.always_impatient
        return self.options() | {
            "aws_conditional_put": "etag",
            "timeout": "30s",
            "connect_timeout": "5s",
            "max_retries": "10" if patient else "2",
            "retry_timeout": "30s" if patient else "5s",
        }

    def filesystem(self, table: str) -> pafs.FileSystem:
        """A table's folder as Arrow reads it."""
        scheme, _, address = self.endpoint.partition("://")
        whole = pafs.S3FileSystem(
            access_key=self.access_key,
            secret_key=self.secret_key,
            region=self.region,
            scheme=scheme,
            endpoint_override=address,
            connect_timeout=5,
            request_timeout=30,
        )
        return pafs.SubTreeFileSystem(f"{self.bucket}/{self.folder}{table}", whole)

    def client(self) -> S3Client:
        """A plain S3 client."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(
                s3={"addressing_style": "path"},
                # Links are else signed in a way that newer stores refuse.
                signature_version="s3v4",
                connect_timeout=5,
                read_timeout=30,
                max_pool_connections=PROBE_WRITERS,
                # A retry of a put that had landed would look like a lost race.
                retries={"total_max_attempts": 1},
            ),
        )


def probe_conditional_put(store: Store) -> None:
    """Make sure that of several writers of one object exactly one wins, as Delta's log needs.

    Raises:
        DroplessError: the store would lose commits.
        botocore.exceptions.BotoCoreError: the store does not answer.
        botocore.exceptions.ClientError: the store refuses the credentials or the bucket.
    """
    client = store.client()
    with ThreadPoolExecutor(PROBE_WRITERS) as pool:
        for _ in range(PROBE_ROUNDS):
            key = f"_probe/{uuid.uuid4()}"
            wins = sum(pool.map(lambda number, key=key: _put(client, store.bucket, key, number), range(PROBE_WRITERS)))
            client.delete_object(Bucket=store.bucket, Key=key)
            if wins != 1:
                raise DroplessError(
                    f"{store.endpoint} let {wins} of {PROBE_WRITERS} writers win a conditional put where one must win: "
                    "it would lose commits; use a store with atomic If-None-Match (MinIO with a single pool)."
                )


def _put(client: S3Client, bucket: str, key: str, number: int) -> bool:
    try:
        client.put_object(Bucket=bucket, Key=key, Body=str(number).encode(), IfNoneMatch="*")
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in _LOST:
            return False
        raise
    return True
