"""Seeking: what a search tells, and what it keeps to itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import Made, borrowers, make_vault, sql

from vault.access.tokens import Limits
from vault.auditing import Question
from vault.errors import Denied, Invalid
from vault.reading import MAX_FOUND

ROWS = borrowers(2)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """An empty sandbox."""
    return make_vault(tmp_path)


def test_a_hit_out_of_scope_is_no_hit(made: Made) -> None:
    """A case-bound search for another case's number gives what a number nobody has gives: nothing at all."""
    made.load(ROWS)
    token = made.token("collector", limits=Limits(cases=frozenset({ROWS[0]["案件编号"]})))
    reading = made.vault.reading()
    here, elsewhere, nowhere = (
        reading.find(token, field="phone", value=value)
        for value in (ROWS[0]["手机"], ROWS[1]["手机"], "13000000000")
    )
    assert len(here.items) == 1
    assert elsewhere == nowhere
    assert (nowhere.items, nowhere.errors) == ([], [])


def test_a_search_discloses_fifty_at_most(made: Made) -> None:
    """Of more hits than a number honestly has the first fifty come, each entered, and the caller is told."""
    made.load([row | {"手机": "13911112222"} for row in borrowers(MAX_FOUND + 1)])
    before = made.size()
    found = made.vault.reading().find(made.token("collector"), field="phone", value="13911112222")
    assert len(found.items) == MAX_FOUND
    assert [error.code for error in found.errors] == ["too_many"]
    read = made.vault.auditing().ask(made.token("auditor"), Question(kind="read", after=before, limit=500))
    assert len(read) == MAX_FOUND


def test_a_cursor_is_its_callers_alone(made: Made) -> None:
    """A cursor goes on for the principal and kind it was given for, and for no other."""
    made.load(ROWS)
    reading = made.vault.reading()
    cursor = reading.list_records(made.token("collector"), kind="loan", limit=1).cursor
    assert cursor is not None
    other = made.vault.granting().add_principal(made.identity, name="b", roles=("collector",))
    theirs = made.vault.granting().issue(other, role="collector", purpose="repayment_reminder")
    assert reading.list_records(theirs, kind="loan", limit=1).items
    for token, kind in ((theirs, "loan"), (made.token("collector"), "borrower")):
        with pytest.raises(Invalid) as refusal:
            reading.list_records(token, kind=kind, limit=1, cursor=cursor)
        assert refusal.value.code == "invalid_cursor"
    assert reading.list_records(made.token("collector"), kind="loan", limit=1, cursor=cursor).items


def test_a_page_holds_records_in_scope_alone(made: Made) -> None:
    """Records of other cases take no place in a page and leave no entry: the listing looks further."""
    made.load(borrowers(6))
    reading = made.vault.reading()
    last = reading.list_records(made.token("collector"), kind="loan").items[-1]
    assert last.ref is not None
    token, before = made.token("collector", limits=Limits(cases=frozenset({last.ref}))), made.size()
    page = reading.list_records(token, kind="loan", limit=1)
    assert [item.record for item in page.items] == [last.record]
    assert made.size() == before + 2


def test_a_refused_search_is_an_entry(made: Made) -> None:
    """Trying to find by a field that the role may not find by is written down."""
    made.load(ROWS)
    token, before = made.token("collector"), made.size()
    with pytest.raises(Denied):
        made.vault.reading().find(token, field="id_number", value=ROWS[0]["证件号"])
    (line,) = made.vault.auditing().ask(made.token("auditor"), Question(kind="deny", after=before - 1))
    assert (line.reason, line.about) == ("field_denied", "borrower")


def test_no_listing_is_sorted_by_a_sealed_field(made: Made) -> None:
    """Not even for one who sees it clear: only what was declared open may be sorted by."""
    with pytest.raises(Invalid) as refusal:
        made.vault.reading().list_records(made.token("legal"), kind="borrower", sort="id_number")
    assert refusal.value.code == "invalid_sort"


def test_a_search_is_an_entry_whatever_it_finds(made: Made) -> None:
    """One entry for the search itself, hits or none, with the value itself nowhere in it."""
    made.load(ROWS)
    reading, token, before = made.vault.reading(), made.token("collector"), made.size()
    for value in (ROWS[0]["手机"], "13000000000"):
        reading.find(token, field="phone", value=value)
    reading.list_records(token, kind="loan", where="product=车贷")
    lines = made.vault.auditing().ask(made.token("auditor"), Question(kind="search", after=before - 1))
    assert [(line.about, line.role) for line in lines[:3]] == [
        ("borrower", "collector"), ("borrower", "collector"), ("loan", "collector"),
    ]  # fmt: skip
    assert not any(ROWS[0]["手机"] in (line.detail or "") for line in lines)


def test_caps_are_a_principals_and_link_no_days(made: Made) -> None:
    """Another token of the same principal counts on; the same value leaves another digest on another day."""
    made.load(ROWS)
    reading = made.vault.reading()
    for _ in range(2):
        reading.find(made.token("collector"), field="phone", value=ROWS[0]["手机"])
    made.clock.advance(days=1)
    reading.find(made.token("collector"), field="phone", value=ROWS[0]["手机"])
    rows = sql(made, "ledger", "SELECT handle, digest FROM lookups")
    assert (len(rows), len({row[0] for row in rows}), len({row[1] for row in rows})) == (2, 1, 2)
