"""Exact under concurrency: entries, uses and caps to the one; one spoiled request spoils only itself."""

from __future__ import annotations

import asyncio
import itertools
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from kit import Made, borrowers, make_vault, reopen, shown, sql
from system.crowd import PROCESSES, apart, outcome, task, together

from vault.access.tokens import Credential, Limits
from vault.errors import Denied
from vault.model import Hold

ROWS: Final = borrowers(8)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """A vault with eight borrowers."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    yield made
    made.vault.close()


def entries(made: Made, outcome: str) -> int:
    """How many entries of reads came to this outcome."""
    ((found,),) = sql(made, "ledger", "SELECT count(*) FROM entries WHERE about<>'' AND outcome=?", [outcome])
    return int(found)


def test_threads_leave_exactly_one_entry_for_each_request(made: Made) -> None:
    """N allowed, M refused and K missing reads from 32 threads make N+M+K entries, and the log verifies."""
    ids, token = made.ids(ROWS), made.token("collector")
    read, before = made.vault.reading().read, made.size()
    allowed = [partial(read, token, [ids[n % 8]]) for n in range(320)]
    refused = [partial(read, token, [ids[n % 8]], fields=("id_number",)) for n in range(96)]
    missing = [partial(read, token, [f"r-{n}"]) for n in range(64)]
    came = together([*allowed, *refused, *missing])
    assert came == {"ok": 320, "field_denied": 96, "not_found": 64}
    assert made.size() == before + 480


def test_processes_leave_exactly_one_entry_for_each_request(made: Made) -> None:
    """The same from four processes on the same SQLite files."""
    ids, token, before = made.ids(ROWS), made.token("collector"), made.size()
    came = apart(
        made,
        *[task(made, "read", token, ids, times=5) for _ in range(PROCESSES - 1)],
        task(made, "read", token, ids, times=5, fields=["id_number"]),
    )
    assert came == {"ok": 120, "field_denied": 40}
    assert made.size() == before + 160
    asked = sql(made, "ledger", "SELECT request FROM entries WHERE kind <> 'alarm'")
    assert len({row[0] for row in asked}) == before + 160


def test_a_batch_makes_an_entry_for_each_record(made: Made) -> None:
    """Eight records in one request are eight entries, one of them a refusal."""
    ids, token, before = made.ids(ROWS), made.token("collector"), made.size()
    found = made.vault.reading().read(token, [*ids[:7], "r-none"])
    assert [item.receipt.index for item in found.items] == list(range(before, before + 7))
    assert [(e.id, e.code) for e in found.errors] == [("r-none", "not_found")]
    assert made.size() == before + 8


def test_coroutines_leave_exactly_one_entry_for_each_request(made: Made) -> None:
    """Async readers, in several rounds and beside threads, make as many entries as requests."""
    ids, token, before = made.ids(ROWS), made.token("collector"), made.size()
    room = made.vault.reading()

    async def one(n: int) -> str:
        fields = ("id_number",) if n % 4 == 0 else None
        try:
            found = await room.read_async(token, [ids[n % 8]], fields=fields)
        except Denied as error:
            return error.code
        return "ok" if found.items else found.errors[0].code

    async def rounds() -> Counter[str]:
        came: Counter[str] = Counter()
        for _ in range(4):
            came.update(await asyncio.gather(*(one(n) for n in range(64))))
        return came

    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(lambda: [room.read(token, [ids[0]]) for _ in range(50)])
        assert asyncio.run(rounds()) == {"ok": 192, "field_denied": 64}
        assert len(beside.result()) == 50
    assert made.size() == before + 4 * 64 + 50


def test_receipts_are_each_requests_own(made: Made) -> None:
    """No two disclosures share an entry, and each receipt stands in the log."""
    ids, token = made.ids(ROWS), made.token("collector")
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: shown(made.vault.reading().read(token, [ids[n % 8]])), range(128)))
    assert len({item.receipt.index for item in found}) == 128
    assert [item.record for item in found] == [ids[n % 8] for n in range(128)]
    for item in found[::16]:
        made.vault.auditing().receipt(item.receipt.index)


@pytest.mark.parametrize("spoil", ["fields", "missing", "unwritable", "tampered", "spent", "revoked"])
def test_one_spoiled_request_among_64_spoils_only_itself(made: Made, spoil: str) -> None:
    """In one batch of 64 readers 63 get their data, whatever is wrong with the other."""
    ids, token = made.ids(ROWS), made.token("collector")
    bad, target, fields = token, ids[0], None
    if spoil == "fields":
        fields = ("bank_card",)
    elif spoil == "missing":
        target = "r-none"
    elif spoil == "unwritable":
        target = "\x00\ud800"
    elif spoil == "tampered":
        sql(made, "records", "UPDATE payloads SET sealed=x'0101' WHERE record=?", [target])
    elif spoil == "spent":
        bad = made.token("collector", limits=Limits(max_uses=1))
        made.vault.reading().read(bad, [target])
    else:
        bad = made.token("collector")
        made.vault.granting().revoke(made.identity, bad)
    room, before = made.vault.reading(), made.size()

    async def all_at_once() -> list[object]:
        good = [room.read_async(token, [ids[1 + n % 7]]) for n in range(63)]
        return await asyncio.gather(
            *good[:30], room.read_async(bad, [target], fields=fields), *good[30:], return_exceptions=True
        )

    found = asyncio.run(all_at_once())
    spoiled = found.pop(30)
    assert [outcome(partial(lambda one: one, one)) for one in found] == ["ok"] * 63
    assert outcome(lambda: spoiled) != "ok"
    assert made.size() == before + 64


def test_uses_are_exact_under_threads(made: Made) -> None:
    """A token for 50 uses serves 50 requests of 128, whoever comes first."""
    ids, token = made.ids(ROWS), made.token("collector", limits=Limits(max_uses=50))
    came = together([partial(made.vault.reading().read, token, [ids[n % 8]]) for n in range(128)])
    assert came == {"ok": 50, "uses_spent": 78}


def test_uses_are_exact_under_processes(made: Made) -> None:
    """The same from four processes."""
    ids, token = made.ids(ROWS), made.token("collector", limits=Limits(max_uses=50))
    came = apart(made, *[task(made, "read", token, ids, times=4) for _ in range(PROCESSES)])
    assert came == {"ok": 50, "uses_spent": 78}


def test_a_narrowed_links_uses_count_on_every_link(made: Made) -> None:
    """Uses through two delegations are uses of the token they were narrowed from."""
    ids = made.ids(ROWS)
    token = made.token("collector", limits=Limits(max_uses=20, depth=1))
    narrowed = [narrow(token, 15, made.clock.now) for _ in range(2)]
    read = made.vault.reading().read
    came = together([partial(read, narrowed[n % 2], [ids[n % 8]]) for n in range(64)])
    assert came == {"ok": 20, "uses_spent": 44}


def narrow(token: Credential, uses: int, now: int) -> Credential:
    """A delegation of a token for fewer uses."""
    from vault.access import tokens
    from vault.crypto.sign import SigningKey, token_bytes

    return tokens.narrow(
        token, Limits(max_uses=uses), holder=SigningKey.generate(), jti=token_bytes(16), now_us=now
    )


def test_search_caps_are_exact_under_threads(made: Made) -> None:
    """Of 256 distinct numbers asked for in a day 200 are answered; a repeat costs nothing."""
    token = made.token("legal")
    phones = [f"1360000{n:04d}" for n in range(256)]
    find = made.vault.reading().find
    came = together([partial(find, token, field="phone", value=p) for p in phones])
    assert came == {"ok": 200, "lookup_cap": 56}
    assert together([partial(find, token, field="phone", value=p) for p in phones]) == came
    made.clock.advance(hours=13)  # 23:00 in Shanghai
    fresh = made.token("legal")
    assert outcome(lambda: find(fresh, field="phone", value="13600009999")) == "lookup_cap"
    made.clock.advance(hours=2)
    fresh = made.token("legal")
    assert outcome(lambda: find(fresh, field="phone", value="13600009999")) == "ok"


def test_search_caps_are_exact_under_processes(made: Made) -> None:
    """The same from four processes, with two tokens of one principal."""
    tokens = [made.token("legal"), made.token("legal")]
    asked = [
        task(made, "find", tokens[p % 2], [f"136000{p}{n:04d}" for n in range(64)]) for p in range(PROCESSES)
    ]
    assert apart(made, *asked) == {"ok": 200, "lookup_cap": 56}


def test_revoking_takes_effect_with_the_next_entry(made: Made) -> None:
    """A token revoked on one node is refused by another from its next entry on, narrowed ones too."""
    ids = made.ids(ROWS)
    token = made.token("collector", limits=Limits(depth=1))
    below = narrow(token, 5, made.clock.now)
    other = reopen(made)
    assert outcome(lambda: made.vault.reading().read(token, ids[:1])) == "ok"
    other.vault.granting().revoke(made.identity, token)
    for one in (token, below):
        assert outcome(partial(made.vault.reading().read, one, ids[:1])) == "token_revoked"
    other.vault.close()


def test_disabling_takes_effect_with_the_next_entry(made: Made) -> None:
    """A disabled principal's tokens are dead everywhere at once, and it can get no new one."""
    ids, grant = made.ids(ROWS), made.vault.granting()
    person = grant.add_principal(made.identity, name="张催收", roles=("collector",))
    token = grant.issue(person, role="collector", purpose="repayment_reminder")
    other = reopen(made)
    assert outcome(lambda: other.vault.reading().read(token, ids[:1])) == "ok"
    grant.disable(made.identity, person.principal)
    assert outcome(lambda: other.vault.reading().read(token, ids[:1])) == "token_revoked"
    with pytest.raises(Denied):
        other.vault.granting().issue(person, role="collector", purpose="repayment_reminder")
    other.vault.close()


def test_no_read_is_released_after_a_revocation_was_entered(made: Made) -> None:
    """With readers running, every read's entry stands before the revocation's."""
    ids, token = made.ids(ROWS), made.token("collector")
    other, released = reopen(made), []

    def reader() -> None:
        while True:
            try:
                released.append(shown(made.vault.reading().read(token, ids[:1])).receipt.index)
            except Denied:
                return

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(reader) for _ in range(8)]
        while len(released) < 40:
            pass
        other.vault.granting().revoke(made.identity, token)
        for one in running:
            one.result()
    ((at,),) = sql(made, "ledger", "SELECT max(idx) FROM entries WHERE kind='token'")
    assert max(released) < at
    other.vault.close()


def test_readers_beside_a_purge_see_a_record_or_nothing(made: Made) -> None:
    """While records are erased a read gives the record or `not_found`; none after its tombstone."""
    made.load(borrowers(120, first=100))
    rows = borrowers(120, first=100)
    ids, token, dpo = made.ids(rows), made.token("collector"), made.token("dpo")
    plan = made.vault.erasing().plan(dpo, as_of=date(2032, 1, 1))
    said: set[str] = set()
    stop = threading.Event()

    def reader(start: int) -> None:
        for n in itertools.count(start, 7):
            if stop.is_set():
                return
            said.add(outcome(partial(made.vault.reading().read, token, [ids[n % 120]])))

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(reader, n) for n in range(4)]
        made.vault.erasing().execute(dpo, plan.id, yes=True)
        stop.set()
        for one in running:
            one.result()
    assert said <= {"ok", "not_found"}
    assert [e.code for e in made.vault.reading().read(token, ids).errors] == ["not_found"] * 120
    made.vault.auditing().walk()


def test_a_hold_placed_during_an_import_is_kept(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A correction that began before a hold was placed can't undo it."""
    (first,) = made.ids(ROWS[:1])
    other, dpo = reopen(made), made.token("dpo")
    other.vault.stores.index.patience = 0.1
    hold = Hold(number="H-1", authority="法院", until="2050-01-01")
    index = made.vault.tenancy().stores.index
    put = index.put
    met: list[str] = []

    def put_after_a_hold(*given: object, **named: object) -> None:
        if not met:
            met.append(outcome(lambda: other.vault.erasing().add_hold(dpo, [first], hold)))
        put(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(index, "put", put_after_a_hold)
    changed = outcome(lambda: made.load([ROWS[0] | {"电子邮箱": "changed@example.com"}]))
    placed = tuple(met)
    assert (placed, changed) in {(("ok",), "ok"), (("busy",), "ok")}
    standing = [h.number for h in made.vault.erasing().holds(dpo)]
    assert standing == (["H-1"] if placed == ("ok",) else [])
    assert outcome(lambda: made.vault.reading().read(made.token("legal"), [first])) == "ok"
    other.vault.close()


def test_the_same_file_imported_twice_at_once_is_stored_once(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import that begins while another of the same rows is under way doesn't store them twice."""
    rows = borrowers(3, first=200)
    other, importer = reopen(made), made.token("importer")
    other.vault.stores.index.patience = 0.1
    store, met = made.vault.tenancy().stores.records, list[str]()
    insert = store.insert

    def insert_after_another(*given: object) -> None:
        if not met:
            report = made.folder / "other.jsonl"
            load = partial(other.vault.writing().import_file, importer, made.file(rows, "same.csv"))
            met.append(outcome(partial(load, kind="borrower", report=report)))
        insert(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "insert", insert_after_another)
    first = outcome(lambda: made.load(rows))
    assert {first, *met} <= {"ok", "busy"}
    made.load(rows)
    ((count,),) = sql(made, "keys", "SELECT count(*) FROM latest")
    assert count == 3 * (8 + 3)
    other.vault.close()


def test_holds_from_many_threads_all_stand(made: Made) -> None:
    """Sixteen holds on one record at once: each stands or was refused; none is lost."""
    (first,) = made.ids(ROWS[:1])
    dpo, room = made.token("dpo"), made.vault.erasing()
    came = together(
        [
            partial(room.add_hold, dpo, [first], Hold(number=f"H-{n}", authority="法院", until="2050-01-01"))
            for n in range(16)
        ]
    )
    assert came["ok"] == len(room.holds(dpo))
    assert set(came) <= {"ok", "conflict"}
    assert came["ok"] >= 1


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_eight_processes_and_many_reads(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    """Thousands of reads and searches from eight processes, with refusals among them, make exact figures."""
    ids, before = made.ids(ROWS), made.size()
    few, legal = made.token("collector", limits=Limits(max_uses=1000)), made.token("legal")
    phones = [[f"136{p}{n:07d}" for n in range(60)] for p in range(4)]
    started = time.monotonic()
    came = apart(
        made,
        *[task(made, "read", few, ids, times=100) for _ in range(3)],
        task(made, "read", few, ids, times=25, fields=["id_number"]),
        *[task(made, "find", legal, asked) for asked in phones],
    )
    seconds = time.monotonic() - started
    reads, finds = 3 * 800 + 200, 240
    assert sum(came.values()) == reads + finds
    assert came["lookup_cap"] == 40
    assert came["ok"] + came["field_denied"] == 1000 + 200
    assert made.size() == before + 2 + reads + finds
    with capsys.disabled():
        rate = (reads + finds) / seconds
        sys.stdout.write(f"\n{reads + finds} requests from 8 processes: {seconds:.1f} s, {rate:.0f}/s\n")


def test_threads_that_open_a_room_at_once_share_it(made: Made) -> None:
    """A room's batches and caches are one: no thread is handed a tenancy or a room of its own."""
    again = made.reopened()
    line = threading.Barrier(16)

    def enter() -> tuple[int, int]:
        line.wait()
        return id(again.vault.reading()), id(again.vault.tenancy())

    with ThreadPoolExecutor(16) as pool:
        found = [future.result() for future in [pool.submit(enter) for _ in range(16)]]
    assert len(set(found)) == 1
    again.vault.close()
