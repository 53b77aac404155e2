"""What an audit asks, as data, and what is gathered for it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from kit import Made, borrowers, make_vault

from vault.errors import Denied
from vault.packing import items, missing


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A sandbox with two borrowers, and a request for a minor's data."""
    made = make_vault(tmp_path)
    made.load(borrowers(2))
    ids = made.ids(borrowers(2))
    made.vault.granting().ask(made.identity, "minors", sorted(ids), reason="school", purpose="dispute")
    made.vault.granting().ask(made.identity, "bulk_read", reason="month", purpose="dispute", rows=20)
    return made


def test_every_item_says_where_it_comes_from() -> None:
    """A source, how sure it is, and evidence or the word organisational, in two languages."""
    for item in items():
        assert item.source
        assert all(item.title)
        assert item.evidence or item.organisational
        assert item.certainty in {"verified", "secondary", "memory"}


def test_what_the_guideline_is_not_known_to_say_is_marked() -> None:
    """It was read up to 20(一); the network security law's new numbers were not read at all."""
    sure = {item.id: item.certainty for item in items()}
    assert sure["permissions"] == "memory"
    assert sure["log-period"] == "secondary"


def test_what_is_gathered_is_json_and_names_no_borrower(made: Made) -> None:
    """Each document encodes; requests about minors are told from the others."""
    found = dict(made.vault.auditing().gathered(made.token("auditor")))
    text = msgspec.json.encode(found).decode()
    assert not [one for one in (*made.ids(borrowers(2)), "AJ-700000") if one in text]
    assert [line["detail"].split()[0] for line in found["requests.json"]["items"]] == ["minors", "bulk_read"]
    assert len(found["minors.json"]["items"]) == 1
    assert found["log-retention.json"]["bodies_from"] == 0


def test_gathering_takes_the_right_to_audit(made: Made) -> None:
    """And so does entering that a pack was made."""
    room, token = made.vault.auditing(), made.token("collector")
    with pytest.raises(Denied):
        dict(room.gathered(token))
    with pytest.raises(Denied):
        room.packed(token, "00")


def test_what_is_missing_is_named() -> None:
    """A file that an item names and nobody wrote."""
    names = {name for item in items() for name in item.evidence}
    assert missing([*names]) == []
    assert missing([*(names - {"glass.json"})]) == ["glass.json"]


def test_a_pack_says_whom_nowhere(made: Made) -> None:
    """A merge names a subject and a search its keyed digest in what the entry says: neither goes along."""
    person, (one, two) = made.token("dpo", "subject_request"), made.ids(borrowers(2))
    made.vault.reading().find(person, field="phone", value=borrowers(1)[0]["手机"])
    merged = made.vault.amending().merge(person, one, two, reason="one person")
    found = dict(made.vault.auditing().gathered(made.token("auditor")))
    told = [line["detail"] for line in found["rights.json"]["items"]]
    assert "merge into ?" in told
    assert "borrower.phone ? hits=1" in told
    assert merged.subject not in msgspec.json.encode(found).decode()
