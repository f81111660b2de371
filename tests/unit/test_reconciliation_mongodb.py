"""MongoDB's documents as reconciliation reads them: mapped like what Debezium writes, and found by unified keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Binary, Decimal128, Int64, ObjectId
from bson.datetime_ms import DatetimeMS

from dropless.reconciliation.keys import parts_of
from dropless.union.envelope import key_part
from dropless.union.extended_json import plain
from resources.reconcile_mongodb import _possible_ids, wire

ID = ObjectId("65a1b2c3d4e5f60718293a4b")


@pytest.mark.parametrize("id_", ["plain", "", "a,b", "back\\slash", "\\,", "123456789012", 7, Int64(2**40), ID])
def test_a_document_is_found_by_its_unified_key(id_: Any) -> None:
    key = f"shop:{key_part(plain(wire({'_id': id_})['_id']))}"
    assert id_ in list(_possible_ids(*parts_of(key)))


def test_a_text_that_looks_like_an_object_id_may_be_either() -> None:
    assert list(_possible_ids(str(ID)))[:2] == [str(ID), ID]


def test_values_are_as_debezium_writes_them() -> None:
    document = {
        "id": ID,
        "money": Decimal128("1.10"),
        "at": DatetimeMS(datetime(2026, 1, 1, tzinfo=UTC)),
        "number": Int64(2**60),
        "odd": float("nan"),
        "deep": {"list": [1, Decimal128("2"), None]},
        "bytes": Binary(b"a"),
    }
    assert wire(document) == {
        "id": {"$oid": str(ID)},
        "money": {"$numberDecimal": "1.10"},
        "at": {"$date": 1_767_225_600_000},
        "number": 2**60,
        "odd": {"$numberDouble": "nan"},
        "deep": {"list": [1, {"$numberDecimal": "2"}, None]},
        "bytes": {"$binary": {"base64": "YQ==", "subType": "00"}},
    }
