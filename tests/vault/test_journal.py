"""The journal: a page is durable as a whole, or not at all."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest
from kit import FrozenClock, Made, borrowers, make_vault, sql

from vault.auditing import Question
from vault.crypto import mac
from vault.errors import Denied, Tampered, Unavailable
from vault.journal import DIGEST_SIZE, Journal, head_mac
from vault.ledger import stub
from vault.ledger.registry import Contract, Principal, Registry
from vault.model import Happening, Who, Whom
from vault.stores.rows import RegistryRow

WHO = Who(actor="p-1", role="auditor", purpose="audit")


def happening(detail: str = "x") -> Happening:
    """An entry about nobody."""
    return Happening(kind="config", who=WHO, whom=Whom(detail=detail))


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A sandbox."""
    return make_vault(tmp_path)


def test_a_page_that_fails_leaves_nothing(made: Made) -> None:
    """An error inside the block undoes entries, registry rows and counters alike."""
    journal, before = made.vault.tenancy().journal, made.size()

    def refused() -> None:
        with journal.page() as page:
            page.add(happening())
            page.put(Contract(id="c", party="p", starts="2026-01-01"))
            raise Denied("no")

    with pytest.raises(Denied):
        refused()
    assert made.size() == before
    assert journal.registry().find(Contract, "c") is None
    journal.log(happening())
    assert made.vault.auditing().walk().size == before + 1


def test_receipts_are_in_order(made: Made) -> None:
    """Slots, receipts and leaves agree, and every leaf is what the stub hashes to."""
    journal, first = made.vault.tenancy().journal, made.size()
    receipts = journal.log(*(happening(str(n)) for n in range(5)))
    assert [r.index for r in receipts] == list(range(first, first + 5))
    import base64

    from vault.merkle import leaf_hash

    for receipt in receipts:
        assert base64.b64decode(receipt.leaf) == leaf_hash(made.vault.auditing().stub(receipt.index))


def test_tags_count_each_subject(made: Made) -> None:
    """A subject's n-th entry carries its tag n; two subjects' tags share nothing; nobody's entry has none."""
    journal, secret = made.vault.tenancy().journal, b"u" * 32
    one = Happening(kind="read", who=WHO, whom=Whom(subject="s-1"), secret=secret, shelf="sh-1")
    two = Happening(kind="read", who=WHO, whom=Whom(subject="s-2"), secret=b"v" * 32, shelf="sh-1")
    receipts = journal.log(one, two, one, happening()) + journal.log(one)
    tags = [stub.decode(made.vault.auditing().stub(r.index)).tag for r in receipts]
    key, other = mac.tag_key(secret), mac.tag_key(b"v" * 32)
    assert tags == [mac.tag(key, 0), mac.tag(other, 0), mac.tag(key, 1), b"", mac.tag(key, 2)]


def test_time_never_runs_back(made: Made) -> None:
    """A clock a little behind is lifted to the last entry; one far behind stops the node."""
    journal = made.vault.tenancy().journal
    journal.log(happening())
    made.clock.now -= 1_500_000
    (receipt,) = journal.log(happening())
    last, here = (stub.decode(made.vault.auditing().stub(receipt.index - n)).t for n in (1, 0))
    assert here == last
    made.clock.now -= 1_000_000
    with pytest.raises(Unavailable) as stopped:
        journal.log(happening())
    assert stopped.value.code == "clock_behind"


def test_a_log_begins_once(made: Made) -> None:
    """A second first entry is refused."""
    with pytest.raises(Tampered, match="begun already"):
        made.vault.tenancy().journal.create(happening())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE head SET last_t = last_t + 1",
        "UPDATE head SET edge = zeroblob(length(edge))",
        "UPDATE head SET registry = zeroblob(32)",
        "UPDATE registry SET body = replace(body, 'admin', 'legal') WHERE kind = 'principal'",
        "DELETE FROM registry WHERE kind = 'principal'",
        "DELETE FROM head",
        "INSERT INTO registry VALUES ('main', 'principal', 'p-forged', '{}')",
    ],
)
def test_head_and_registry_are_authenticated(made: Made, statement: str) -> None:
    """What a DBA changes in the head or the registry stops the next node that reads it (ADR 0004)."""
    made.vault.close()
    sql(made, "ledger", statement)
    fresh = made.reopened()
    with pytest.raises(Tampered), fresh.vault.tenancy().journal.page() as page:
        page.registry.all(Principal)


def test_two_nodes_one_log(made: Made) -> None:
    """Two journals take turns; each one's own counter has no gap, and the walk finds the log whole."""
    tenancy = made.vault.tenancy()
    other = Journal(tenancy.stores.ledger, tenancy.keys, "n2", made.clock)
    for n in range(6):
        (tenancy.journal if n % 2 else other).log(happening(str(n)))
    nodes = [stub.decode(made.vault.auditing().stub(i)) for i in range(made.size())]
    assert [s.i for s in nodes if s.n == "n2"] == [1, 2, 3]
    made.vault.auditing().walk()


def test_threads_share_the_head(made: Made) -> None:
    """Sixteen threads append at once; nothing is lost and nothing doubled."""
    journal, before = made.vault.tenancy().journal, made.size()
    threads = [
        threading.Thread(target=lambda: [journal.log(happening()) for _ in range(5)]) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made.vault.auditing().walk().size == before + 80


def test_a_change_reaches_other_nodes(tmp_path: Path) -> None:
    """A principal disabled through one node is disabled on another from its next page on."""
    made = make_vault(tmp_path, sandbox=False, clock=FrozenClock())
    granting = made.vault.granting()
    auditor = granting.add_principal(made.identity, name="a", roles=("auditor",))
    token = granting.issue(auditor, role="auditor", purpose="audit")
    from vault.vault import Vault

    with Vault.open(made.folder, clock=made.clock) as other:
        other.auditing().ask(token, Question())
        granting.disable(made.identity, auditor.principal)
        with pytest.raises(Denied):
            other.auditing().ask(token, Question())


def test_bodies_are_not_readable_in_the_store(made: Made) -> None:
    """What an entry says of whom stands sealed: the subject's id is nowhere in the ledger's file."""
    made.load(borrowers(1))
    ids = made.ids(borrowers(1))
    made.vault.reading().read(made.token("collector"), ids)
    subject = made.vault.tenancy().keeping.fetch(ids)[ids[0]].row.subject
    made.vault.close()
    data = b"".join(path.read_bytes() for path in made.folder.glob("ledger.db*"))
    assert subject.encode() not in data
    assert ids[0].encode() not in data


def test_a_role_taken_away_ends_its_tokens(made: Made) -> None:
    """A living token of a role that its principal has lost is refused from the next entry on."""
    token, journal = made.token("auditor"), made.vault.tenancy().journal
    made.vault.auditing().ask(token, Question())
    with journal.page() as page:
        principal = page.registry.get(Principal, made.identity.principal)
        page.put(msgspec.structs.replace(principal, roles=("admin",)))
    with pytest.raises(Denied) as refusal:
        made.vault.auditing().ask(token, Question())
    assert refusal.value.code == "role_denied"


def test_a_token_expires_by_the_logs_time_too(made: Made) -> None:
    """Valid by this node's clock, over by the log's: at the very microsecond of its end it is refused."""
    token, journal = made.token("auditor"), made.vault.tenancy().journal
    made.clock.advance(minutes=15)
    journal.log(happening())
    made.clock.now -= 1
    with pytest.raises(Denied) as refusal:
        made.vault.auditing().ask(token, Question())
    assert refusal.value.code == "token_expired"


@pytest.mark.parametrize(("ahead", "root"), [(0, b"\0" * 32), (1, b"\0" * 32)])
def test_a_genuine_head_of_another_history_is_refused(made: Made, ahead: int, root: bytes) -> None:
    """A head under its MAC is refused by a node that has seen another of its size, or a longer one."""
    journal = made.vault.tenancy().journal
    head = made.vault.stores.ledger.head("main")
    assert head is not None
    assert journal.checked(head, journal.known) == head
    with pytest.raises(Tampered, match="shortened or rewritten"):
        journal.checked(head, (head.size + ahead, root))


def test_no_registry_without_the_issuers_signature(made: Made) -> None:
    """Whoever holds the head's key alone, as a masked node does, can't put in a registry of their own."""
    keys = made.vault.tenancy().keys
    with made.vault.stores.ledger.transaction("main") as tx:
        head = tx.head()
        assert head is not None
        registry = Registry((row.kind, row.id, row.body) for row in tx.registry())
        forged = Principal(id="p-forged", name="x", public=b"k" * 32, roles=("legal",))
        kind, ident, body = registry.put(forged)
        tx.put_registry(RegistryRow(tenant="main", kind=kind, id=ident, body=body))
        seal = registry.digest() + head.registry[DIGEST_SIZE:]
        seen = head_mac(keys, head.size, head.edge, head.last_t, seal)
        tx.set_head(msgspec.structs.replace(head, registry=seal, mac=seen))
    with pytest.raises(Tampered, match="signature"):
        made.reopened().vault.tenancy().journal.registry()
