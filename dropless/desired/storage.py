"""Buckets, and users that may do no more than they must."""

from __future__ import annotations

from typing import Any, Final

from dropless import names
from dropless.plan import Resource

NO_POLICY: Final = "none"
"""A bucket's own policy would let people in who are no users; users have theirs."""
_READ_BUCKET: Final = ["s3:GetBucketLocation", "s3:ListBucket"]
_WRITE_BUCKET: Final = [*_READ_BUCKET, "s3:ListBucketMultipartUploads"]
_READ_OBJECT: Final = ["s3:GetObject"]
_WRITE_OBJECT: Final = [
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
]


def buckets() -> list[Resource]:
    """The lake's bucket and that of Pinot's segments."""
    return [
        Resource("minio", "bucket", name, {"policy": NO_POLICY}) for name in (names.LAKE_BUCKET, names.PINOT_BUCKET)
    ]


def s3_users() -> list[Resource]:
    """The lake's writer, Pinot, and two readers of the lake: of all of it, and of what has no personal columns."""
    visible = (f"{names.PUBLIC_FOLDER}/", f"{names.DICTIONARY_FOLDER}/")
    return [
        _user("dropless-pipeline", "minio_pipeline", names.LAKE_BUCKET, _WRITE_BUCKET, _WRITE_OBJECT),
        _user("dropless-pinot", "minio_pinot", names.PINOT_BUCKET, _WRITE_BUCKET, _WRITE_OBJECT),
        _user("dropless-reader", "minio_reader", names.LAKE_BUCKET, _READ_BUCKET, _READ_OBJECT),
        _user("dropless-scientist", "minio_scientist", names.LAKE_BUCKET, _READ_BUCKET, _READ_OBJECT, folders=visible),
    ]


def _user(
    access_key: str,
    secret: str,
    bucket: str,
    on_bucket: list[str],
    on_objects: list[str],
    *,
    folders: tuple[str, ...] = ("",),
) -> Resource:
    objects = [f"arn:aws:s3:::{bucket}/{folder}*" for folder in folders]
    policy: dict[str, Any] = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": on_bucket, "Resource": [f"arn:aws:s3:::{bucket}"]},
            {"Effect": "Allow", "Action": on_objects, "Resource": objects},
        ],
    }
    return Resource("minio", "s3_user", access_key, {"access_key": access_key, "policy": policy}, {"secret": secret})
