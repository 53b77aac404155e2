"""What was moved or edited in the stores doesn't open, and is reported by name: never data, never a crash."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Final

import msgspec
import pytest
from kit import Made, attempt, borrowers, make_vault, reopen, shown, sql, values
from msgspec.structs import replace

from vault.access.tokens import Credential
from vault.auditing import Question
from vault.crypto.keys import KeyFile
from vault.errors import ConfigError, Denied, Invalid, NotFound, Tampered, Unavailable, VaultError
from vault.ledger import checkpoint, proof
from vault.ledger.certificate import open_certificate
from vault.model import Hold
from vault.vault import Vault

ROWS: Final = borrowers(2)
CHANGED: Final = ROWS[0] | {"电子邮箱": "changed@example.com"}
KEY: Final = "tenant='main' AND record=? AND compartment=? AND version=?"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """Two borrowers in `main`, the first in its second version, and the same two in `second`."""
    made = make_vault(tmp_path, tenants=["second"])
    made.load(ROWS)
    made.load([CHANGED])
    yield made
    made.vault.close()


def verdict(made: Made, record: str, token: Credential | None = None) -> str:
    """What a legal reader is told of a record: `data`, an item's error code, or an error's class."""
    try:
        found = made.vault.reading().read(token or made.token("legal"), [record])
    except VaultError as error:
        return type(error).__name__
    return "data" if found.items else found.errors[0].code


def put(
    made: Made, store: str, table: str, column: str, value: object, where: str, at: Sequence[object]
) -> None:
    """Overwrite one cell as a DBA would."""
    sql(made, store, f'UPDATE {table} SET "{column}"=? WHERE {where}', [value, *at])


@contextmanager
def edited(
    made: Made, store: str, table: str, column: str, value: object, where: str, at: Sequence[object] = ()
) -> Iterator[None]:
    """One cell holds another value inside the block."""
    ((old,),) = sql(made, store, f'SELECT "{column}" FROM {table} WHERE {where}', at)
    put(made, store, table, column, value, where, at)
    yield
    put(made, store, table, column, old, where, at)


def blob(made: Made, record: str, compartment: str, version: int, tenant: str = "main") -> bytes:
    """A sealed payload as it is stored."""
    where = KEY.replace("main", tenant)
    ((found,),) = sql(
        made, "records", f"SELECT sealed FROM payloads WHERE {where}", [record, compartment, version]
    )
    assert isinstance(found, bytes)
    return found


def bits(data: bytes, most: int = 24) -> Iterator[bytes]:
    """The data with one bit flipped, at up to `most` places from the first byte to the last."""
    step = max(1, len(data) // most)
    for at in sorted({*range(0, len(data), step), 0, 1, len(data) - 1}):
        yield data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :]


def cuts(data: bytes) -> Iterator[bytes]:
    """The data cut short or made longer."""
    yield from (b"", data[:1], data[: len(data) // 2], data[:-1], data + b"\0")


# --- sealed payloads ----------------------------------------------------------------------------------


def test_a_payload_opens_nowhere_but_where_it_was_sealed(made: Made) -> None:
    """Moved to another record, version, compartment or tenant, a ciphertext is refused."""
    first, other = made.ids(ROWS)
    made.load(ROWS, tenant="second")
    (far,) = made.ids(ROWS[1:], "second")
    assert verdict(made, other) == "data"
    moved = {
        "record": blob(made, first, "contact", 1),
        "version": blob(made, first, "contact", 2),
        "compartment": blob(made, other, "identity", 1),
        "masked": blob(made, other, "masked", 1),
        "tenant": blob(made, far, "contact", 1, "second"),
    }
    told = {}
    for name, sealed in moved.items():
        with edited(made, "records", "payloads", "sealed", sealed, KEY, [other, "contact", 1]):
            told[name] = verdict(made, other)
    assert set(told.values()) == {"integrity"}, told
    assert verdict(made, other) == "data"


def test_an_old_version_does_not_pass_for_the_new_one(made: Made) -> None:
    """A superseded payload put in the place of the newest, or renumbered to it, is refused."""
    (first,) = made.ids(ROWS[:1])
    for compartment in ("masked", "contact"):
        old = blob(made, first, compartment, 1)
        with edited(made, "records", "payloads", "sealed", old, KEY, [first, compartment, 2]):
            assert verdict(made, first) == "integrity"
    sql(made, "records", "DELETE FROM payloads WHERE record=? AND version=2", [first])
    sql(made, "records", "UPDATE payloads SET version=2 WHERE record=?", [first])
    assert verdict(made, first) == "integrity"


def test_swapped_records_do_not_open(made: Made) -> None:
    """Two records whose payload rows trade places are both refused, to the masked reader too."""
    first, other = made.ids(ROWS)
    sql(made, "records", "DELETE FROM payloads WHERE record=? AND version=2", [first])
    sql(made, "records", "UPDATE payloads SET record='x' WHERE record=?", [first])
    sql(made, "records", "UPDATE payloads SET record=? WHERE record=?", [first, other])
    sql(made, "records", "UPDATE payloads SET record=? WHERE record='x'", [other])
    for role in ("legal", "collector"):
        assert [verdict(made, ident, made.token(role)) for ident in (first, other)] == ["integrity"] * 2


@pytest.mark.parametrize(
    ("column", "value"),
    [("subject", "s-other"), ("kind", "loan"), ("generation", 2), ("suite", 2), ("suite", -1), ("kind", "")],
)
def test_a_payload_rows_columns_are_bound(made: Made, column: str, value: object) -> None:
    """The clear columns beside a payload can't be edited: they are part of its context."""
    (other,) = made.ids(ROWS[1:])
    for compartment in ("masked", "contact"):
        with edited(made, "records", "payloads", column, value, KEY, [other, compartment, 1]):
            assert verdict(made, other) in {"integrity", "audience_denied"}


def test_a_flipped_bit_in_a_payload_is_reported(made: Made) -> None:
    """Header, nonce, body and tag: one bit is enough, and so is a missing or an added byte."""
    (other,) = made.ids(ROWS[1:])
    told = []
    for compartment in ("masked", "contact"):
        good = blob(made, other, compartment, 1)
        for bad in (*bits(good), *cuts(good)):
            with edited(made, "records", "payloads", "sealed", bad, KEY, [other, compartment, 1]):
                told.append(verdict(made, other))
    assert set(told) == {"integrity"}


@pytest.mark.parametrize("compartment", ["masked", "contact", "identity", "account"])
def test_a_deleted_payload_is_reported(made: Made, compartment: str) -> None:
    """A compartment's missing row is an integrity failure, not an empty field."""
    (other,) = made.ids(ROWS[1:])
    sql(made, "records", f"DELETE FROM payloads WHERE {KEY}", [other, compartment, 1])
    assert verdict(made, other) == "integrity"


def test_one_spoiled_record_leaves_the_others_readable(made: Made) -> None:
    """In one request the edited record is refused and the other shown."""
    ids = made.ids(ROWS)
    sql(made, "records", "UPDATE payloads SET sealed=x'00' WHERE record=?", ids[:1])
    found = made.vault.reading().read(made.token("legal"), ids)
    assert [item.record for item in found.items] == ids[1:]
    assert [(e.id, e.code) for e in found.errors] == [(ids[0], "integrity")]


# --- keys ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "where"),
    [("secrets", "record=:r AND version=1"), ("subjects", "subject=:s"), ("shelves", "shelf=:h")],
)
def test_a_flipped_bit_in_a_wrapped_key_is_reported(made: Made, table: str, where: str) -> None:
    """Record secrets, log secrets and shelf keys unwrap as they were wrapped or not at all."""
    (other,) = made.ids(ROWS[1:])
    ((subject,),) = sql(made, "keys", "SELECT subject FROM latest WHERE record=?", [other])
    ((shelf,),) = sql(made, "keys", "SELECT shelf FROM secrets WHERE record=?", [other])
    key = where.replace(":r", f"'{other}'").replace(":s", f"'{subject}'").replace(":h", f"'{shelf}'")
    ((good,),) = sql(made, "keys", f"SELECT wrapped FROM {table} WHERE {key}")
    assert isinstance(good, bytes)
    told = []
    for bad in (*bits(good, 12), *cuts(good)):
        put(made, "keys", table, "wrapped", bad, key, [])
        made = made.reopened()
        told.append(verdict(made, other))
    put(made, "keys", table, "wrapped", good, key, [])
    assert set(told) == {"integrity"}
    assert verdict(made.reopened(), other) == "data"


def test_a_secret_unwraps_only_for_its_record_and_version(made: Made) -> None:
    """A wrapped secret or log secret moved to another row is refused."""
    first, other = made.ids(ROWS)
    take = "SELECT wrapped FROM secrets WHERE record=? AND version=?"
    for at in ([first, 1], [first, 2]):
        ((foreign,),) = sql(made, "keys", take, at)
        with edited(made, "keys", "secrets", "wrapped", foreign, "record=?", [other]):
            assert verdict(made, other) == "integrity"
    owners = dict(sql(made, "keys", "SELECT record, subject FROM latest"))
    ((foreign,),) = sql(made, "keys", "SELECT wrapped FROM subjects WHERE subject=?", [owners[first]])
    with edited(made, "keys", "subjects", "wrapped", foreign, "subject=?", [owners[other]]):
        assert verdict(made, other) == "integrity"


def test_a_record_given_to_another_subject_is_refused(made: Made) -> None:
    """Its facts are bound to their subject, so the key store can't hand a record over."""
    first, other = made.ids(ROWS)
    owners = dict(sql(made, "keys", "SELECT record, subject FROM latest"))
    with edited(made, "keys", "latest", "subject", owners[first], "record=?", [other]):
        assert verdict(made, other) == "integrity"


def test_a_flipped_bit_in_an_epoch_is_reported(made: Made) -> None:
    """A damaged epoch key opens no shelf: an error by name, whichever byte it is and however it was cut."""
    (other,) = made.ids(ROWS[1:])
    (path,) = (made.folder / "keys" / "epochs").glob("main-*.epoch")
    good, told = path.read_bytes(), []
    for bad in (*bits(good), *cuts(good), good[:-8], good[:-16]):
        path.write_bytes(bad)
        made = made.reopened()
        told.append(verdict(made, other))
    path.write_bytes(good)
    assert set(told) <= {"integrity", "ConfigError", "invalid_config"}, told
    assert verdict(made.reopened(), other) == "data"


def test_a_flipped_bit_in_the_key_file_never_gives_data_unseen(made: Made) -> None:
    """The vault doesn't open, refuses to read, or its log no longer verifies; it never crashes."""
    ids, path = made.ids(ROWS), made.folder / "keys" / "main.keys"
    token, good, made_vkey = made.token("legal"), path.read_bytes(), made.vault.vkey()
    made.vault.close()
    unseen = []
    for n, bad in enumerate((*bits(good, 160), *cuts(good))):
        path.write_bytes(bad)
        before = (made.folder / "ledger.db").read_bytes()
        try:
            vault = Vault.open(made.folder, clock=made.clock)
            try:
                read = vault.reading().read(token, ids)
                vault.auditing().walk()
                vault.auditing().ask(auditor(vault, made), Question())
                same = vault.vkey() == made_vkey and vault.granting().principals(made.identity)
                if read.items and same and not _harmless(good, bad):
                    unseen.append(n)
            finally:
                vault.close()
        except VaultError:
            pass
        (made.folder / "ledger.db").write_bytes(before)
    path.write_bytes(good)
    assert unseen == []
    assert verdict(reopen(made), ids[0]) == "data"


def auditor(vault: Vault, made: Made) -> Credential:
    """An auditor's token issued by this very vault."""
    return vault.granting().issue(made.identity, role="auditor", purpose="audit")


def _harmless(good: bytes, bad: bytes) -> bool:
    """Whether a file says the same after all: unused bits of base64, or a key that these reads don't need."""
    one, two = (msgspec.json.decode(data.partition(b"\n")[2], type=KeyFile) for data in (good, bad))
    needed = ("masked", "contact", "identity", "account")
    kept = ({name: file.compartments[name] for name in needed} for file in (one, two))
    one, two = (replace(file, compartments=keys) for file, keys in zip((one, two), kept, strict=True))
    return one == two


# --- facts --------------------------------------------------------------------------------------------


def facts(made: Made, record: str) -> tuple[int, bytes]:
    """A record's facts as they are stored, with their counter; the ones before may still be there."""
    take = "SELECT counter, body FROM facts WHERE record=? ORDER BY counter"
    counter, body = sql(made, "records", take, [record])[-1]
    assert isinstance(body, bytes)
    return int(str(counter)), body


def hold(made: Made, record: str) -> None:
    """Put a legal hold on a record."""
    made.vault.erasing().add_hold(
        made.token("dpo"), [record], Hold(number="H-1", authority="法院", until="2050-01-01")
    )


@pytest.mark.parametrize("column", ["body", "mac", "kind", "subject", "counter"])
def test_a_flipped_bit_in_facts_is_reported(made: Made, column: str) -> None:
    """Body, MAC, counter, kind and subject of a record's facts hold together or not at all."""
    (other,) = made.ids(ROWS[1:])
    ((good,),) = sql(made, "records", f"SELECT {column} FROM facts WHERE record=?", [other])
    bad: list[object] = [*bits(good), *cuts(good)] if isinstance(good, bytes) else ["loan", "s-x", ""]
    if isinstance(good, int):
        bad = [good + 1, good - 1, 1 << 40, -1]
    told = []
    for value in bad:
        with edited(made, "records", "facts", column, value, "record=?", [other]):
            told.append(verdict(made, other))
    assert set(told) <= ({"integrity", "data"} if column == "subject" else {"integrity"}), told
    assert verdict(made, other) == "data"


def test_a_state_cannot_be_loosened(made: Made) -> None:
    """RESTRICTED edited back to ACTIVE, a dropped hold and a moved anchor are refused."""
    (other,) = made.ids(ROWS[1:])
    hold(made, other)
    counter, body = facts(made, other)
    where = "record=? AND counter=?"
    edits = [
        (b'"H-1"', b'"H-2"'),
        (b"2050-01-01", b"2020-01-01"),
        (b"ACTIVE", b"RESTRICTED"),
        (b"2026-03-16", b"1999-03-16"),
    ]
    for old, new in edits:
        assert old in body
        with edited(made, "records", "facts", "body", body.replace(old, new), where, [other, counter]):
            assert verdict(made, other) == "integrity"
            with pytest.raises(Tampered):
                made.vault.erasing().plan(made.token("dpo"), as_of=date(2032, 1, 1))


def test_facts_cannot_be_rolled_back(made: Made) -> None:
    """Facts from before a hold are refused, under their own counter and under the new one."""
    (other,) = made.ids(ROWS[1:])
    take = "SELECT tenant, record, counter, subject, kind, body, mac FROM facts WHERE record=?"
    (old,) = sql(made, "records", take, [other])
    hold(made, other)
    new = sql(made, "records", f"{take} ORDER BY counter", [other])[-1]
    for counter in (old[2], new[2]):
        sql(made, "records", "DELETE FROM facts WHERE record=?", [other])
        row = (*old[:2], counter, *old[3:])
        sql(made, "records", "INSERT INTO facts VALUES (?,?,?,?,?,?,?)", row)
        assert verdict(made, other) == "integrity"
        with pytest.raises(Tampered):
            made.vault.erasing().plan(made.token("dpo"), as_of=date(2032, 1, 1))
    sql(made, "records", "DELETE FROM facts WHERE record=?", [other])
    sql(made, "records", "INSERT INTO facts VALUES (?,?,?,?,?,?,?)", new)
    assert verdict(made, other) == "data"


def test_facts_cannot_be_dropped_or_lent(made: Made) -> None:
    """Missing facts are an integrity failure, and so are another record's."""
    first, other = made.ids(ROWS)
    sql(made, "records", "DELETE FROM facts WHERE record=?", [other])
    assert verdict(made, other) == "integrity"
    lend = "INSERT INTO facts SELECT tenant, ?, counter, subject, kind, body, mac FROM facts WHERE record=?"
    sql(made, "records", lend, [other, first])
    assert verdict(made, other) == "integrity"


def test_a_record_without_facts_is_not_left_out_of_a_plan_unseen(made: Made) -> None:
    """Deleting facts can't keep a record from being planned: the plan stops, it doesn't skip."""
    (other,) = made.ids(ROWS[1:])
    sql(made, "records", "DELETE FROM facts WHERE record=?", [other])
    with pytest.raises(Tampered):
        made.vault.erasing().plan(made.token("dpo"), as_of=date(2032, 1, 1))


# --- index --------------------------------------------------------------------------------------------


def test_an_index_row_pointed_elsewhere_discloses_nothing(made: Made) -> None:
    """A search compares the opened value: whoever edits the index can't have another record shown."""
    first, other = made.ids(ROWS)
    sql(made, "index", "UPDATE blind SET record=? WHERE record=? AND field='phone'", [other, first])
    found = made.vault.reading().find(made.token("collector"), field="phone", value=ROWS[0]["手机"])
    assert (found.items, found.errors) == ([], [])
    swapped = made.vault.reading().find(made.token("collector"), field="phone", value=ROWS[1]["手机"])
    assert [item.record for item in swapped.items] == [other]


def test_every_index_row_on_one_record_discloses_that_record_alone(made: Made) -> None:
    """All digests pointed at one record: only its own value finds it, in every searchable field."""
    first, other = made.ids(ROWS)
    sql(made, "index", "UPDATE OR REPLACE blind SET record=? WHERE kind='borrower'", [other])
    for field, header in (("phone", "手机"), ("id_number", "证件号")):
        for row, expected in ((ROWS[0], []), (ROWS[1], [other])):
            found = made.vault.reading().find(made.token("legal"), field=field, value=row[header])
            assert [item.record for item in found.items] == expected
    assert verdict(made, first) == "data"


def test_a_ref_pointed_elsewhere_is_seen_in_what_is_shown(made: Made) -> None:
    """A reader by external id gets the ref that is sealed in the record, not the one asked for."""
    first, other = made.ids(ROWS)
    sql(made, "index", "UPDATE blind SET record=? WHERE record=? AND field='@ref'", [other, first])
    found = made.vault.reading().read(made.token("collector"), made.ids(ROWS[:1]))
    assert shown(found).ref == ROWS[1]["客户编号"]


def test_an_edited_attribute_shows_no_edited_value(made: Made) -> None:
    """A listing chooses by the index and shows what is sealed."""
    sql(made, "index", "UPDATE attributes SET value='别的产品' WHERE name='product'")
    page = made.vault.reading().list_records(made.token("legal"), kind="loan", where="product=别的产品")
    assert {str(values(item)["product"]) for item in page.items} == {"消费贷"}


# --- ledger -------------------------------------------------------------------------------------------


def notices(made: Made, record: str) -> list[str]:
    """What a check of the log and questions to it raise: error classes, in order."""
    said = []
    room = made.vault.auditing()
    for verb in (
        room.walk,
        lambda: room.ask(made.token("auditor"), Question(limit=1000)),
        lambda: room.ask(made.token("auditor"), Question(subject=record, limit=1000)),
    ):
        try:
            verb()
        except VaultError as error:
            said.append(type(error).__name__)
    return said


def test_an_edited_entry_is_reported(made: Made) -> None:
    """Every column of an entry is bound to its stub, and the stub to the tree."""
    (other,) = made.ids(ROWS[1:])
    token = made.token("legal")
    index = shown(made.vault.reading().read(token, [other])).receipt.index
    made.vault.reading().read(token, [other])
    names = [str(row[1]) for row in sql(made, "ledger", "PRAGMA table_info(entries)")]
    unseen = []
    for name in names:
        ((good,),) = sql(
            made, "ledger", f'SELECT "{name}" FROM entries WHERE idx=? AND tenant=?', [index, "main"]
        )
        bad: object = f"{good}x"
        if isinstance(good, int):
            bad = good + 1000
        elif isinstance(good, bytes):
            bad = next(bits(good))
        sql(made, "ledger", f'UPDATE entries SET "{name}"=? WHERE idx=? AND tenant=?', [bad, index, "main"])
        if not notices(made, other):
            unseen.append(name)
        key = "tenant=?1||'x'" if name == "tenant" else "tenant=?1"
        at = index + 1000 if name == "idx" else index
        sql(made, "ledger", f'UPDATE entries SET "{name}"=?3 WHERE {key} AND idx=?2', ["main", at, good])
    assert unseen == []
    assert notices(made, other) == []


def test_a_flipped_bit_in_a_stub_names_the_entry(made: Made) -> None:
    """The walk says which entry it is."""
    ((good,),) = sql(made, "ledger", "SELECT stub FROM entries WHERE idx=3 AND tenant='main'")
    assert isinstance(good, bytes)
    for bad in (*bits(good), *cuts(good)):
        with edited(made, "ledger", "entries", "stub", bad, "idx=3 AND tenant='main'"):
            with pytest.raises(Tampered) as caught:
                made.vault.auditing().walk()
            assert caught.value.index is not None
            assert caught.value.index <= 3


def test_a_removed_entry_is_reported(made: Made) -> None:
    """First, middle or last: the walk misses it."""
    size = made.size()
    columns = "SELECT * FROM entries WHERE idx=? AND tenant='main'"
    for at in (0, size // 2, size - 1):
        (row,) = sql(made, "ledger", columns, [at])
        sql(made, "ledger", "DELETE FROM entries WHERE idx=? AND tenant='main'", [at])
        with pytest.raises(Tampered) as caught:
            made.vault.auditing().walk()
        assert caught.value.index == at
        sql(made, "ledger", f"INSERT INTO entries VALUES ({','.join('?' * len(row))})", row)
    assert made.size() == size


def test_an_entry_cannot_be_hidden_from_a_borrowers_report(made: Made) -> None:
    """Whoever turns a subject's counter back, or takes an entry out of the tag index, is found out."""
    (other,) = made.ids(ROWS[1:])
    index = [shown(made.vault.reading().read(made.token("legal"), [other])).receipt.index for _ in range(3)]
    ask = made.vault.auditing().ask
    assert {line.index for line in ask(made.token("auditor"), Question(subject=other))} >= set(index)
    for by in (1, 2):
        sql(made, "ledger", "UPDATE counters SET n=n-? WHERE n=3", [by])
        assert "Tampered" in notices(made, other)
        sql(made, "ledger", "UPDATE counters SET n=3 WHERE n=?", [3 - by])
    with edited(made, "ledger", "entries", "block", 9, "idx=? AND tenant='main'", index[:1]):
        assert "Tampered" in notices(made, other)
    assert notices(made, other) == []


def test_a_flipped_bit_in_a_body_is_reported(made: Made) -> None:
    """The auditor's question names the integrity failure; no line is made up."""
    (other,) = made.ids(ROWS[1:])
    index = shown(made.vault.reading().read(made.token("legal"), [other])).receipt.index
    where = "idx=? AND tenant='main'"
    ((good,),) = sql(made, "ledger", f"SELECT sealed FROM bodies WHERE {where}", [index])
    assert isinstance(good, bytes)
    for bad in (*bits(good), *cuts(good)):
        with edited(made, "ledger", "bodies", "sealed", bad, where, [index]), pytest.raises(Tampered):
            made.vault.auditing().ask(made.token("auditor"), Question(subject=other, limit=1000))


@pytest.mark.parametrize("column", ["size", "edge", "last_t", "registry", "mac"])
def test_an_edited_head_stops_everything(made: Made, column: str) -> None:
    """Nothing is read and nothing appended on a head that the vault did not write."""
    (other,) = made.ids(ROWS[1:])
    token = made.token("legal")
    ((good,),) = sql(made, "ledger", f"SELECT {column} FROM head WHERE tenant='main'")
    bad = (
        [*bits(good, 6), *cuts(good)]
        if isinstance(good, bytes)
        else [int(str(good)) + 1, int(str(good)) - 1, -1]
    )
    told = []
    for value in bad:
        with edited(made, "ledger", "head", column, value, "tenant='main'"):
            told.append(verdict(made, other, token))
            made = made.reopened()
            told.append(verdict(made, other, token))
    assert set(told) == {"Tampered"}, told


def test_a_head_cannot_be_rolled_back_under_an_open_vault(made: Made) -> None:
    """A log shortened to an older, genuine head is noticed by the vault that wrote further."""
    (other,) = made.ids(ROWS[1:])
    token = made.token("legal")
    (old,) = sql(made, "ledger", "SELECT * FROM head WHERE tenant='main'")
    made.vault.reading().read(token, [other])
    sql(made, "ledger", "INSERT OR REPLACE INTO head VALUES (?,?,?,?,?,?)", old)
    sql(made, "ledger", "DELETE FROM entries WHERE tenant='main' AND idx>=?", [old[1]])
    assert verdict(made, other, token) == "Tampered"


def test_the_registry_cannot_be_edited(made: Made) -> None:
    """No principal is added, no role widened, nobody re-enabled by whoever writes the tables."""
    (other,) = made.ids(ROWS[1:])
    token = made.token("legal")
    ((body,),) = sql(made, "ledger", "SELECT body FROM registry WHERE tenant='main' AND kind='principal'")
    assert isinstance(body, bytes)
    for bad in bits(body, 12):
        with edited(made, "ledger", "registry", "body", bad, "tenant='main' AND kind='principal'"):
            assert verdict(reopen(made), other, token) == "Tampered"
    sql(made, "ledger", "INSERT INTO registry VALUES ('main','principal','p-mine',?)", [body])
    assert verdict(reopen(made), other, token) == "Tampered"
    sql(made, "ledger", "DELETE FROM registry WHERE tenant='main'")
    assert verdict(reopen(made), other, token) == "Tampered"


def test_an_edited_checkpoint_is_reported(made: Made) -> None:
    """Text, signature or size of a stored checkpoint: the walk stops there."""
    made = made.reopened()
    (size, note), *_ = sql(made, "ledger", "SELECT size, note FROM checkpoints WHERE tenant='main'")
    for bad in bits(str(note).encode(), 60):
        text = bad.decode("latin-1")
        cell = edited(made, "ledger", "checkpoints", "note", text, "tenant='main' AND size=?", [size])
        with cell, pytest.raises(Tampered):
            made.vault.auditing().walk()
        with pytest.raises(Tampered):
            checkpoint.open_checkpoint(text, made.vault.vkey())
    sql(made, "ledger", "DELETE FROM checkpoints WHERE tenant='main' AND size>?", [size])
    sql(made, "ledger", "UPDATE checkpoints SET size=size+1 WHERE size=? AND tenant='main'", [size])
    with pytest.raises(Tampered):
        made.vault.auditing().walk()


def test_an_edited_tile_is_reported(made: Made, tmp_path: Path) -> None:
    """A stored tile that is not the log's gives no receipt and no export."""
    ids, token = made.ids(ROWS), made.token("legal")
    made.vault.reading().read(token, ids[:1] * 300)
    ((good,),) = sql(made, "ledger", "SELECT hashes FROM tiles WHERE level=0 AND tile=0")
    assert isinstance(good, bytes)
    room, auditor = made.vault.auditing(), made.token("auditor")
    for bad in bits(good, 4):
        with edited(made, "ledger", "tiles", "hashes", bad, "level=0 AND tile=0"):
            with pytest.raises(Tampered):
                room.receipt(280)
            with pytest.raises(Tampered):
                room.export(auditor, tmp_path / "tiles")
    proof.check(room.receipt(280), room.stub(280), room.vkey)


def test_a_plans_items_cannot_be_edited(made: Made) -> None:
    """What is executed is what was approved: an item added, removed or turned stops the plan."""
    room, token = made.vault.erasing(), made.token("dpo")
    (first,) = made.ids(ROWS[:1])
    hold(made, first)
    plan = room.plan(token, as_of=date(2032, 1, 1))
    cell = edited(made, "ledger", "plan_items", "action", "erase", "record=?", [first])
    with cell, pytest.raises(Tampered):
        room.execute(token, plan.id, yes=True)
    sql(made, "ledger", "DELETE FROM plan_items WHERE record=?", [first])
    with pytest.raises(Tampered):
        room.execute(token, plan.id, yes=True)
    assert verdict(made, made.ids(ROWS[1:])[0]) == "data"


# --- what leaves the vault ------------------------------------------------------------------------------


def test_a_flipped_bit_in_a_certificate_is_reported(made: Made) -> None:
    """Every bit of a certificate is under its signature."""
    room, token = made.vault.erasing(), made.token("dpo")
    done = room.execute(token, room.plan(token, as_of=date(2032, 1, 1)).id, yes=True)
    open_certificate(done.certificate, made.vault.vkey())
    unseen = []
    good = done.certificate.encode()
    for at in range(len(good)):
        bad = good[:at] + bytes([good[at] ^ (1 << at % 7)]) + good[at + 1 :]
        try:
            open_certificate(bad.decode(), made.vault.vkey())
        except Tampered:
            continue
        unseen.append(at)
    assert [good[at - 20 : at + 20] for at in unseen] == []


def test_a_flipped_bit_in_a_token_is_refused(made: Made) -> None:
    """Every character of a token counts, and so does its key."""
    (other,) = made.ids(ROWS[1:])
    token = made.token("legal")
    good, opened = token.token, []
    for at in range(len(good)):
        bad = good[:at] + chr(ord(good[at]) ^ (1 << at % 7)) + good[at + 1 :]
        if verdict(made, other, msgspec.structs.replace(token, token=bad)) != "Denied":
            opened.append(at)
    assert opened == []
    for seed in bits(token.seed):
        assert verdict(made, other, msgspec.structs.replace(token, seed=seed)) == "Denied"


def test_a_flipped_bit_in_a_token_file_is_refused(made: Made) -> None:
    """A damaged token file isn't read, isn't honoured, or still says exactly the same token and key."""
    (other,) = made.ids(ROWS[1:])
    token = made.token("legal")
    for bad in bits(token.to_json(), 400):
        try:
            read = Credential.from_json(bad)
        except Invalid:
            continue
        assert verdict(made, other, read) == "Denied" or (read.token, read.seed) == (token.token, token.seed)


def test_a_flipped_bit_in_a_principal_file_is_refused(made: Made) -> None:
    """A damaged principal file acts for nobody."""
    good, acted = made.identity.to_json(), []
    for bad in bits(good, len(good)):
        try:
            identity = type(made.identity).from_json(bad)
            made.vault.granting().issue(identity, role="legal", purpose="legal_action")
        except (Invalid, Denied):
            continue
        if identity.signing.public != made.identity.signing.public:
            acted.append(bad)
    assert acted == []


def test_settings_cannot_turn_the_sandbox_on_or_off(made: Made, tmp_path: Path) -> None:
    """Policy, settings and the log's origin must agree on it."""
    made.vault.close()
    for name in ("policy.toml", "vault.toml"):
        path = made.folder / name
        good = path.read_text()
        path.write_text(good.replace("sandbox = true", "sandbox = false"))
        assert path.read_text() != good
        with pytest.raises(ConfigError):
            Vault.open(made.folder, clock=made.clock).reading()
        path.write_text(good)
    assert verdict(reopen(made), "r-none") == "not_found"


def test_unknown_ids_look_like_missing_ones(made: Made) -> None:
    """A record of another tenant, a malformed id and a missing one get the same answer."""
    made.load(ROWS, tenant="second")
    (far,) = made.ids(ROWS[:1], "second")
    token = made.token("legal")
    assert {verdict(made, ident, token) for ident in (far, "r-none", "", "'; --", "r-" + "0" * 26)} == {
        "not_found"
    }
    with pytest.raises((Denied, NotFound, Unavailable)):
        made.vault.reading("second").read(token, [far])


def test_a_note_moved_between_records_does_not_open(made: Made) -> None:
    """Narrative payloads are bound like all others."""
    made.load([attempt(1, 0), attempt(2, 1)], kind="contact_attempt")
    token = made.token("dpo", "subject_request")
    page = made.vault.reading().list_records(token, kind="contact_attempt")
    one, two = (item.record for item in page.items)
    assert verdict(made, one, token) == "data"
    with edited(
        made, "records", "payloads", "sealed", blob(made, two, "narrative", 1), KEY, [one, "narrative", 1]
    ):
        assert verdict(made, one, token) == "integrity"
