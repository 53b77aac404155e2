"""Gating: what a read gets hangs on the book of cases, approvals and counters as they are at that instant."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Final

import pytest
from casekit import NUMBERS, ROWS, A, B, C, D, Site, build, codes, copied, outcome
from kit import shown, values

from vault.config import Stores
from vault.errors import Denied, VaultError
from vault.vault import Vault


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A vault to be copied."""
    site = build(tmp_path_factory.mktemp("template"))
    site.vault.close()
    return site


@pytest.fixture
def site(template: Site, tmp_path: Path) -> Iterator[Site]:
    """A vault of one's own."""
    site = copied(template, tmp_path)
    yield site
    site.vault.close()


# --- the next read ------------------------------------------------------------------------------------

ENDS: Final[dict[str, tuple[Callable[[Site], object], str]]] = {
    "close": (lambda s: s.close(A), "case_closed"),
    "reassign": (lambda s: s.give("zhao", A), "case_closed"),
    "reassign to another agency": (lambda s: s.give("other", A), "case_closed"),
    "recall": (
        lambda s: s.vault.casework().recall(s.token("desk"), [A], reason="back"),
        "case_closed",
    ),
    "seal": (
        lambda s: s.vault.granting().seal(s.made.identity, s.ident("agency"), "breach"),
        "contract_ended",
    ),
    "contract end": (
        lambda s: s.vault.granting().end(s.made.identity, s.ident("agency"), on="2026-03-15", reason="over"),
        "contract_ended",
    ),
    "disable": (lambda s: s.vault.granting().disable(s.made.identity, s.ident("wei")), "token_revoked"),
    "disable the agency": (
        lambda s: s.vault.granting().disable(s.made.identity, s.ident("agency")),
        "token_revoked",
    ),
    "withdraw": (
        lambda s: s.vault.granting().withdraw_role(s.made.identity, s.ident("wei"), "agency_collector"),
        "role_denied",
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_next_read_is_refused_on_every_node(site: Site, end: str) -> None:
    """Here, on a second node and on a masked one, all open since before; and the refusal is an entry."""
    act, code = ENDS[end]
    site.give("wei", A)
    token, ids = site.bound("wei", A), site.ids(A)
    with Vault.open(site.made.folder, clock=site.made.clock) as second, site.masked() as masked:
        nodes = (second, masked, site.vault)
        assert [outcome(node, token, ids) for node in nodes] == ["ok"] * 3
        act(site)
        assert [outcome(node, token, ids) for node in nodes] == [code] * 3
    denied = [line for line in site.lines(reason=code) if line.actor == site.ident("wei")]
    assert [line.outcome for line in denied] == ["denied"] * 3


def test_the_next_read_after_revoking_is_refused_on_every_node(site: Site) -> None:
    """The token alone is dead; another of the same person reads on."""
    site.give("wei", A)
    token, another, ids = site.bound("wei", A), site.bound("wei", A), site.ids(A)
    with Vault.open(site.made.folder, clock=site.made.clock) as second:
        assert [outcome(node, token, ids) for node in (second, site.vault)] == ["ok"] * 2
        site.vault.granting().revoke(site.people["wei"], token)
        assert [outcome(node, token, ids) for node in (second, site.vault)] == ["token_revoked"] * 2
        assert outcome(second, another, ids) == "ok"


def test_an_assignment_holds_from_the_very_next_read(site: Site) -> None:
    """The token may be older than the assignment: whose the case is decides, also when it comes back."""
    site.open(A)
    token, ids = site.bound("wei", A), site.ids(A)
    seen = [outcome(site.vault, token, ids)]
    for to in ("wei", "zhao", "agency", "other", "wei"):
        site.give(to, A)
        seen.append(outcome(site.vault, token, ids))
    assert seen == ["case_closed", "ok", "case_closed", "ok", "case_closed", "ok"]


def log_under_load(site: Site) -> None:
    """Threads read while the case is closed: by the log's own order, none got anything after that."""
    site.give("wei", A)
    token, ids = site.bound("wei", A, ttl_us=3600 * 10**6), site.ids(A)
    done, came = threading.Event(), []

    def reader(vault: Vault) -> None:
        while not done.is_set():
            came.append(outcome(vault, token, ids))

    with Vault.open(site.made.folder, clock=site.made.clock) as second:
        threads = [threading.Thread(target=reader, args=(node,)) for node in (site.vault, second) * 3]
        for thread in threads:
            thread.start()
        try:
            until = time.monotonic() + 20
            while came.count("ok") < 12 and time.monotonic() < until:
                time.sleep(0.005)
            site.close(A)
            before = len(came)
            while len(came) < before + 18 and time.monotonic() < until:
                time.sleep(0.005)
        finally:
            done.set()
            for thread in threads:
                thread.join()
    lines = site.lines(actor=site.ident("wei"))
    (closed,) = [line for line in site.lines(kind="config") if (line.detail or "").startswith("case close")]
    shown_at = [line.index for line in lines if line.kind == "read"]
    denied_at = [line.index for line in lines if line.reason == "case_closed"]
    assert (len(shown_at), len(denied_at)) == (came.count("ok"), came.count("case_closed"))
    assert max(shown_at) < closed.index < min(denied_at)
    assert {*came} == {"ok", "case_closed"}


def test_no_read_succeeds_behind_the_closing_entry_under_load(site: Site) -> None:
    """Six threads, two nodes, SQLite: each read shown stands before the closing, each refusal behind."""
    log_under_load(site)


def test_no_read_succeeds_behind_the_closing_entry_on_postgresql(
    pg: Callable[[], str], tmp_path: Path
) -> None:
    """The same on four PostgreSQL databases."""
    site = build(tmp_path, Stores(records=pg(), index=pg(), keys=pg(), ledger=pg()))
    try:
        log_under_load(site)
    finally:
        site.vault.close()


# --- tokens bound to cases ----------------------------------------------------------------------------


def test_a_bound_token_lists_and_reads_its_cases_alone(site: Site) -> None:
    """Another's case looks missing, a filter tells nothing of it, and a case in the token must be its own."""
    site.give("wei", A, B)
    site.give("zhao", C)
    room, token = site.vault.reading(), site.bound("wei", A, C)
    found = room.read(token, site.ids(A, B, C))
    assert ([item.record for item in found.items], codes(found)) == (
        site.ids(A),
        ["not_found", "case_closed"],
    )
    page = room.list_records(token, kind="loan", where="product=消费贷", limit=10)
    assert [values(item)["case_number"] for item in page.items] == [A]
    with pytest.raises(Denied):
        room.find(token, field="phone", value=ROWS[0]["手机"])


SEARCHED: Final = {
    'actions = ["read", "list"]\ncase_bound = true': 'actions = ["read", "list", "find"]\ncase_bound = true\n'
    'find = [{ kind = "borrower", field = "phone", cap = 100 }]'
}  # fmt: skip


def test_a_bound_token_finds_its_cases_alone(tmp_path: Path) -> None:
    """Where the policy lets an agency search, another's case is no hit."""
    site = build(tmp_path, policy=SEARCHED)
    site.give("wei", A)
    site.give("zhao", B)
    room, token = site.vault.reading(), site.token("wei")
    assert [item.record for item in room.find(token, field="phone", value=ROWS[0]["手机"]).items] == site.ids(
        A
    )
    other = room.find(token, field="phone", value=ROWS[1]["手机"])
    assert (other.items, other.errors) == ([], [])
    site.vault.close()


def test_a_token_that_names_no_cases_gets_those_assigned_when_it_is_issued(site: Site) -> None:
    """Those opened to its holder later take another token; with none assigned it reaches nothing."""
    bare = site.token("wei")
    site.give("wei", A)
    token = site.token("wei")
    site.give("wei", B)
    assert [outcome(site.vault, token, site.ids(n)) for n in (A, B)] == ["ok", "not_found"]
    assert outcome(site.vault, site.token("wei"), site.ids(B)) == "ok"
    assert outcome(site.vault, bare, site.ids(A)) == "purpose_denied"


# --- conditions ---------------------------------------------------------------------------------------


def test_a_closed_case_hides_what_the_policy_hangs_on_it(site: Site) -> None:
    """A collector bound to no case gets nothing of a closed one; legal, whom no condition stops, does."""
    li, lawyer, ids = site.token("li"), site.token("lawyer"), site.ids(A)
    assert outcome(site.vault, li, ids) == "ok"
    site.close(A)
    assert [outcome(site.vault, token, ids) for token in (li, lawyer)] == ["case_closed", "ok"]
    found = site.vault.reading().read(li, site.ids(A, B))
    assert ([item.record for item in found.items], codes(found)) == (site.ids(B), ["case_closed"])
    site.open(A)
    assert outcome(site.vault, li, ids) == "ok"


def test_a_minor_takes_an_approval_for_exactly_these_records_once(site: Site) -> None:
    """Nobody's own yes, no other records, no second time."""
    room, li, child = site.vault.reading(), site.token("li"), site.ids(D)
    assert outcome(site.vault, li, child) == "approval_required"
    granting = site.vault.granting()
    request = granting.ask(site.people["li"], "minors", child, reason="guardian called", rows=1,
                           purpose="repayment_reminder").id  # fmt: skip
    assert outcome(site.vault, li, child, request=request) == "approval_required"
    with pytest.raises(Denied):
        granting.approve(site.people["li"], request)
    granting.approve(site.people["approver"], request)
    assert outcome(site.vault, li, site.ids(A, D), request=request) == "approval_required"
    assert outcome(site.vault, site.token("lawyer"), child, request=request) == "approval_required"
    assert shown(room.read(li, child, request=request)).fields["phone"].view == "MASKED"
    assert outcome(site.vault, li, child, request=request) == "approval_required"
    assert outcome(site.vault, li, site.ids(A)) == "ok"


def test_the_dead_are_not_dunned(site: Site) -> None:
    """From the note on, for the person and their loan; others and legal go on."""
    site.vault.amending().note(
        site.token("dpo", "subject_request"), site.ids(A)[0], "deceased", date(2026, 3, 1), reason="D-1"
    )
    seen = [
        outcome(site.vault, site.token(name), site.ids(n))
        for name, n in (("li", A), ("li", B), ("lawyer", A))
    ]
    assert seen == ["contact_state", "ok", "ok"]


def test_consent_withdrawn_ends_a_purpose_that_rests_on_it(template: Site, tmp_path: Path) -> None:
    """Where the policy rests a purpose on consent; another purpose, on another basis, goes on."""
    basis = 'basis = {}\nsource = "PIPL 13 ¶1(2), performing the loan contract [V]"'
    site = copied(template, tmp_path, {basis.format(2): basis.format(1)})
    assert site.vault.tenancy().start() is None
    for n in (A, B):
        assert outcome(site.vault, site.token("li"), site.ids(n)) == "ok"
    site.vault.amending().note(
        site.token("dpo", "subject_request"),
        site.ids(A)[0],
        "consent_withdrawn",
        date(2026, 3, 1),
        reason="C-1",
    )
    asked = (("repayment_reminder", A), ("repayment_reminder", B), ("phone_collection", A))
    seen = [outcome(site.vault, site.token("li", purpose), site.ids(n)) for purpose, n in asked]
    assert seen == ["consent_withdrawn", "ok", "ok"]
    site.vault.close()


# --- bulk ---------------------------------------------------------------------------------------------


def test_more_records_than_a_days_take_an_allowance_that_serves_once(template: Site, tmp_path: Path) -> None:
    """Counted by principal and purpose; a refused batch counts nothing; the allowance bounds one request."""
    site = copied(template, tmp_path, {"rows = 10000 ": "rows = 4 "})
    li, ids, granting = site.token("li"), site.ids(*NUMBERS[:3]), site.vault.granting()
    assert [outcome(site.vault, li, ids), outcome(site.vault, li, ids)] == ["ok", "approval_required"]
    assert outcome(site.vault, li, ids[:1]) == "ok"
    assert outcome(site.vault, site.token("li"), ids[:1]) == "approval_required"
    assert outcome(site.vault, site.token("li", "phone_collection"), ids[:1]) == "ok"
    assert outcome(site.vault, site.token("lawyer"), ids) == "ok"

    def asked(rows: int) -> str:
        request = granting.ask(site.people["li"], "bulk_read", reason="campaign", rows=rows,
                               purpose="repayment_reminder")  # fmt: skip
        granting.approve(site.people["approver"], request.id)
        return request.id

    assert outcome(site.vault, li, ids, request=asked(2)) == "approval_required"
    allowed = asked(3)
    assert outcome(site.vault, site.token("lawyer"), ids, request=allowed) == "approval_required"
    seen = [outcome(site.vault, li, ids, request=allowed) for _ in range(2)]
    assert seen == ["ok", "approval_required"]
    site.made.clock.advance(days=1)
    assert outcome(site.vault, site.token("li"), ids) == "ok"
    site.vault.close()


def test_nodes_share_a_days_number(template: Site, tmp_path: Path) -> None:
    """However reads are spread over nodes, no more than the number is shown, and nearly all of it is."""
    site = copied(template, tmp_path, {"rows = 10000 ": "rows = 250 "})
    other = Vault.open(site.made.folder, clock=site.made.clock)
    li, ids = site.token("li"), site.ids(*NUMBERS[:3]) * 3
    seen = [outcome(vault, li, ids) for _ in range(16) for vault in (site.vault, other)]
    allowed = seen.count("ok") * len(ids)
    assert 150 < allowed <= 250
    assert set(seen[-4:]) == {"approval_required"}
    other.close()
    site.vault.close()


def test_what_a_failed_page_took_is_not_used(template: Site, tmp_path: Path) -> None:
    """Counts taken on a page that was undone are taken again: the number stays a bound."""
    site = copied(template, tmp_path, {"rows = 10000 ": "rows = 250 "})
    li, ids = site.token("li"), site.ids(*NUMBERS[:3])
    assert outcome(site.vault, li, ids) == "ok"
    with closing(sqlite3.connect(site.made.folder / "ledger.db")) as beside:
        beside.execute("CREATE TRIGGER full BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'full'); END")
    for _ in range(40):
        with pytest.raises(VaultError):
            site.vault.reading().read(li, ids * 30)
    with closing(sqlite3.connect(site.made.folder / "ledger.db")) as beside:
        beside.execute("DROP TRIGGER full")
    seen = [outcome(site.vault, li, ids) for _ in range(90)]
    assert seen.count("ok") == 250 // 3 - 1
    site.vault.close()
