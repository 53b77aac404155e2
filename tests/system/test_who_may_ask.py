"""The auditing room, verb by verb: who may, what bounds a token, what a masked node does, and its entries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from kit import PURPOSE, Made, borrowers, make_vault
from system.test_masked_node import masked_keys

from vault.access.tokens import Credential, Limits
from vault.auditing import Auditing, Breach, Question, Scope, Wanted
from vault.errors import Denied, VaultError
from vault.stores.rows import EntryFilter
from vault.vault import Vault

ROWS: Final = borrowers(1)
Verb = Callable[[Auditing, Credential, Made], object]

AUDIT: Final[dict[str, Verb]] = {
    "ask": lambda room, token, _: room.ask(token, Question()),
    "no_case": lambda room, token, _: list(room.no_case(token)),
    "looked_up": lambda room, token, _: room.looked_up(token, "phone", "13800138000"),
    "refusals": lambda room, token, _: room.refusals(token),
    "top": lambda room, token, _: room.top(token, distinct=True),
    "off_hours": lambda room, token, _: room.off_hours(token),
    "summarise": lambda room, token, _: room.summarise(token),
    "retally": lambda room, token, _: room.retally(token),
    "verify": lambda room, token, _: room.verify(token),
    "export": lambda room, token, made: room.export(token, made.outside / "tiles"),
    "bodies": lambda room, token, made: room.export_bodies(token, made.outside / "b", Wanted(plain=True)),
    "sample": lambda room, token, _: room.sample(token, room.checkpoint(), 1),
    "balance": lambda room, token, _: room.balance(token),
    "report": lambda room, token, made: room.report(token, made.ids(ROWS)[0]),
    "alarms": lambda room, token, _: room.alarms(token),
    "affected": lambda room, token, made: room.affected(
        token, Breach(node="n", since=0, until=made.clock() + 1)
    ),
}
LOOK_ON: Final[dict[str, Verb]] = {
    "honey": lambda room, token, _: room.honey(token),
    "incidents": lambda room, token, _: room.incidents(token),
    "test_alarm": lambda room, token, _: room.test_alarm(token),
}
PROTECT: Final[dict[str, Verb]] = {
    "add_honey": lambda room, token, made: room.add_honey(token, made.ids(ROWS)),
    "remove_honey": lambda room, token, made: room.remove_honey(token, made.ids(ROWS)),
    "open_incident": lambda room, token, made: room.open_incident(token, noticed=made.clock(), reason="x"),
}
OTHER: Final[dict[str, Verb]] = {
    "prune": lambda room, token, _: room.prune(token),
    "witnesses": lambda room, token, _: room.set_witnesses(token, "quorum none\n"),
}
EVERY: Final = {**AUDIT, **LOOK_ON, **PROTECT, **OTHER}
MAY: Final[dict[tuple[str, str], set[str]]] = {
    ("auditor", "audit"): {*AUDIT, *LOOK_ON},
    ("regulator", "regulator"): {*AUDIT, *LOOK_ON},
    ("dpo", "subject_request"): {*AUDIT, *LOOK_ON},
    ("dpo", "security"): {*AUDIT, *LOOK_ON, *PROTECT} - {"report"},
    ("dpo", "administration"): {*LOOK_ON, *PROTECT, "prune"},
    ("admin", "administration"): {"witnesses"},
}
"""By role and purpose, what may be done; whoever is not here may nothing."""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """A sandbox with one borrower."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    yield made
    made.vault.close()


def denials(made: Made) -> int:
    """How many refusals the log has."""
    return len(made.vault.stores.ledger.query("main", EntryFilter(kind="deny", limit=10_000)))


def done(made: Made, token: Credential, room: Auditing) -> set[str]:
    """The verbs that this token may; what it may not is refused, and one entry of kind `deny`."""
    came = set()
    for name, verb in EVERY.items():
        before = denials(made)
        try:
            verb(room, token, made)
        except Denied:
            assert denials(made) == before + 1, name
        else:
            came.add(name)
    return came


@pytest.mark.parametrize(
    ("role", "purpose"),
    sorted({*PURPOSE.items(), ("dpo", "security"), ("dpo", "subject_request")}),
)
def test_each_role_may_what_is_listed_and_nothing_else(made: Made, role: str, purpose: str) -> None:
    """Collectors, agencies' too, dialers, importers and desks may nothing; those who audit change nothing."""
    limits = Limits(cases=frozenset({ROWS[0]["案件编号"]})) if role == "agency_collector" else None
    token = made.token(role, purpose, limits=limits)
    assert done(made, token, made.vault.auditing()) == MAY.get((role, purpose), set())


def test_a_token_for_some_cases_asks_nothing(made: Made) -> None:
    """The log concerns everybody: a token bound to cases, or to another action, opens none of it."""
    for role, purpose in MAY:
        bound = made.token(role, purpose, limits=Limits(cases=frozenset({ROWS[0]["案件编号"]})))
        assert done(made, bound, made.vault.auditing()) <= {"prune"}, role
    narrow = made.token("dpo", "security", limits=Limits(actions=frozenset({"protect"})))
    assert done(made, narrow, made.vault.auditing()) == {*LOOK_ON, *PROTECT}


def test_a_masked_node_answers_nothing(made: Made) -> None:
    """Nothing of the room is done there with any token: it holds neither audit key nor log secrets' use."""
    tokens = [made.token(*pair) for pair in MAY]
    with Vault.open(made.folder, keys=masked_keys(made), clock=made.clock) as node:
        for token in tokens:
            assert done(made, token, node.auditing()) == set()
        room, me = node.auditing(), made.identity
        for act in (
            lambda: room.open_audit(me, me.principal, Scope(ends="2026-12-31"), "x"),
            lambda: room.export_bodies(tokens[0], made.outside / "b", Wanted(plain=True)),
        ):
            with pytest.raises(VaultError):
                act()


def test_only_admin_or_officer_opens_audits(tmp_path: Path) -> None:
    """Not the auditor, nor for oneself; each refusal is an entry, and a key is its auditor's alone."""
    made = make_vault(tmp_path, sandbox=False)
    granting, room = made.vault.granting(), made.vault.auditing()
    people = {
        name: granting.add_principal(made.identity, name=name, roles=(name.rstrip("2"),))
        for name in ("auditor", "auditor2", "importer", "dpo")
    }
    scope, auditor = Scope(ends="2026-12-31"), people["auditor"].principal
    for name in ("auditor", "importer"):
        before = room.walk().kinds.get("deny", 0)
        with pytest.raises(Denied):
            room.open_audit(people[name], auditor, scope, "x")
        assert room.walk().kinds["deny"] == before + 1
    with pytest.raises(Denied):
        room.open_audit(people["dpo"], people["dpo"].principal, scope, "x")
    audit = room.open_audit(people["dpo"], auditor, scope, "x").id
    token = granting.issue(people["auditor2"], role="auditor", purpose="audit")
    with pytest.raises(Denied):
        room.audit_key(token, audit)
    with pytest.raises(Denied):
        room.audits(people["importer"])
    made.vault.close()
