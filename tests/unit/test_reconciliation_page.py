"""The page of a reconciliation, as its reader sees it in a browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from browser import opened

from dropless.reconciliation import history
from dropless.reconciliation.findings import Comparison, Finding, Load, Report, Wrong
from dropless.reconciliation.page import page

HOSTILE = "store:<script>document.title='taken'</script>"
SOUND = Report(
    id="20261128T020000-abcdef",
    table="orders",
    tier="full",
    began=1_795_831_200.0,
    seconds=26.4,
    rows={"store": 1000, "webshop": 999},
    comparisons=(
        Comparison("lake", {"store": 1000, "webshop": 990}, ()),
        Comparison("pinot", {"store": 1000, "webshop": 990}, (), unsettled=2),
    ),
    touched=9,
    refused={"store:7": "Column 'status' cannot take \"?\"."},
    fences=({"captured": 0.4, "union": 0.9, "pinot": 1.2, "lake": 5.5}, {"captured": 0.5, "union": 1.0}),
    load={"store": Load(1010, 0.31), "webshop": Load(1005, 0.28)},
)
WRONG = replace(
    SOUND,
    id="20261128T030000-fedcba",
    began=SOUND.began + 3600,
    comparisons=(
        Comparison(
            "lake",
            {"store": 1001, "webshop": 990},
            (
                Finding("lake", HOSTILE, Wrong.EXTRA),
                Finding("lake", "webshop:de,5", Wrong.DIFFERENT, ("amount",), 'amount is "1.00" instead of "1.10"'),
            ),
            more=3,
        ),
        SOUND.comparisons[1],
    ),
)


def written(folder: Path, *reports: Report) -> str:
    for report in reports:
        known = history.remember(folder / "orders.jsonl", report)
    file = folder / "page.html"
    file.write_text(page(reports[-1], known))
    return file.as_uri()


def test_a_green_page_tells_what_agrees_and_what_it_took(tmp_path: Path) -> None:
    with opened(written(tmp_path, SOUND)) as shown:
        assert shown.inner_text("#verdict") == "The sources, the lake and Pinot agree on 1,999 rows."
        [store, webshop] = [row.split("\t") for row in shown.locator("#comparisons tbody tr").all_inner_texts()]
        assert store == ["store", "1,000", "1,000", "1,000", "1,010", "0.3"]
        assert webshop == ["webshop", "999", "990", "990", "1,005", "0.3"]
        text = shown.inner_text("body")
        assert "9 this time" in text
        assert "2 of them changed at every look in Pinot" in text
        assert "1 rows of the sources are dead letters" in text
        assert shown.locator("#findings").count() == 0
        widths = shown.evaluate("[...document.images].map(each => each.naturalWidth)")
        assert len(widths) == 3
        assert min(widths) > 300


def test_findings_are_listed_and_their_text_is_only_text(tmp_path: Path) -> None:
    with opened(written(tmp_path, SOUND, WRONG)) as shown:
        assert shown.inner_text("#verdict") == "Not everything agrees."
        assert shown.title().startswith("Reconciliation of orders")
        rows = [row.split("\t") for row in shown.locator("#findings tbody tr").all_inner_texts()]
        assert rows[0][:3] == ["lake", HOSTILE, "extra"]
        assert rows[1][2:] == ["different", "amount", 'amount is "1.00" instead of "1.10"']
        assert "3 more rows of the lake differ" in shown.inner_text("body")


def test_the_history_keeps_what_is_plotted_and_forgets_the_oldest(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(history, "KEPT", 3)
    file = tmp_path / "orders.jsonl"
    for number in range(5):
        known = history.remember(file, replace(WRONG, id=str(number)))
    assert [each.id for each in known] == ["2", "3", "4"]
    assert known == history.load(file)
    assert known[0].findings == {"lake": 5, "pinot": 0}
    assert not known[0].sound
    assert known[0].passed == {"captured": 0.5, "union": 1.0, "pinot": 1.2, "lake": 5.5}
    assert history.load(tmp_path / "nothing.jsonl") == []
