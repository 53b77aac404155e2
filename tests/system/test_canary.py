"""No sealed value stands in clear in anything the vault writes, prints, logs or raises (promise 1)."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import date
from io import StringIO
from pathlib import Path

import msgspec
import pytest
import structlog
import xlsxwriter
from kit import (
    PURPOSE,
    Made,
    attempt,
    borrower,
    borrowers,
    canaries,
    leaks,
    make_vault,
    promise,
    reopen,
    shown,
    sql,
)

from vault import telemetry
from vault.access.tokens import Limits
from vault.auditing import Question
from vault.errors import ConfigError, Denied, Invalid, VaultError
from vault.intake import open_export
from vault.intake.records import drafts_or_faults
from vault.intake.table import TableSource
from vault.keeping import NewSecret, NewSubject
from vault.model import Happening, Hold, Who, Whom
from vault.opening import Item
from vault.stores.foreign import ForeignQuery
from vault.taking import ImportOptions
from vault.vault import Vault

ROWS = borrowers(6)
NOTE = attempt(1, 0)
MORE = borrowers(3, 20)
BAD = borrower(90) | {"手机": "138-CANARY-90", "证件号": borrower(90)["证件号"][:-1] + "?"}
SECRET_VALUES = (
    canaries([*ROWS, *MORE, NOTE, BAD]) | {"13866600001", "金丝雀电话"} | {"金丝雀承诺8001", "8801.19"}
)


def refs(values: set[str]) -> set[str]:
    """The operational numbers among the values: shown to everyone who may read at all."""
    return {value for value in values if value[:3] in {"AJ-", "KH-", "LX-", "CN-"}}


def reads(made: Made) -> list[str]:
    """Every role reads, finds and lists; returns what was said when refused."""
    ids = made.ids(ROWS)
    said: list[str] = []
    room = made.vault.reading()
    for role in PURPOSE:
        limits = Limits(cases=frozenset({"AJ-700000"})) if role == "agency_collector" else None
        token = made.token(role, limits=limits)
        for verb in (
            lambda token=token: room.read(token, ids),
            lambda token=token: room.read(token, ids, fields=("id_number",)),
            lambda token=token: room.find(token, field="phone", value=ROWS[1]["手机"]),
            lambda token=token: room.find(token, field="phone", value="1381234"),
            lambda token=token: room.list_records(token, kind="loan", where="stage=M2"),
        ):
            try:
                verb()
            except VaultError as error:
                said.append(told(error))
    return said


def told(error: BaseException) -> str:
    """Everything that an error says of itself, its traceback and its chain included."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))


def audit(made: Made, out: Path) -> list[str]:
    """Questions, verification, receipts and an export; returns all that was printed of them."""
    token, room = made.token("auditor"), made.vault.auditing()
    said = [repr(room.ask(token, Question(limit=1000))), repr(room.verify(token)), room.checkpoint()]
    said += [room.receipt(0), room.stub(0).decode("latin-1")]
    room.export(token, out)
    return said


def purge(made: Made) -> list[str]:
    """A hold, a plan and its execution, which erases all but the held record."""
    token, room = made.token("dpo"), made.vault.erasing()
    held = made.ids(ROWS)[:1]
    room.add_hold(token, held, Hold(number="H-1", authority="成都市武侯区人民法院", until="2040-01-01"))
    plan = room.plan(token, as_of=date(2032, 1, 1))
    done = room.execute(token, plan.id, yes=True)
    (made.folder / "certificate.json").write_text(done.certificate)
    return [repr(plan), repr(done), repr(room.holds(token))]


def taken_in(made: Made) -> list[str]:
    """Every way in: a workbook joined with JSON Lines, a table, a run that stops and goes on, a compare."""
    folder, writing = made.outside / "in", made.vault.writing()
    folder.mkdir()
    made_of, said = MORE[0].keys(), []
    book, side, table = folder / "m.xlsx", folder / "s.jsonl", folder / "t.db"
    with xlsxwriter.Workbook(book) as opened:
        sheet = opened.add_worksheet()
        for at, line in enumerate(
            [list(made_of)[:6], *([row[c] for c in list(made_of)[:6]] for row in MORE)]
        ):
            sheet.write_row(at, 0, line)
    rest = [next(c for c in made_of if c == "案件编号"), *list(made_of)[6:]]
    side.write_text("\n".join(json.dumps({c: row[c] for c in rest}, ensure_ascii=False) for row in MORE))
    joined = ImportOptions(joins=((side, None),), on="案件编号", processes=2)
    report = made.folder / "more.jsonl"

    def stop(_: int) -> None:
        raise InterruptedError

    for counted in (stop, None):
        with suppress(InterruptedError):
            done = writing.import_file(
                made.token("importer"), book, kind="borrower", report=report, options=joined,
                resume=made.folder / "resume.json", counted=counted,
            )  # fmt: skip
            said += [repr(done), report.read_text()]
    with closing(sqlite3.connect(table)) as db, db:
        db.execute(
            f"CREATE TABLE b (id INTEGER PRIMARY KEY, {', '.join(chr(34) + c + chr(34) for c in made_of)})"
        )
        db.executemany(
            f"INSERT INTO b VALUES (NULL, {', '.join('?' * len(made_of))})",
            [list(row.values()) for row in MORE],
        )
    query = ForeignQuery(f"sqlite:///{table}", "SELECT * FROM b", "id")
    tenancy = made.vault.tenancy()
    export = open_export(
        None, tenancy.schema, kind="borrower", today=tenancy.today(), source=TableSource(query)
    )
    said.append(repr(writing.compare(made.token("importer"), export, report=made.folder / "compared.jsonl")))
    query.close()
    assert "equal=3" in said[-1], said[-1]
    shutil.rmtree(folder)  # the sources themselves hold everything
    return said


def put_right(made: Made) -> list[str]:
    """Corrections, what stood before, people merged, split and refusing, writes that fail in part."""
    dpo, room = made.token("dpo", "subject_request"), made.vault.amending()
    one, two = made.ids(MORE)[:2]
    said = [
        repr(room.correct(dpo, one, {"phone": "13866600001"}, reason="letter")),
        repr(room.duplicates(dpo)),
    ]
    said.append(repr(room.merge(dpo, one, two, reason="same")))
    said.append(repr(room.split(dpo, [two], reason="not the same")))
    said.append(repr(room.refuse(dpo, two, reason="said so")))
    tenancy = made.vault.tenancy()
    sent = [
        {"kind": "borrower", "ref": "KH-x", "values": {"name": MORE[0]["客户姓名"], "phone": "金丝雀电话"}},
        {"kind": "borrower", "ref": "KH-y", "values": {"name": MORE[0]["客户姓名"]}, "version": 7},
    ]
    drafts = drafts_or_faults(json.dumps(sent).encode(), tenancy.schema, tenancy.today())
    said.append(repr(made.vault.writing().write(made.token("importer"), drafts, partial=True)))
    for bad in ({"phone": "金丝雀电话"}, {"nosuch": MORE[0]["客户姓名"]}):
        try:
            room.correct(dpo, one, bad, reason="r")
        except VaultError as error:
            said.append(told(error))
    return said


@pytest.fixture
def lived(tmp_path: Path) -> Iterator[tuple[Made, list[str]]]:
    """A vault after a full life, with everything it said on the way."""
    made = make_vault(tmp_path, tenants=["second"])
    said = [repr(made.load([*ROWS, BAD])), (made.folder / "report.jsonl").read_text()]
    made.load([NOTE], kind="contact_attempt")
    made.vault.writing().write(made.token("dpo", "subject_request"), [promise(1, 0)])
    made.load([ROWS[0] | {"电子邮箱": "canary.changed@example.com"}])
    said += taken_in(made) + put_right(made)
    said += reads(made) + audit(made, made.folder / "export")
    for store in made.folder.glob("*.db*"):
        shutil.copy(store, made.folder / f"backup-{store.name}")
    said += purge(made) + audit(made, made.folder / "export-2")
    yield made, said
    made.vault.close()


def test_no_file_holds_a_clear_value(lived: tuple[Made, list[str]]) -> None:
    """Stores, logs, shm, backups, reports, certificates, exports and keys hold no value in any encoding."""
    made, _ = lived
    files = [path for path in made.folder.rglob("*") if path.is_file()]
    assert {"records.db-wal", "report.jsonl", "certificate.json", "backup-keys.db"} <= {p.name for p in files}
    found = {
        str(path.relative_to(made.folder)): leak
        for path in files
        if (leak := leaks(path.read_bytes(), SECRET_VALUES | {"canary.changed@example.com"}))
    }
    assert found == {}


def test_nothing_said_holds_a_clear_value(
    lived: tuple[Made, list[str]], capfd: pytest.CaptureFixture[str]
) -> None:
    """Reports, refusals, plans, log lines and what went to the terminal name no value."""
    _, said = lived
    captured = capfd.readouterr()
    text = "\n".join([*said, captured.out, captured.err])
    assert leaks(text.encode(), SECRET_VALUES - refs(SECRET_VALUES)) == []


def test_the_search_for_canaries_finds_them(tmp_path: Path) -> None:
    """The same search does find values where they do stand: in the import file, in every encoding."""
    value = "赵澹翊"
    assert leaks(f"x{value}".encode("gb18030"), {value})
    assert leaks(b"\\u8d75\\u6fb9\\u7fca", {value})
    made = make_vault(tmp_path)
    made.load(ROWS)
    assert leaks(made.file(ROWS).read_bytes(), canaries(ROWS))
    made.vault.close()


def wreck_key(made: Made) -> None:
    """The contact compartment's key is another one."""
    path = made.folder / "keys" / "main.keys"
    head, _, body = path.read_bytes().partition(b"\n")
    file = msgspec.json.decode(body)
    file["compartments"]["contact"]["1"] = file["compartments"]["account"]["1"]
    path.write_bytes(head + b"\n" + msgspec.json.encode(file))


def wreck_file(made: Made) -> None:
    """The records file is garbage from its second page on."""
    made.vault.close()
    path = made.folder / "records.db"
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    path.write_bytes(data)


TRIGGER = "CREATE TRIGGER odd BEFORE INSERT ON {} BEGIN SELECT RAISE(ABORT, 'odd'); END"
WRECKS: dict[str, Callable[[Made], object]] = {
    "payloads dropped": lambda m: sql(m, "records", "DROP TABLE payloads"),
    "facts dropped": lambda m: sql(m, "records", "DROP TABLE facts"),
    "secrets dropped": lambda m: sql(m, "keys", "DROP TABLE secrets"),
    "index dropped": lambda m: sql(m, "index", "DROP TABLE blind"),
    "entries dropped": lambda m: sql(m, "ledger", "DROP TABLE entries"),
    "head dropped": lambda m: sql(m, "ledger", "DROP TABLE head"),
    "column lost": lambda m: sql(m, "records", "ALTER TABLE payloads DROP COLUMN sealed"),
    "constraint": lambda m: sql(m, "index", TRIGGER.format("blind")),
    "trigger": lambda m: sql(m, "records", TRIGGER.format("payloads")),
    "wrong key": wreck_key,
    "garbage": wreck_file,
}


@pytest.mark.parametrize("wreck", WRECKS)
def test_errors_forced_on_purpose_hold_no_value(
    tmp_path: Path, wreck: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever breaks under the vault, error, traceback, log and terminal stay without values."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    ids = made.ids(ROWS)
    legal, importer = made.token("legal"), made.token("importer")
    WRECKS[wreck](made)
    if wreck == "wrong key":
        made = reopen(made)
    stream, said, failed = StringIO(), [], 0
    telemetry.configure(10)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(stream))
    more = made.file([*borrowers(3, first=20), ROWS[0] | {"备用电话": "13900009999"}], "more.csv")
    for verb in (
        lambda: made.vault.reading().read(legal, ids),
        lambda: made.vault.reading().find(legal, field="phone", value=ROWS[1]["手机"]),
        lambda: made.vault.writing().import_file(
            importer, more, kind="borrower", report=made.folder / "report.jsonl"
        ),
    ):
        try:
            found = verb()
        except VaultError as error:
            failed += 1
            said.append(told(error))
            telemetry.logger().error("failed", exc_info=sys.exc_info()[1], value=ROWS[1]["手机"])
        else:
            failed += bool(getattr(found, "errors", ()))
    structlog.reset_defaults()
    captured = capfd.readouterr()
    text = "\n".join([*said, stream.getvalue(), captured.out, captured.err])
    with suppress(VaultError):
        made.vault.close()
    assert failed
    assert leaks(text.encode(), canaries([*ROWS, *borrowers(3, first=20)]) - refs(SECRET_VALUES)) == []


def test_objects_that_hold_values_do_not_print_them(tmp_path: Path) -> None:
    """repr, str and format of whatever holds clear values or secrets show neither."""
    made = make_vault(tmp_path)
    made.load(ROWS[:1])
    ids = made.ids(ROWS[:1])
    found = made.vault.reading().read(made.token("legal"), ids)
    item = Item(id=ids[0])
    item.fields = shown(found).fields
    draft = promise(1, 0)
    things: list[object] = [
        found, shown(found), *shown(found).fields.values(), item, draft, [draft], {"a": found},
        made.vault, made.vault.reading(), made.vault.tenancy(), made.vault.provider,
    ]  # fmt: skip
    text = "".join(f"{thing!r}{thing!s}" for thing in things)
    made.vault.close()
    assert leaks(text.encode(), SECRET_VALUES - refs(SECRET_VALUES)) == []


def test_objects_that_hold_secrets_do_not_print_them(tmp_path: Path) -> None:
    """Record secrets, log secrets, seeds and keys show in no repr."""
    made = make_vault(tmp_path)
    secret = bytes(range(65, 97))
    who = Who(actor="p", role="legal", purpose="legal_action")
    keys = made.vault.tenancy().keys
    things: list[object] = [
        NewSecret(record="r", version=1, due="2026-01", secret=secret),
        NewSubject(subject="s", secret=secret),
        Happening(kind="read", who=who, whom=Whom(), secret=secret),
        keys, keys.log, keys.issuer, made.identity, made.token("legal"),
    ]  # fmt: skip
    text = "".join(f"{thing!r}{thing!s}" for thing in things)
    hidden = [secret.decode(), made.identity.key, repr(keys.log.seed)[2:-1], repr(keys.audit_private)[2:-1]]
    made.vault.close()
    assert [n for n, value in enumerate(hidden) if value in text] == []


def test_refusals_name_the_remedy_and_never_the_value(tmp_path: Path) -> None:
    """What a caller typed is not repeated: neither a bad value, a bad id nor a bad token."""
    made = make_vault(tmp_path)
    made.load(ROWS[:1])
    room, legal = made.vault.reading(), made.token("legal")
    wrong = msgspec.structs.replace(legal, token=legal.token.replace("e", "f", 1))
    phone, where = ROWS[0]["手机"] + "7", "outstanding=" + ROWS[0]["欠款余额"]
    with pytest.raises(Invalid) as bad_value:
        room.find(legal, field="phone", value=phone)
    with pytest.raises(Denied) as bad_token:
        room.read(wrong, [])
    with pytest.raises(Invalid) as bad_where:
        room.list_records(legal, kind="loan", where=where)
    made.vault.close()
    said = [told(e.value) for e in (bad_value, bad_token, bad_where)]
    assert not any(value in text for text in said for value in (phone, ROWS[0]["欠款余额"], wrong.token))
    assert all(e.value.message for e in (bad_value, bad_token, bad_where))


def test_a_wrong_passphrase_is_not_repeated(tmp_path: Path) -> None:
    """Keys locked by a passphrase don't open with another or none, and neither passphrase is repeated."""
    right, wrong = "correct horse " + "battery", "correct horse " + "staple"
    vault, _ = Vault.init(tmp_path / "vault", passphrase=right, sandbox=True)
    vault.close()
    for given in (wrong, None):
        with pytest.raises(ConfigError) as caught:
            Vault.open(tmp_path / "vault", passphrase=given).reading()
        assert not any(word in told(caught.value) for word in (right, wrong))
        assert caught.value.field == "passphrase"
