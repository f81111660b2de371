"""A missing row is excused only when a newer version of its key is there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dropless.union.compaction import Superseded

RAW = ("raw.t.s", 0)


def removed(questions: list[tuple[int, bytes]], rows: list[tuple[bytes, int]]) -> list[int]:
    superseded = Superseded()
    for offset, key in questions:
        superseded.question(RAW, offset, key)
    return [offset for _, offset in superseded.resolve((key, lambda at=at: at) for key, at in rows)]


def test_a_row_with_a_newer_version_was_compacted() -> None:
    assert removed([(3, b"a")], [(b"b", 9), (b"a", 7)]) == [3]


def test_a_row_with_older_versions_only_is_lost() -> None:
    assert removed([(3, b"a")], [(b"a", 2), (b"b", 9)]) == []


def test_a_row_of_a_key_that_is_not_there_is_lost() -> None:
    assert removed([(3, b"a")], []) == []


@given(
    st.lists(st.tuples(st.integers(0, 50), st.sampled_from([b"a", b"b", b"c"])), min_size=1, unique=True),
    st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c", b"d"]), st.integers(0, 50))),
)
def test_it_is_the_newest_version_that_counts(
    questions: list[tuple[int, bytes]], rows: list[tuple[bytes, int]]
) -> None:
    expected = [offset for offset, key in questions if any(row == key and at > offset for row, at in rows)]
    assert removed(questions, rows) == expected
