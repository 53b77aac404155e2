"""No sealed value stands in anything that the access log hands out, sends, writes or refuses (promise 1)."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from io import StringIO
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg
import pytest
import structlog
from commands import run
from hooks import Hook
from kit import Made, attempt, borrowers, canaries, leaks, make_vault, promise
from psycopg import sql
from witnesskit import WitnessServer, answer, running

from vault import telemetry
from vault.auditing import Breach, Question, Scope, Wanted
from vault.config import Stores, iso
from vault.courier import Http
from vault.crypto.provider import write_private
from vault.errors import VaultError
from vault.examining import Examiner

ROWS: Final = borrowers(4)
ALL: Final = canaries([*ROWS, attempt(1, 0)]) | {"13866600001", "金丝雀承诺8001", "8801.19"}
NUMBERS: Final = {value for value in ALL if value[:3] in {"AJ-", "KH-", "LX-", "CN-"}}
"""Numbers of cases and the like: bodies hold case numbers by design, and answers to who may open them."""
VALUES: Final = ALL - NUMBERS
RULES: Final = """format = 1
[[rule]]
id = "any_person"
what = "distinct_subjects"
limit = 0
window = "day"
severity = "high"
zh = "某"
en = "some"
"""
RANGE: Final = ("--since", "2020-01-01")


@dataclass
class Lived:
    """A vault whose log was asked, reported, disclosed, witnessed and recovered from.

    Attributes:
        out: Where everything went that was written outside the vault's folder.
        said: Answers and refusals of the rooms.
        sent: What went over the wire.
        printed: What commands printed on stdout. told: What they said on stderr.
    """

    made: Made
    out: Path
    stores: Stores | None
    said: list[str] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


def told(error: BaseException) -> str:
    """All that an error says of itself, traceback and chain included."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))


def lives(made: Made) -> None:
    """Everything that leaves entries about people: reads, searches, refusals, corrections, a merge."""
    made.load([attempt(1, 0)], kind="contact_attempt")
    made.vault.writing().write(made.token("dpo", "subject_request"), [promise(1, 0)])
    reading, ids = made.vault.reading(), made.ids(ROWS)
    for role in ("collector", "legal"):
        token = made.token(role)
        reading.read(token, ids)
        reading.find(token, field="phone", value=ROWS[1]["手机"])
    with pytest.raises(VaultError):
        reading.read(made.token("collector"), ids[:1], fields=("bank_card",))
    dpo, amending = made.token("dpo", "subject_request"), made.vault.amending()
    amending.correct(dpo, ids[0], {"phone": "13866600001"}, reason="letter")
    amending.merge(dpo, ids[0], ids[1], reason="one person")


def asks(lived: Lived) -> None:
    """Every question of the auditing room, answered; and every act on incidents, honey and audits."""
    made, room, said = lived.made, lived.made.vault.auditing(), lived.said
    auditor, dpo, now = made.token("auditor"), made.token("dpo", "security"), made.clock()
    one, phone = made.ids(ROWS)[0], ROWS[1]["手机"]
    said += [repr(room.add_honey(dpo, [one])), repr(room.honey(auditor)), repr(room.test_alarm(auditor))]
    made.vault.reading().read(made.token("collector"), [one])
    said += [repr(room.deliver_alarms()), repr(room.alarms(auditor)), repr(room.remove_honey(dpo, [one]))]
    incident = room.open_incident(dpo, noticed=now, reason="laptop lost").id
    said.append(repr(room.report_incident(dpo, incident, "CAC-4H", reference="file 7")))
    said.append(repr(room.close_incident(dpo, incident, reason="found")))
    said.append(repr(room.incidents(auditor)))
    breach = Breach(actor=made.identity.principal, since=0, until=now + 1, incident=incident)
    summary, people = room.affected(auditor, breach)
    said += [repr(summary), repr(list(people))]
    said += [repr(room.looked_up(auditor, "phone", phone)), repr(room.refusals(auditor, by="actor"))]
    said += [repr(room.top(auditor, distinct=True)), repr(room.off_hours(auditor))]
    said += [repr(list(room.no_case(auditor))), repr(room.summarise(auditor)), repr(room.balance(auditor))]
    said += [repr(room.ask(auditor, Question(limit=None))), repr(room.ask(auditor, Question(subject=one)))]
    said += [repr(room.prunable(entries=True)), repr(room.examine()), repr(room.alarm_rules())]


def hands_out(lived: Lived) -> None:
    """Reports, audits with their keys and bodies files, receipts, pins, stamps' queries, evidence."""
    made, room, out = lived.made, lived.made.vault.auditing(), lived.out
    auditor, one = made.token("auditor"), made.ids(ROWS)[0]
    for lang in ("zh", "en"):
        (out / f"report-{lang}.html").write_bytes(room.report(auditor, one, lang=lang).file)
    (out / "whom-report.html").write_bytes(room.report(auditor, one, with_whom=True).file)
    for part in ("who", "whom", "both"):
        audit = room.open_audit(made.identity, made.identity.principal, scope(part), "yearly")
        lived.said.append(repr(room.audits(made.identity)))
        (out / f"{part}.key").write_bytes(msgspec.json.encode(room.audit_key(auditor, audit.id)))
        room.export_bodies(auditor, out / f"{part}.bodies", Wanted(audit=audit.id))
        room.export_bodies(auditor, out / f"{part}-plain.bodies", Wanted(plain=True, disclose=part))
        lived.said.append(repr(room.close_audit(made.identity, audit.id)))
    for index, receipt in enumerate(room.receipts(list(range(made.size())))):
        (out / f"{index}.tlog-proof").write_text(receipt)
    (out / "pin").write_text(room.pin())
    (out / "query.tsq").write_bytes(room.stamp_query())
    (out / "sample.txt").write_text(repr(room.sample(auditor, room.checkpoint(), 20, "role")))
    room.export(auditor, out / "tiles")
    Examiner(made.vault.tenancy()).write_evidence(out / "evidence", room.examine())


def scope(part: str) -> Scope:
    """An audit of the whole log."""
    return Scope(ends="2026-12-31", disclose=part)


def is_witnessed(lived: Lived) -> None:
    """Witnesses are asked, one of which refuses; what they are sent is kept."""
    made, room = lived.made, lived.made.vault.auditing()
    with running("w.example", "x.example", clock=lambda: made.clock() / 1e6) as servers:
        for server in servers:
            server.logs[made.vault.vkey().name] = made.vault.vkey().public
        servers[1].raw = lambda handler, data: refuses(lived, handler, data)
        room.set_witnesses(made.token("admin"), policy(servers))
        lived.said.append(repr(room.round(Http(2))))
        lived.said += [repr(room.tail()), room.cosigned()]


def refuses(lived: Lived, handler: BaseHTTPRequestHandler, data: bytes) -> None:
    """Keep what a witness was sent, and refuse it."""
    lived.sent.append(data)
    answer(handler, 403, b"no\n")


def policy(servers: list[WitnessServer]) -> str:
    """One of two is enough."""
    names = " ".join(server.name for server in servers)
    return "".join(server.line for server in servers) + f"group both 1 {names}\nquorum both\n"


def is_refused(lived: Lived) -> None:
    """Values where none belong, in everything that takes a text, and every act by those who may not."""
    made, room = lived.made, lived.made.vault.auditing()
    auditor, dpo, now = made.token("auditor"), made.token("dpo", "security"), made.clock()
    name, phone, card = ROWS[2]["客户姓名"], ROWS[2]["手机"], ROWS[2]["银行卡号"]
    wrong: list[Callable[[], object]] = [
        lambda: room.open_incident(dpo, noticed=now, reason=f"lost {phone}"),
        lambda: room.report_incident(dpo, name, "CAC-4H", reference=card),
        lambda: room.close_incident(dpo, phone, reason="x"),
        lambda: room.add_honey(dpo, [phone]),
        lambda: room.looked_up(auditor, name, phone),
        lambda: room.looked_up(auditor, "id_number", phone),
        lambda: room.ask(auditor, Question(subject=name)),
        lambda: room.ask(auditor, Question(field=phone)),
        lambda: room.ask(auditor, Question(actor=phone, role=name, case=card, token=phone, node=phone)),
        lambda: room.affected(auditor, Breach(actor=phone, since=0, until=now)),
        lambda: room.affected(auditor, Breach(node=card, since=0, until=now)),
        lambda: room.report(auditor, phone),
        lambda: room.report(auditor, name, lang=phone),
        lambda: room.open_audit(made.identity, name, scope("who"), "x"),
        lambda: room.open_audit(made.identity, made.identity.principal, scope("who"), phone),
        lambda: room.open_audit(made.identity, made.identity.principal, scope(name), "x"),
        lambda: room.audit_key(auditor, phone),
        lambda: room.export_bodies(auditor, lived.out / "never", Wanted(audit=phone)),
        lambda: room.sample(auditor, phone, 3),
        lambda: room.set_witnesses(made.token("admin"), f"witness {name} {phone}\n"),
        lambda: room.refresh(phone),
        lambda: room.take_stamp(phone, phone.encode(), card.encode()),
        lambda: room.summarise(auditor, phone),
    ]
    for act in wrong:
        try:
            lived.said.append(repr(act()))
        except VaultError as error:
            lived.said.append(told(error))
            telemetry.logger().error("failed", exc_info=error, value=phone, name=name)


def is_commanded(lived: Lived) -> None:
    """The same by command, in every form that commands have."""
    made, out = lived.made, lived.out
    write_private(made.folder / "admin.principal", made.identity.to_json())
    one, actor, last = made.ids(ROWS)[0], made.identity.principal, iso(made.clock() + 1)
    note = run("--vault", made.folder, "log", "checkpoint").out
    (out / "note").write_text(note)
    forms: tuple[tuple[object, ...], ...] = ((), ("--json",), ("--csv",))
    span = ("--since", "2020-01-01", "--until", last)
    asked: list[tuple[object, ...]] = [
        *(("log", question, *RANGE, *form) for question in ("refusals", "off-hours") for form in forms),
        *(("log", "looked-up", "--field", "phone", *form) for form in forms),
        *(("log", "list", "--all", *form) for form in (*forms, ("--jsonl",))),
        ("log", "top", "--distinct", *RANGE, "--csv"), ("log", "no-case", "--csv"),
        ("log", "summary", "--month", "2026-03", "--out", out / "summary.html"),
        ("log", "summary", "--month", "2026-03", "--json"), ("log", "summary", "--month", "2026-03"),
        ("log", "sample", "9", "--seed-from", out / "note", "--sheet", out / "sheet.csv"),
        ("log", "report", "--subject", one, "--out", out / "cli-report.html"),
        ("log", "balance"), ("log", "recover"), ("log", "prune", "--entries"), ("log", "witness", "show"),
        ("log", "pin", "--out", out / "cli-pin"), ("log", "receipt", "1", "--out", out / "cli.tlog-proof"),
        ("incident", "list"), ("incident", "list", "--json"),
        ("incident", "affected", "--actor", actor, *span, "--csv", out / "affected.csv"),
        ("incident", "affected", "--actor", actor, *span, "--json"),
        ("incident", "affected", "--actor", actor, *span),
        ("alarm", "list"), ("alarm", "rules"), ("alarm", "honey", "list"), ("alarm", "deliver", "--json"),
        ("status",), ("doctor",), ("audit", "list"), ("audit", "pack", out / "pack", "--months", "9"),
        ("log", "list", "--subject", ROWS[0]["手机"]), ("log", "report", "--ref", "x", "--out", out / "n"),
        ("incident", "open", "--noticed", last, "--reason", ROWS[0]["手机"]),
    ]  # fmt: skip
    for words in asked:
        stdin = ROWS[1]["手机"] + "\n" if "looked-up" in words else None
        done = run("--vault", made.folder, "--sandbox", *words, stdin=stdin)
        lived.printed.append(done.out)
        lived.told.append(done.err)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def lived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """A log after a full life, on either engine."""
    stores, folder = None, tmp_path_factory.mktemp("canary")
    if request.param == "postgresql":
        pg: Callable[[], str] = request.getfixturevalue("pg")
        stores = Stores(records=pg(), index=pg(), keys=pg(), ledger=pg())
    made = make_vault(folder, stores=stores)
    made.load(ROWS)
    with Hook() as hook:
        settings = made.folder / "vault.toml"
        alarms = f'\n[alarms]\nfile = "alarms.jsonl"\nwebhook = "{hook.url}"\n'
        settings.write_text(settings.read_text("utf-8") + alarms, "utf-8")
        (made.folder / "alarms.toml").write_text(RULES, "utf-8")
        lived = Lived(made=made.reopened(), out=folder / "out", stores=stores)
        lived.out.mkdir()
        stream = StringIO()
        telemetry.configure(10)
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(stream))
        for part in (lambda _: lives(lived.made), asks, hands_out, is_witnessed, is_refused):
            part(lived)
        structlog.reset_defaults()
        lived.made.vault.close()
        is_commanded(lived)
        lived.said.append(stream.getvalue())
        lived.sent += [body for _, _, body in hook.taken]
    return lived


def whole(url: str) -> bytes:
    """Every value of every table of a PostgreSQL schema."""
    parts: list[bytes] = []
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
        ).fetchall()
        for (name,) in names:
            for row in connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(name))):
                parts += [v if isinstance(v, bytes) else str(v).encode() for v in row]
    return b"\n".join(parts)


def test_no_store_holds_a_value(lived: Lived) -> None:
    """What is asked, alarmed, witnessed and noted stands in the stores without values or case numbers."""
    urls: dict[str, Any] = msgspec.structs.asdict(lived.stores) if lived.stores else {}
    found = {name: whole(url) for name, url in urls.items()}
    found |= {path.name: path.read_bytes() for path in lived.made.folder.glob("*.db*")}
    assert any(b"incident" in data for data in found.values())
    assert {name: leak for name, data in found.items() if (leak := leaks(data, ALL))} == {}


def test_no_file_beside_the_stores_holds_a_value(lived: Lived) -> None:
    """Alarms' file, settings, pins in the key folder: nothing in the vault's folder holds one."""
    files = [p for p in lived.made.folder.rglob("*") if p.is_file() and ".db" not in p.name]
    assert "alarms.jsonl" in {path.name for path in files}
    assert {str(p): leak for p in files if (leak := leaks(p.read_bytes(), ALL))} == {}


CASES: Final = {"whom-plain.bodies", "both-plain.bodies", "whom-report.html", "sheet.csv", "sample.txt"}
"""What tells whom: case numbers by design, ids, and nothing else."""


def test_nothing_handed_out_holds_a_value(lived: Lived) -> None:
    """Reports, bodies, keys, receipts, pins, queries, sheets, tiles, evidence, lists of persons."""
    files = [path for path in lived.out.rglob("*") if path.is_file()]
    assert {*CASES, "who.key", "report-zh.html", "found.json", "affected.csv", "rights.json"} <= {
        p.name for p in files
    }
    found = {
        str(path.relative_to(lived.out)): leak
        for path in files
        if (leak := leaks(path.read_bytes(), VALUES if path.name in CASES else ALL))
    }
    assert found == {}


def test_nothing_sent_holds_a_value(lived: Lived) -> None:
    """Web hooks and witnesses get neither values nor case numbers."""
    assert any(b'"rule"' in body for body in lived.sent)
    assert any(body.startswith(b"old ") for body in lived.sent)
    assert leaks(b"\n".join(lived.sent), ALL) == []


def test_nothing_said_holds_a_value(lived: Lived) -> None:
    """Answers and what commands print name cases at most; refusals, notes and the operations log nothing."""
    assert leaks("\n".join([*lived.said, *lived.printed]).encode(), VALUES) == []
    assert leaks("\n".join(lived.told).encode(), ALL) == []


def test_what_was_asked_is_kept_without_the_value(lived: Lived) -> None:
    """An entry says what was asked; a number of a person's given where a name belongs is not kept in it."""
    printed = "\n".join(lived.printed)
    for said in ("looked-up field=borrower.phone", "actor=? role=? node=? token=? case", "affected node=?"):
        assert said in printed
    assert "affected actor=? " in printed
    assert f"affected actor={lived.made.identity.principal} " in printed


def test_files_with_persons_are_their_owners_alone(lived: Lived) -> None:
    """What a command writes about persons, staff or people in the log, is 0600."""
    for name in (
        "affected.csv",
        "sheet.csv",
        "summary.html",
        "cli-report.html",
        "both.bodies",
        "pack/index.html",
    ):
        assert (lived.out / name).stat().st_mode & 0o777 == 0o600, name
