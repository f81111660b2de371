"""Data files of the lake that lose their bytes."""

from __future__ import annotations

from dropless.lake.store import Store


def cut(store: Store, folder: str, path: str) -> None:
    """Keep only the first half of a file."""
    client, where = store.client(), {"Bucket": store.bucket, "Key": f"{store.folder}{folder}/{path}"}
    whole = client.get_object(**where)["Body"].read()
    client.put_object(**where, Body=whole[: len(whole) // 2])
