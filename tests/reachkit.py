"""Levers for tests of reaching: a vault with two borrowers, what is refused, and by which entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kit import Made, borrowers, make_vault

from vault.access.tokens import Credential, Limits
from vault.auditing import Line, Question
from vault.config import Stores
from vault.enrolling import Enrolment
from vault.errors import VaultError
from vault.reaching import Reaching

ROWS = borrowers(2)
PHONE = ROWS[0]["手机"]


def on_either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    """A sandbox with two borrowers and their contact persons, on either engine."""
    stores = None
    if request.param == "postgresql":
        pg: Callable[[], str] = request.getfixturevalue("pg")
        stores = Stores(records=pg(), index=pg(), keys=pg(), ledger=pg())
    made = make_vault(tmp_path, stores=stores)
    made.load(ROWS)
    yield made
    made.vault.close()


def on_sqlite(tmp_path: Path) -> Iterator[Made]:
    """The same on SQLite alone, for what no engine decides."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    yield made
    made.vault.close()


def setup(made: Made) -> tuple[Reaching, Credential, str]:
    """The room, a dialer's token that outlives a day's tests, and the first borrower."""
    token = made.token("dialer", limits=Limits(ttl_us=12 * 3_600_000_000))
    return made.vault.reaching(), token, made.ids(ROWS)[0]


def refused(work: Callable[[], Any]) -> str:
    """The code by which something is refused; "" if it isn't."""
    try:
        work()
    except VaultError as error:
        return error.code
    return ""


def lines(made: Made, **asked: Any) -> list[Line]:
    """Entries by an auditor's question."""
    return made.vault.auditing().ask(made.token("auditor"), Question(**asked))


def contact_of(made: Made, borrower: str) -> str:
    """The contact person of a borrower: the one whose cases are the borrower's."""
    t = made.vault.tenancy()
    rows, _ = t.stores.index.select(t.name, "contact_person", [], None, None, 10)
    held = t.keeping.fetch([record for record, _ in rows] + [borrower])
    cases = held[borrower].facts.cases
    (found,) = (record for record, h in held.items() if record != borrower and h.facts.cases == cases)
    return found


def note(made: Made, record: str, **anchors: str) -> None:
    """Set days on a record."""
    keeping = made.vault.tenancy().keeping
    held = keeping.fetch([record])[record]
    facts = msgspec.structs.replace(held.facts, anchors=held.facts.anchors | anchors)
    keeping.set_facts([(held, facts)])


def agent(made: Made, name: str, limits: Limits | None = None) -> Credential:
    """A token of one person of an agency of this name, which works under a contract in force."""
    room = made.vault.granting()
    agency = room.add_principal(
        made.identity, name=name, roles=("agency_collector",), more=Enrolment(sort="agency")
    )
    room.engage(
        made.identity, agency.principal, reference=f"C-{name}", starts="2026-01-01", ends="2026-12-31",
        purposes=("phone_collection",),
    )  # fmt: skip
    one = room.add_principal(
        made.identity,
        name=f"{name} agent",
        roles=("agency_collector",),
        more=Enrolment(agency=agency.principal),
    )
    return room.issue(one, role="agency_collector", purpose="phone_collection", limits=limits)
