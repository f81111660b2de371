"""What must hold in the end: the audit, every acknowledged write, every value, and what the reader saw."""

from __future__ import annotations

import time
from pathlib import Path

import orjson
from confluent_kafka import Message
from scene import Scene
from small_union import BAD_EVERY, TOMBSTONE_EVERY, raw_record

from dropless.records import headers, origin
from dropless.union.outcome import Row
from dropless.union.worker import routes
from resources.audit import audit

CATCH_UP_SECONDS = 60
Origin = tuple[str, int, int]


def check(scene: Scene, bookmark: Path) -> None:
    """Once the writer has ended: wait for the last rows, and compare everything with what was written."""
    union, reader = scene.union, scene.reader
    raw = {origin(each): each for each in union.read(union.raw)}
    alive = {place for place, each in raw.items() if each.value() is not None}
    rows = _all_rows(scene, len(alive))
    _reader_has_all(scene, len(rows))
    reader.finish()

    assert not reader.wrong, f"the reader saw {len(reader.wrong)} wrong things, such as {reader.wrong[:3]}"
    report = audit(union.endpoints, union.contract, bookmark)
    assert not report.findings, f"the audit has {len(report.findings)} findings, such as {report.findings[:3]}"
    assert report.records == len(alive) > 1000
    _raw_is_what_was_written(scene, raw)
    _rows_are_what_the_raw_records_say(scene, raw, rows)
    assert reader.seen == {_source(each) for each in rows}, "the reader has not seen all rows"


def _all_rows(scene: Scene, expected: int) -> list[Message]:
    deadline = time.monotonic() + CATCH_UP_SECONDS
    while True:
        rows = list(scene.union.read(scene.union.unified))
        done = len(rows) + sum(1 for _ in scene.union.read(scene.union.dead))
        if done >= expected:
            return rows
        assert time.monotonic() < deadline, f"the union came to {done} of {expected} records"


def _reader_has_all(scene: Scene, expected: int) -> None:
    deadline = time.monotonic() + CATCH_UP_SECONDS
    while len(scene.reader.seen) < expected and not scene.reader.wrong:
        assert time.monotonic() < deadline, f"the reader saw {len(scene.reader.seen)} of {expected} rows"
        time.sleep(0.05)


def _raw_is_what_was_written(scene: Scene, raw: dict[Origin, Message]) -> None:
    """Byte for byte, each number once, and what was acknowledged is there."""
    numbers = [_number(each) for each in raw.values()]
    assert len(numbers) == len(set(numbers)), "a raw record is there twice"
    missing = scene.writer.acknowledged - set(numbers)
    assert not missing, f"{len(missing)} acknowledged records are lost, such as {sorted(missing)[:3]}"
    for message in raw.values():
        assert (message.key(), message.value()) == raw_record(_number(message))


def _rows_are_what_the_raw_records_say(scene: Scene, raw: dict[Origin, Message], rows: list[Message]) -> None:
    """By the mapping, and by what the writer knows without any mapping."""
    mapper = routes(scene.union.contract)[scene.union.raw].mapper
    mappable = {each for each in map(_number, raw.values()) if each % TOMBSTONE_EVERY and each % BAD_EVERY}
    came = set()
    for message in rows:
        place = _source(message)
        source, row = raw[place], orjson.loads(message.value() or b"")
        number = _number(source)
        came.add(number)
        assert row["amount"] == f"{number}.25"
        assert row["note"].startswith(f"change {number} of ")
        assert source.key() == orjson.dumps({"id": int(row["order_id"])})
        assert Row(message.key() or b"", message.value() or b"") == mapper(source.key(), source.value(), *place[1:])
    assert came == mappable


def _number(raw: Message) -> int:
    return int(headers(raw)["number"])


def _source(row: Message) -> Origin:
    value = orjson.loads(row.value() or b"")
    return value["_topic"], value["_partition"], value["_offset"]
