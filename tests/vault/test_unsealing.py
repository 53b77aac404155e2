"""Unsealing: a body is the one its entry commits to, and a subject's entries are all there, once."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from kit import Made, borrowers, make_vault, sql

from vault.auditing import Question
from vault.crypto import mac
from vault.crypto.bodies import BodySealer, body_context
from vault.errors import Tampered
from vault.ledger import stub
from vault.model import Whom
from vault.unsealing import Place, Unsealer

ROWS = borrowers(1)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A sandbox with one borrower, read once."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    made.vault.reading().read(made.token("collector"), made.ids(ROWS))
    return made


def test_a_body_sealed_anew_is_not_the_one_committed_to(made: Made) -> None:
    """Every node can seal a body for an entry; one that says something else is reported, not shown."""
    keys = made.vault.tenancy().keys
    commitment = stub.decode(made.vault.auditing().stub(0)).commitment
    other = b"s" * stub.SALT_SIZE + msgspec.json.encode(Whom(detail="nothing happened"))
    forged = BodySealer(keys.audit_public, "main").seal(other, b"", "", body_context("main", commitment))
    sql(made, "ledger", "UPDATE bodies SET sealed = ? WHERE idx = 0", (forged,))
    with pytest.raises(Tampered, match="committed"):
        made.vault.auditing().ask(made.token("auditor"), Question(kind="open"))


def test_a_body_without_a_subject_must_open(made: Made) -> None:
    """An entry about nobody dies with no one: its body opens, or an integrity failure is reported."""
    (sealed,) = sql(made, "ledger", "SELECT sealed FROM bodies WHERE idx = 0")[0]
    sql(made, "ledger", "UPDATE bodies SET sealed = ? WHERE idx = 0", (sealed[:-16] + bytes(16),))
    with pytest.raises(Tampered):
        made.vault.auditing().ask(made.token("auditor"), Question(kind="open"))


def copied_beyond_the_head(made: Made) -> None:
    """Put a copy of the borrower's entry after the log's end, as a DBA can."""
    names = [row[1] for row in sql(made, "ledger", "PRAGMA table_info(entries)")]
    taken = ", ".join("(SELECT size FROM head) " if name == "idx" else name for name in names)
    sql(made, "ledger", f"INSERT INTO entries SELECT {taken} FROM entries WHERE kind = 'read'")


def test_a_doubled_entry_is_reported(made: Made) -> None:
    """Two entries of one tag would make a report on a borrower say what never happened."""
    token, (ident,) = made.token("auditor"), made.ids(ROWS)
    copied_beyond_the_head(made)
    with pytest.raises(Tampered, match="every entry"):
        made.vault.auditing().ask(token, Question(subject=ident))


def test_an_entry_beyond_the_head_is_reported(made: Made) -> None:
    """What stands after the log's end is in no tree: the walk says so, at its index."""
    size = made.size()
    copied_beyond_the_head(made)
    with pytest.raises(Tampered) as found:
        made.vault.auditing().walk()
    assert found.value.index == size


@pytest.mark.parametrize(("start", "page"), [(0, 1), (0, 4), (5, 3), (9, 100)])
def test_a_walk_that_follows_tags_opens_the_same(made: Made, start: int, page: int) -> None:
    """From wherever it begins and in pages of any size, as if each were opened by itself."""
    made.load(borrowers(3))
    for turn in range(3):
        made.vault.reading().read(made.token("collector"), made.ids(borrowers(3))[: turn + 1])
    tenancy = made.vault.tenancy()
    rows = tenancy.stores.ledger.entries("main", start, 1000)
    unsealer, place, found = Unsealer(tenancy), Place(), {}
    for at in range(0, len(rows), page):
        found |= unsealer.payloads(rows[at : at + page], place)
    assert found == unsealer.payloads(rows)
    assert len(found) == len(rows)
    people = {msgspec.json.decode(body, type=Whom).subject for _, body in found.values()} - {""}
    newest = (each[-1] for each in unsealer.series(sorted(people)).values())
    assert place.expects(mac.tag(one.key, one.count) for one in newest) == people


@pytest.mark.parametrize("page", [1, 3, 100])
def test_who_is_gone_stays_shut_and_nobody_else(made: Made, page: int) -> None:
    """A body whose subject's secret is gone is left out on every page; one of the living must still open."""
    made.load(borrowers(3))
    for _ in range(3):
        made.vault.reading().read(made.token("collector"), made.ids(borrowers(3)))
    tenancy = made.vault.tenancy()
    people = [held.row.subject for held in tenancy.keeping.fetch(made.ids(borrowers(3))).values()]
    rows = [row for row in tenancy.stores.ledger.entries("main", 0, 1000) if row.tag]
    whole = Unsealer(tenancy).payloads(rows)
    mine = {row.idx for row in rows if row.tag in Unsealer(tenancy).tags(people[0])}
    sql(made, "keys", "DELETE FROM subjects WHERE subject = ?", (people[0],))

    def walk() -> dict[int, tuple[bytes, bytes]]:
        place, found = Place(), {}
        for at in range(0, len(rows), page):
            found |= Unsealer(tenancy).payloads(rows[at : at + page], place)
        return found

    assert mine
    assert walk() == {idx: body for idx, body in whole.items() if idx not in mine}
    last = max(whole.keys() - mine)
    ((sealed,),) = sql(made, "ledger", "SELECT sealed FROM bodies WHERE idx = ?", (last,))
    sql(made, "ledger", "UPDATE bodies SET sealed = ? WHERE idx = ?", (sealed[:-16] + bytes(16), last))
    with pytest.raises(Tampered) as caught:
        walk()
    assert caught.value.index == last


def test_a_followed_tag_believes_no_body(made: Made) -> None:
    """A subject's next tag says whose secret to take: a body that doesn't open with it is still reported."""
    tenancy = made.vault.tenancy()
    ((idx, sealed),) = sql(made, "ledger", "SELECT idx, sealed FROM bodies WHERE idx IN "
                           "(SELECT idx FROM entries WHERE kind = 'read')")  # fmt: skip
    sql(made, "ledger", "UPDATE bodies SET sealed = ? WHERE idx = ?", (sealed[:-16] + bytes(16), idx))
    with pytest.raises(Tampered) as caught:
        Unsealer(tenancy).payloads(tenancy.stores.ledger.entries("main", 0, 100), Place())
    assert caught.value.index == idx


def test_a_walk_follows_tags_into_the_next_generation(made: Made) -> None:
    """After a person's report their tags have another key; the walk opens their entries all the same."""
    tenancy = made.vault.tenancy()
    unsealer = Unsealer(tenancy)
    (subject,) = unsealer.people(made.ids(ROWS)[0])
    made.vault.auditing().report(made.token("dpo", "subject_request"), subject)
    made.vault.reading().read(made.token("collector"), made.ids(ROWS))
    made.vault.reading().read(made.token("collector"), made.ids(ROWS))
    place, rows, found = Place(), tenancy.stores.ledger.entries("main", 0, 1000), {}
    for row in rows:
        found |= unsealer.payloads([row], place)
    assert found == unsealer.payloads(rows)
    (*_, newest) = unsealer.series([subject])[subject]
    assert newest.generation == 2
    assert place.expects([mac.tag(newest.key, newest.count)]) == {subject}
