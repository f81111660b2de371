"""Buckets and their users on MinIO; the buckets through plain S3, the users through its admin interface."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException
from minio.minioadmin import MinioAdmin
from urllib3 import PoolManager
from urllib3.exceptions import HTTPError

from dropless import passwords
from dropless.desired.storage import NO_POLICY
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError, Unreachable
from dropless.plan import Action, Change, Json, Resource
from resources.waiting import until

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROOT = "dropless-root"
# What S3 and MinIO answer for something that is not there.
_MISSING = {"404", "NoSuchBucket", "NotFound", "XMinioAdminNoSuchUser", "XMinioAdminNoSuchPolicy"}


def s3_client(endpoints: Endpoints, access_key: str, secret: str) -> S3Client:
    """An S3 client of this installation's object store; `secret` names the password's file."""
    return boto3.client(
        "s3",
        endpoint_url=endpoints.s3,
        region_name=endpoints.s3_region,
        aws_access_key_id=access_key,
        aws_secret_access_key=passwords.read(endpoints.secrets, secret),
        config=Config(connect_timeout=3, read_timeout=30, retries={"max_attempts": 3}, s3={"addressing_style": "path"}),
    )


class Buckets:
    """Buckets, made and never emptied."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    @cached_property
    def _s3(self) -> S3Client:
        return s3_client(self._endpoints, ROOT, "minio_root")

    def observe(self, desired: Sequence[Resource]) -> dict[str, Resource]:
        """The buckets that exist, each with its policy for strangers; nothing else about them is managed."""
        return {
            bucket.id: Resource(
                bucket.system,
                bucket.kind,
                bucket.name,
                {"policy": self._policy(bucket.name)} if "policy" in bucket.properties else {},
            )
            for bucket in desired
            if self._exists(bucket.name)
        }

    def apply(self, change: Change) -> None:
        """Make the bucket, or take away the policy that lets strangers in; no object is touched."""
        name = change.desired.name
        try:
            if change.action is Action.CREATE:
                self._s3.create_bucket(Bucket=name)
            else:
                self._s3.delete_bucket_policy(Bucket=name)
        except self._s3.exceptions.BucketAlreadyOwnedByYou:
            return
        except (BotoCoreError, ClientError) as error:
            raise _s3_sentence(error, f"prepare bucket {name!r}") from None

    def wait_ready(self, desired: Sequence[Resource], timeout_seconds: float) -> None:
        """Wait until every bucket is there."""

        def missing() -> str | None:
            names = [bucket.name for bucket in desired if not self._exists(bucket.name)]
            return f"there is no bucket {names[0]!r}." if names else None

        until("MinIO", missing, timeout_seconds)

    def _policy(self, name: str) -> str:
        try:
            return self._s3.get_bucket_policy(Bucket=name)["Policy"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchBucketPolicy":
                return NO_POLICY
            raise _s3_sentence(error, f"show the policy of bucket {name!r}") from None
        except BotoCoreError as error:
            raise _s3_sentence(error, f"show the policy of bucket {name!r}") from None

    def _exists(self, name: str) -> bool:
        try:
            self._s3.head_bucket(Bucket=name)
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return False
            raise _s3_sentence(error, f"show bucket {name!r}") from None
        except BotoCoreError as error:
            raise _s3_sentence(error, f"show bucket {name!r}") from None
        return True


class S3Users:
    """Users, each with one policy of its own name; the password is the user's secret file."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    @cached_property
    def _admin(self) -> MinioAdmin:
        scheme, _, host = self._endpoints.s3.partition("://")
        root = StaticProvider(ROOT, passwords.read(self._endpoints.secrets, "minio_root"))
        pool = PoolManager(timeout=15, retries=2)
        return MinioAdmin(endpoint=host, credentials=root, secure=scheme == "https", http_client=pool)

    def observe(self, desired: Sequence[Resource]) -> dict[str, Resource]:
        """Each user's access key, if it works with the password of its file, and its policy, if that is attached."""
        found = {}
        for user in desired:
            name = _access_key(user)
            info = self._ask(f"show user {name!r}", "user_info", name)
            if info is None:
                continue
            properties: dict[str, Json] = {"access_key": None if self._refused(user) else name, "policy": None}
            attached = str(info.get("policyName", "")).split(",")
            if attached == [name] and info.get("status") == "enabled":
                properties["policy"] = self._policy(user)
            managed = {key: value for key, value in properties.items() if key in user.properties}
            found[user.id] = Resource(user.system, user.kind, user.name, managed)
        return found

    def apply(self, change: Change) -> None:
        """Add the user with its password, its policy, and nothing else attached."""
        name = _access_key(change.desired)
        secret = passwords.read(self._endpoints.secrets, _secret(change.desired))
        policy = change.desired.properties["policy"]
        self._ask(f"add policy {name!r}", "policy_add", name, policy=policy)
        self._ask(f"add user {name!r}", "user_add", name, secret)
        self._ask(f"attach policy {name!r}", "policy_set", name, user=name)

    def wait_ready(self, desired: Sequence[Resource], timeout_seconds: float) -> None:
        """Wait until every user's signature is accepted."""

        def missing() -> str | None:
            for user in desired:
                if reason := self._refused(user):
                    return reason
            return None

        until("MinIO", missing, timeout_seconds)

    def _refused(self, user: Resource) -> str | None:
        name = _access_key(user)
        try:
            s3_client(self._endpoints, name, _secret(user)).list_buckets()
        except ClientError as error:
            # A user without the right to list is known all the same.
            if error.response["Error"]["Code"] != "AccessDenied":
                return f"user {name!r} was refused: {error.response['Error']['Code']}."
        except BotoCoreError as error:
            raise _s3_sentence(error, f"let user {name!r} in") from None
        return None

    def _policy(self, user: Resource) -> Json:
        found = self._ask(f"show policy {_access_key(user)!r}", "policy_info", _access_key(user))
        desired = user.properties["policy"]
        return desired if found is not None and canonical(found) == canonical(desired) else found

    def _ask(self, doing: str, method: str, *arguments: Any, **named: Any) -> Any:
        try:
            answer = getattr(self._admin, method)(*arguments, **named)
        except MinioAdminException as error:
            if any(code in str(error) for code in _MISSING):
                return None
            raise DroplessError(f"MinIO refused to {doing}: {error}") from None
        except HTTPError as error:
            raise Unreachable(f"MinIO does not answer at {self._endpoints.s3}: {error}") from None
        return json.loads(answer) if answer else {}


def canonical(policy: Json) -> Json:
    """A policy with single values as lists and all lists sorted, as its meaning does not depend on either."""
    statements = [
        {
            key: sorted([value] if isinstance(value, str) else value) if key in ("Action", "Resource") else value
            for key, value in statement.items()
        }
        for statement in policy.get("Statement", ())
    ]
    return sorted((json.dumps(statement, sort_keys=True) for statement in statements), key=str)


def _access_key(user: Resource) -> str:
    return str(user.properties.get("access_key", user.name))


def _secret(user: Resource) -> str:
    return str(user.hints.get("secret") or f"minio_{_access_key(user).removeprefix('dropless-')}")


def _s3_sentence(error: Exception, doing: str) -> DroplessError:
    if isinstance(error, ClientError):
        return DroplessError(f"MinIO refused to {doing}: {error.response['Error'].get('Message', error)}")
    return Unreachable(f"MinIO did not answer when asked to {doing}: {error}")
