"""The auditing room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from kit import Made, borrowers, make_vault, reopen, sql

from vault import inquiring
from vault.access.tokens import Limits
from vault.auditing import Auditing, Question
from vault.errors import Denied, NotFound, Tampered, VaultError
from vault.ledger import checkpoint, proof
from vault.model import Disclosure

ROWS = borrowers(3)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Three borrowers, some of them read, by two roles."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    ids = made.ids(ROWS)
    made.vault.reading().read(made.token("collector"), ids[:2])
    made.clock.advance(hours=1)
    made.vault.reading().read(made.token("legal"), ids[:1])
    with pytest.raises(Denied):
        made.vault.reading().read(made.token("collector"), ids[:1], fields=("bank_card",))
    return made


def ask(made: Made, **question: object) -> list[tuple[str, str]]:
    """Kind and role of the entries that answer a question."""
    asked = Question(**question)  # type: ignore[arg-type]
    return [(line.kind, line.role) for line in made.vault.auditing().ask(made.token("auditor"), asked)]


def test_who_saw_this_borrower(made: Made) -> None:
    """A subject's entries are found by tags that only the keys can derive, refusals included."""
    one, two, three = made.ids(ROWS)
    assert ask(made, subject=one) == [("read", "collector"), ("read", "legal"), ("deny", "collector")]
    assert ask(made, subject=two) == [("read", "collector")]
    assert ask(made, subject=three) == []
    with pytest.raises(NotFound):
        ask(made, subject="r-nobody")


def test_other_questions(made: Made) -> None:
    """By actor, purpose, kind, field, view, outcome and time; conditions are joined."""
    hour = 3_600_000_000
    assert ask(made, purpose="legal_action", kind="read") == [("read", "legal")]
    assert len(ask(made, field="phone")) == 3
    assert ask(made, field="phone", clear=True) == [("read", "legal")]
    assert ask(made, field="borrower.bank_card") == [("read", "legal")]
    assert ask(made, outcome="denied") == [("deny", "collector")]
    assert ask(made, reason="field_denied") == [("deny", "collector")]
    assert ask(made, kind="read", since=made.clock() - hour // 2) == [("read", "legal")]
    assert len(ask(made, kind="read", until=made.clock() - hour // 2)) == 2
    assert len(ask(made, actor="first principal", kind="read")) == 3
    assert ask(made, actor="nobody") == []


def test_more_questions(made: Made) -> None:
    """By role, view, node, the token's digest and case; joined with a subject too."""
    one = made.ids(ROWS)[0]
    bound = made.token("collector", limits=Limits(cases=frozenset({ROWS[0]["案件编号"], "AJ-X"})))
    made.vault.reading().read(bound, [one])
    (line,) = made.vault.auditing().ask(made.token("auditor"), Question(case="AJ-X"))
    assert (line.kind, line.record) == ("read", one)
    issued = [("token", "collector"), ("read", "collector")]
    assert ask(made, token=line.token[:6]) == ask(made, token=line.token, node="n1") == issued
    assert ask(made, subject=one, role="legal") == ask(made, view="clear") == [("read", "legal")]
    assert ask(made, view="masked", role="collector") == [("read", "collector")] * 3
    assert ask(made, subject=one, view="masked", field="phone", limit=1) == [("read", "collector")]
    assert ask(made, subject=one, reason="field_denied") == [("deny", "collector")]
    assert ask(made, node="n2") == ask(made, case="AJ-Y") == ask(made, subject=one, token="00zz") == []


def test_an_answer_of_any_length_comes_page_by_page(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left out or doubled at a page's end, and the answer ends with its own question's entry."""
    whole = made.vault.auditing().ask(made.token("auditor"), Question(limit=None))
    monkeypatch.setattr(inquiring, "PAGE", 3)
    lines = made.vault.auditing().stream(made.token("auditor"), Question(limit=None))
    ask(made, kind="read")  # the log grows while the answer is read
    found = list(lines)
    assert found[: len(whole)] == whole
    assert [line.index for line in found] == list(range(len(whole) + 2))
    assert found[-1].detail == "log list"
    back = made.vault.auditing().ask(
        made.token("auditor"), Question(limit=None, newest_first=True, after=whole[-1].index + 1)
    )
    assert back == whole[::-1]


def test_bodies_open_for_the_auditor(made: Made) -> None:
    """Asked about nobody in particular, each line still says whose record it was."""
    lines = made.vault.auditing().ask(made.token("auditor"), Question(kind="read"))
    one, two, _ = made.ids(ROWS)
    assert [line.record for line in lines] == [one, two, one]
    assert lines[0].subject == lines[2].subject != lines[1].subject


def test_questions_are_entries(made: Made) -> None:
    """An auditor's own questions are in the log, without naming the person asked about."""
    ask(made, subject=made.ids(ROWS)[0], field="phone")
    (line, *_) = made.vault.auditing().ask(made.token("auditor"), Question(kind="search", newest_first=True))[
        1:
    ]
    assert (line.role, line.detail) == ("auditor", "log list field=phone subject")
    assert line.subject == ""


def test_only_auditors_ask(made: Made) -> None:
    """No other role sees the log."""
    with pytest.raises(Denied):
        made.vault.auditing().ask(made.token("legal"), Question())
    with pytest.raises(Denied):
        made.vault.auditing().export(made.token("collector"), made.outside / "tiles")


def test_receipts_prove_inclusion(made: Made) -> None:
    """A receipt convinces whoever has the public key alone, and no other entry fits it."""
    found: Disclosure = made.vault.reading().read(made.token("collector"), made.ids(ROWS))
    auditing, index = made.vault.auditing(), found.items[0].receipt.index
    text = auditing.receipt(index)
    proved = proof.check(text, auditing.stub(index), auditing.vkey)
    assert proved.origin == found.items[0].receipt.origin
    with pytest.raises(Tampered):
        proof.check(text, auditing.stub(index + 1), auditing.vkey)
    with pytest.raises(NotFound):
        auditing.receipt(10_000)


def test_receipts_beyond_a_tile(made: Made) -> None:
    """With several hundred entries, stored tiles and the ragged edge still give valid proofs."""
    token, ids = made.token("collector"), made.ids(ROWS)
    for _ in range(100):
        made.vault.reading().read(token, ids * 2)
    auditing = made.vault.auditing()
    size = auditing.walk().size
    assert size > 600
    for index in (0, 255, 256, 511, 512, size - 1):
        proof.check(auditing.receipt(index), auditing.stub(index), auditing.vkey)


def test_checkpoints_are_signed_and_kept(made: Made) -> None:
    """Signing again gives the same bytes; older checkpoints stand in the store and agree."""
    auditing = made.vault.auditing()
    assert auditing.checkpoint() == auditing.checkpoint()
    newest = checkpoint.open_checkpoint(auditing.checkpoint(), auditing.vkey)
    found = auditing.verify(made.token("auditor"))
    assert found.size == newest.size + 1  # the token; the verification is entered after it
    assert found.signed >= newest.size


def test_export_is_readable_without_us(made: Made) -> None:
    """The export holds the checkpoint and the entries as C2SP tiles, and no personal data."""
    made.vault.auditing().export(made.token("auditor"), made.outside / "tiles")
    bundle = next((made.outside / "tiles" / "tile" / "entries").rglob("*/*"))
    assert b'"k":"read"' in bundle.read_bytes()
    assert made.vault.auditing().vkey.name in (made.outside / "tiles" / "checkpoint").read_text()


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("UPDATE entries SET purpose = 'audit' WHERE idx = 6", 6),
        ("UPDATE entries SET clear = 1 WHERE idx = 6", 6),
        ("UPDATE entries SET t = t + 1 WHERE idx = 6", 6),
        ("DELETE FROM entries WHERE idx = 6", 6),
        ('UPDATE entries SET stub = replace(stub, \'"k":"read"\', \'"k":"deny"\') WHERE idx = 6', 6),
        ("UPDATE head SET size = size - 1", None),
        ("DELETE FROM head", 0),
    ],
)
def test_tampering_is_caught(made: Made, statement: str, index: int | None) -> None:
    """What a DBA edits, drops or cuts is reported by the walk, before it logs itself."""
    token = made.token("auditor")
    sql(made, "ledger", statement)
    with pytest.raises(Tampered) as caught:
        made.vault.auditing().verify(token)
    assert caught.value.exit_code == 5
    if index is not None:
        assert caught.value.index == index


def test_an_erased_subjects_bodies_stay_shut_only_then(made: Made) -> None:
    """A body whose subject lives must open: one that was changed is reported, not shown as nothing."""
    token = made.token("auditor")
    (index,) = sql(made, "ledger", "SELECT min(idx) FROM entries WHERE kind = 'read'")[0]
    (body,) = sql(made, "ledger", "SELECT sealed FROM bodies WHERE idx = ?", (index,))[0]
    assert isinstance(body, bytes)
    sql(made, "ledger", "UPDATE bodies SET sealed = ? WHERE idx = ?", (body[:-1] + b"\x00", index))
    with pytest.raises(Tampered) as caught:
        made.vault.auditing().ask(token, Question(kind="read"))
    assert caught.value.index == index


def test_verifying_a_log_in_use(made: Made) -> None:
    """While others read and an admin changes the registry, verification raises no false alarm."""
    import threading

    auditing, ids, token = made.vault.auditing(), made.ids(ROWS), made.token("collector")
    other = reopen(made)
    stop = threading.Event()
    failed: list[VaultError] = []

    def guarded(act: Callable[[], object]) -> None:
        try:
            while not stop.is_set():
                act()
        except VaultError as error:
            failed.append(error)

    acts = (
        lambda: made.vault.reading().read(token, ids),
        lambda: other.vault.granting().add_principal(other.identity, name="x", roles=("legal",)),
        made.vault.tenancy().journal.registry,
        auditing.checkpoint,
    )
    threads = [threading.Thread(target=guarded, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    try:
        for _ in range(15):
            auditing.walk()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == []
    other.vault.close()


def test_a_disabled_auditor_learns_nothing(tmp_path: Path) -> None:
    """Whether a person is here at all is not told to one who may not ask."""
    made = make_vault(tmp_path, sandbox=False)
    granting = made.vault.granting()
    auditor = granting.add_principal(made.identity, name="a", roles=("auditor",))
    token = granting.issue(auditor, role="auditor", purpose="audit")
    with pytest.raises(NotFound):
        made.vault.auditing().ask(token, Question(subject="r-nobody"))
    granting.disable(made.identity, auditor.principal)
    before = made.size()
    for question in (Question(), Question(subject="r-nobody")):
        with pytest.raises(Denied):
            made.vault.auditing().ask(token, question)
    with pytest.raises(Denied):
        made.vault.auditing().verify(token)
    assert made.size() == before + 3


def test_a_missing_body_is_reported(made: Made) -> None:
    """No rule lets bodies go yet: an entry without one was robbed of it."""
    sql(made, "ledger", "DELETE FROM bodies WHERE idx = 3")
    with pytest.raises(Tampered) as caught:
        made.vault.auditing().walk()
    assert caught.value.index == 3


def test_an_edited_index_misleads_no_question(made: Made) -> None:
    """Asked by external id, the auditor gets that person's entries or an integrity failure, no one else's."""
    one, two, _ = made.ids(ROWS)
    assert ask(made, subject=f"borrower:{ROWS[0]['客户编号']}") == ask(made, subject=one)
    for record, other in ((one, "x"), (two, one), ("x", two)):
        sql(made, "index", "UPDATE blind SET record = ? WHERE field = '@ref' AND record = ?", (other, record))
    with pytest.raises(Tampered):
        ask(made, subject=f"borrower:{ROWS[0]['客户编号']}")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE head SET last_t = last_t + 1",
        "UPDATE registry SET body = replace(body, 'admin', 'legal') WHERE kind = 'principal'",
    ],
)
def test_the_walk_checks_head_and_registry_too(made: Made, statement: str) -> None:
    """A whole tree is not enough: an edited head or registry is reported by the walk itself."""
    made.vault.close()
    sql(made, "ledger", statement)
    with pytest.raises(Tampered):
        made.reopened().vault.auditing().walk()


def test_verifying_is_an_entry(made: Made) -> None:
    """Whoever has the log checked is written down, with the size that was checked."""
    size = made.vault.auditing().verify(made.token("auditor")).size
    (line,) = made.vault.auditing().ask(made.token("auditor"), Question(kind="verify"))
    assert line.detail == f"size {size}"


def test_no_two_benches_of_the_room_share_a_name() -> None:
    """The room joins benches by inheritance: one's helper would silently stand in for another's."""
    shared = {"_t", "__init__", "__module__", "__doc__", "__dict__", "__weakref__", "__annotations__"}
    seen: dict[str, type] = {}
    for bench in Auditing.__mro__[1:-1]:
        for name in vars(bench).keys() - shared:
            assert name not in seen, f"{name} stands in {seen[name].__name__} and in {bench.__name__}"
            seen[name] = bench
