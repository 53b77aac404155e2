"""Handing over: what leaves in a file, for whom, under whose yes, and that every record of it is an entry."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from kit import Made, borrowers, make_vault

from vault.auditing import Question
from vault.config import Witness
from vault.enrolling import Enrolment
from vault.errors import Denied, Invalid, LogUnavailable, NotFound
from vault.handing import handover_about
from vault.model import View
from vault.watching import Watch

ROWS = borrowers(3)
CASES = [row["案件编号"] for row in ROWS]
PURPOSE, EXPIRES = "repayment_reminder", "2026-03-20"


class Scene:
    """A lender, an agency under contract, and three cases of which two are the agency's."""

    def __init__(self, made: Made) -> None:
        self.made, self.granting = made, made.vault.granting()
        add = self.granting.add_principal
        self.agency = add(
            made.identity, name="青松", roles=("agency_collector",), more=Enrolment(sort="agency")
        ).principal
        self.desk = add(made.identity, name="k", roles=("case_desk",))
        self.approver = add(made.identity, name="p", roles=("approver",))
        self.auditor = add(made.identity, name="a", roles=("auditor",))
        importer = add(made.identity, name="i", roles=("importer",))
        made.vault.writing().import_file(
            self.granting.issue(importer, role="importer", purpose="import"),
            made.file(ROWS),
            kind="borrower",
            report=made.folder / "report.jsonl",
        )
        self.engage()
        self.token = self.granting.issue(self.desk, role="case_desk", purpose="administration")
        made.vault.casework().open_cases(self.token, CASES, reason="placed")
        made.vault.casework().assign(self.token, CASES[:2], self.agency, reason="first")

    def engage(self, fields: dict[str, View] | None = None) -> None:
        """A contract for March."""
        self.granting.engage(
            self.made.identity, self.agency, reference="HT-1", starts="2026-03-01", ends="2026-03-31",
            purposes=(PURPOSE,), fields=fields,
        )  # fmt: skip

    def approved(self, rows: int = 100, cases: list[str] | None = None, expires: str = EXPIRES) -> str:
        """An approved request for these cases."""
        about = handover_about(self.agency, PURPOSE, expires, cases or CASES[:2])
        request = self.granting.ask(
            self.desk, "handover", about, reason="placement", purpose=PURPOSE, rows=rows, agency=self.agency
        )
        return self.granting.approve(self.approver, request.id).id

    def hand(self, request: str | None, cases: list[str] | None = None, expires: str = EXPIRES):  # noqa: ANN201 - what is handed
        """Hand these cases over."""
        return self.made.vault.handing().hand_over(
            self.token, self.agency, cases or CASES[:2], purpose=PURPOSE, expires=expires, request=request
        )


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A lender with an agency."""
    return Scene(make_vault(tmp_path, sandbox=False))


def test_a_file_of_granted_fields_with_its_recipient(scene: Scene) -> None:
    """Each row names recipient, end and entry, and shows what the agency's people would see, no more."""
    request = scene.approved()
    before = scene.made.size()
    handed = scene.hand(request)
    rows = [json.loads(line) for line in handed.content.splitlines()]
    assert {row["kind"] for row in rows} >= {"borrower", "loan"}
    assert all(
        (r["recipient"], r["expires"], r["handover"]) == ("青松", EXPIRES, handed.handover.id) for r in rows
    )
    assert sorted(row["entry"] for row in rows) == list(range(before, before + len(rows)))
    assert handed.handover.records == len(rows)
    assert handed.handover.digest == hashlib.sha256(handed.content).hexdigest()
    text = handed.content.decode()
    for row in ROWS:
        for secret in (row["手机"], row["证件号"], row["客户姓名"]):
            assert secret not in text
    borrower = next(row for row in rows if row["kind"] == "borrower")
    assert set(borrower["fields"]) >= {"name", "phone"}
    assert "id_number" not in borrower["fields"]


def test_nothing_leaves_beyond_the_limit_of_unwitnessed_entries(scene: Scene) -> None:
    """A file is a disclosure: refused before its entries are made, and the approval stays good."""
    tenancy, request, size = scene.made.vault.tenancy(), scene.approved(), scene.made.size()
    before, tenancy.watch = tenancy.watch, Watch(tenancy.stores.ledger, tenancy.keys, Witness(stop_entries=3))
    with pytest.raises(LogUnavailable):
        scene.hand(request)
    assert scene.made.size() == size
    tenancy.watch = before
    assert scene.hand(request).handover.request == request


def test_the_yes_serves_once_and_exactly(scene: Scene) -> None:
    """Without one, with another's, for other cases, another day, fewer records or twice: nothing leaves."""
    request = scene.approved()
    for kwargs in (
        {"request": None},
        {"request": scene.approved(rows=1)},
        {"request": request, "cases": CASES[:1]},
        {"request": request, "expires": "2026-03-21"},
    ):
        with pytest.raises(Denied) as refusal:
            scene.hand(**kwargs)  # type: ignore[arg-type]
        assert refusal.value.code == "approval_required"
    scene.hand(request)
    with pytest.raises(Denied):
        scene.hand(request)
    listed = scene.granting and scene.made.vault.handing().handovers(scene.auditor)
    assert [(h.agency, h.cases, h.request) for h in listed] == [(scene.agency, 2, request)]


def test_only_the_agencys_own_open_cases(scene: Scene) -> None:
    """A case that is another's, closed, or nobody's is not handed over, nor the others with it."""
    both = scene.approved(cases=CASES)
    with pytest.raises(Denied) as refusal:
        scene.hand(both, cases=CASES)
    assert refusal.value.code == "case_closed"
    request = scene.approved()
    scene.made.vault.casework().close_cases(scene.token, CASES[:1], reason="paid")
    with pytest.raises(Denied):
        scene.hand(request)
    assert not scene.made.vault.handing().handovers(scene.auditor)
    with pytest.raises(Invalid):
        scene.hand(scene.approved(expires="2026-04-01"), expires="2026-04-01")
    with pytest.raises(NotFound):
        scene.made.vault.handing().hand_over(
            scene.token, scene.desk.principal, CASES[:2], purpose=PURPOSE, expires=EXPIRES
        )


def test_the_contract_bounds_the_file(scene: Scene) -> None:
    """Fields that the contract doesn't list are not in it; after its end there is no file."""
    scene.engage({"name": View.MASKED})
    handed = scene.hand(scene.approved())
    assert {n for line in handed.content.splitlines() for n in json.loads(line)["fields"]} == {"name"}
    request = scene.approved()
    scene.granting.seal(scene.made.identity, scene.agency, "leak")
    with pytest.raises(Denied) as refusal:
        scene.hand(request)
    assert refusal.value.code == "contract_ended"


def test_every_record_that_leaves_is_an_entry(scene: Scene) -> None:
    """The log says who handed what to whom, and which fields how clearly."""
    handed = scene.hand(scene.approved())
    audit = scene.granting.issue(scene.auditor, role="auditor", purpose="audit")
    lines = scene.made.vault.auditing().ask(audit, Question(kind="export"))
    assert len(lines) == handed.handover.records
    assert {line.actor for line in lines} == {scene.desk.principal}
    assert {line.detail for line in lines} == {f"handover {handed.handover.id} to {scene.agency}"}
    named = next(line for line in lines if line.about == "borrower")
    assert named.fields["name"] == "MASKED"
