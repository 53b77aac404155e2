"""A month of the access log."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from kit import Made, borrowers, canaries, make_vault, sql

from vault.auditing import Question
from vault.errors import Denied, Invalid, Tampered
from vault.ledger import checkpoint
from vault.summarising import Day, Share, Summary

ROWS = borrowers(3)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """March: two masked reads by day, one in clear by night, a refusal. April has begun."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    ids = made.ids(ROWS)
    made.vault.reading().read(made.token("collector"), ids[:2])
    with pytest.raises(Denied):
        made.vault.reading().read(made.token("collector"), ids[:1], fields=("bank_card",))
    made.clock.advance(hours=13)
    made.vault.reading().read(made.token("legal"), ids[:1])
    made.clock.advance(days=20)
    made.vault.reading().read(made.token("collector"), ids[:1])
    return made


def march(made: Made) -> Summary:
    """The summary of March."""
    return made.vault.auditing().summarise(made.token("auditor"), "2026-03")


def test_what_a_month_holds(made: Made) -> None:
    """Counts of that month alone, of reads that went well, split in every way."""
    found = march(made)
    assert (found.month, found.complete, found.first) == ("2026-03", True, 0)
    assert (found.reads, found.masked, found.clear, found.readers) == (3, 2, 1, 1)
    assert (found.off_hours, found.off_people) == (1, 1)
    assert len(found.days) == 31
    assert found.days[15] == Day(day="2026-03-16", reads=3, clear=1, refused=1)
    assert [(s.word, s.count) for s in found.roles] == [("collector", 2), ("legal", 1)]
    assert [s.zh for s in found.purposes] == ["还款提醒", "诉讼仲裁"]
    assert Share(word="borrower.phone", zh="手机号码", count=1) in found.fields
    assert [(r.reason, r.outcome, r.count) for r in found.refusals] == [("field_denied", "denied", 1)]
    assert [(a.name, a.sort, a.reads, a.off_hours) for a in found.actors] == [
        ("first principal", "person", 3, 1)
    ]
    assert found.kinds["read"] == 3
    assert sum(found.kinds.values()) == found.entries == (found.last or 0) + 1


def test_clear_fields_are_those_that_were_shown(made: Made) -> None:
    """Each field of each entry that showed it in clear, as the lines of the log say."""
    lines = made.vault.auditing().ask(made.token("auditor"), Question(kind="read", clear=True))
    shown = sorted(
        f"{line.about}.{n}" for line in lines for n, view in line.fields.items() if view == "CLEAR"
    )
    assert sorted(share.word for share in march(made).fields for _ in range(share.count)) == shown
    assert "borrower.phone" in shown


def test_the_same_month_gives_the_same_summary(made: Made) -> None:
    """But for the instant at which it was made, however the log has grown since."""
    one = march(made)
    made.clock.advance(days=3)
    made.vault.reading().read(made.token("collector"), made.ids(ROWS))
    other = march(made)
    assert one.made != other.made
    assert msgspec.structs.replace(other, made=one.made) == one


def test_the_checkpoint_covers_the_month(made: Made) -> None:
    """It is the smallest stored one that does, and signed; a forged one is refused; witnesses are named."""
    found = march(made)
    assert found.checkpoint is not None
    assert found.last is not None
    point = checkpoint.open_checkpoint(found.checkpoint.note, made.vault.auditing().vkey)
    sizes = [size for (size,) in sql(made, "ledger", "SELECT size FROM checkpoints ORDER BY size")]
    assert point.size == min(size for size in sizes if size > found.last)
    assert found.checkpoint.witnesses == {}
    sql(made, "ledger", "INSERT INTO cosignatures VALUES ('main', ?, 'w', 'line', 0)", (point.size,))
    again = march(made).checkpoint
    assert again is not None
    assert again.witnesses == {"w": "1970-01-01T00:00:00Z"}
    sql(made, "ledger", "UPDATE checkpoints SET note = replace(note, ?, ?)", (f"\n{point.size}\n", "\n9\n"))
    with pytest.raises(Tampered):
        march(made)


def test_the_running_month(made: Made) -> None:
    """It is the default, says that it isn't over, and covers what there is so far."""
    found = made.vault.auditing().summarise(made.token("auditor"))
    assert (found.month, found.complete, found.reads) == ("2026-04", False, 1)
    assert found.first == (march(made).last or 0) + 1
    assert found.checkpoint is not None
    assert found.checkpoint.size > (found.last or 0)


def test_a_month_without_entries(made: Made) -> None:
    """Nothing happened, and that is what it says."""
    found = made.vault.auditing().summarise(made.token("auditor"), "2026-02")
    assert (found.first, found.last, found.entries, found.reads, found.checkpoint) == (None, None, 0, 0, None)
    assert len(found.days) == 28


def test_what_is_no_month(made: Made) -> None:
    """A slip, or a month that hasn't begun, is said; no summary of nothing."""
    for month in ("2026-13", "march", "2026-05", "2026-3", "1969-12", ""):
        with pytest.raises(Invalid):
            made.vault.auditing().summarise(made.token("auditor"), month)


def test_alarms_and_marks_are_counted(made: Made) -> None:
    """Reads that were marked as without a case."""
    for mark, idx in (("no_case", 3), ("other", 4), ("no_case", 9999)):
        sql(made, "ledger", "INSERT INTO marks VALUES ('main', ?, ?)", (mark, idx))
    assert march(made).no_case == 1


def test_no_borrower_stands_in_it(made: Made) -> None:
    """Neither a value nor an id."""
    text = msgspec.json.encode(march(made)).decode()
    assert not [value for value in canaries(ROWS) | set(made.ids(ROWS)) if value in text]


def test_auditors_alone(made: Made) -> None:
    """Nobody else is given a summary, and who is leaves an entry."""
    with pytest.raises(Denied):
        made.vault.auditing().summarise(made.token("legal"))
    march(made)
    lines = made.vault.auditing().ask(made.token("auditor"), Question(kind="search", newest_first=True))
    assert lines[1].detail == "log summary month=2026-03"
