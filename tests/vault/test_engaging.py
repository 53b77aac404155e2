"""Engaging: an agency's contract, and everything that ends with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import Made, borrowers, make_vault

from vault.access.tokens import Limits, accept, narrow
from vault.crypto.sign import SigningKey, token_bytes
from vault.enrolling import Enrolment
from vault.errors import Denied, Invalid, NotFound
from vault.granting import Identity
from vault.model import View

ROWS = borrowers(2)
CASES = [row["案件编号"] for row in ROWS]
HOUR = 3600 * 1_000_000


class Scene:
    """A lender with one agency, its collector, and two borrowers whose cases are the collector's."""

    def __init__(self, made: Made) -> None:
        self.made = made
        self.granting = made.vault.granting()
        add = self.granting.add_principal
        self.agency = add(
            made.identity, name="青松", roles=("agency_collector",), more=Enrolment(sort="agency")
        )
        hers = Enrolment(agency=self.agency.principal)
        self.worker = add(made.identity, name="w", roles=("agency_collector",), more=hers)
        self.desk = add(made.identity, name="k", roles=("case_desk",))
        importer = add(made.identity, name="i", roles=("importer",))
        self.dpo = add(made.identity, name="d", roles=("dpo",))
        made.vault.writing().import_file(
            self.granting.issue(importer, role="importer", purpose="import"),
            made.file(ROWS),
            kind="borrower",
            report=made.folder / "report.jsonl",
        )

    def engage(self, **changes: object) -> None:
        """A contract for March, unless changed."""
        terms: dict[str, object] = {
            "reference": "HT-2026-1",
            "starts": "2026-03-01",
            "ends": "2026-03-31",
            "purposes": ("repayment_reminder",),
        }
        self.granting.engage(self.made.identity, self.agency.principal, **(terms | changes))  # type: ignore[arg-type]

    def assign(self) -> None:
        """Both cases to the worker."""
        token = self.granting.issue(self.desk, role="case_desk", purpose="administration")
        self.made.vault.casework().open_cases(token, CASES, reason="placed")
        self.made.vault.casework().assign(token, CASES, self.worker.principal, reason="first")

    def token(self, **limits: object):  # noqa: ANN201 - a credential
        """The worker's token."""
        return self.granting.issue(
            self.worker,
            role="agency_collector",
            purpose="repayment_reminder",
            limits=Limits(**limits),  # type: ignore[arg-type]
        )

    def refused(self, token: object) -> str:
        """The reason for which a read of the first borrower is refused, "" if it isn't."""
        try:
            seen = self.made.vault.reading().read(token, self.made.ids(ROWS)[:1])  # type: ignore[arg-type]
        except Denied as refusal:
            return refusal.code
        return seen.errors[0].code if seen.errors else ""


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A lender with one agency."""
    return Scene(make_vault(tmp_path, sandbox=False))


def test_no_contract_no_token(scene: Scene) -> None:
    """None, one to come, and one that is over give nothing; one in force does, for its purposes alone."""
    for terms in (None, {"starts": "2026-03-17"}, {"starts": "2026-02-01", "ends": "2026-03-15"}):
        if terms is not None:
            scene.engage(**terms)
        with pytest.raises(Denied) as refusal:
            scene.token()
        assert refusal.value.code == "contract_ended"
    scene.engage()
    scene.assign()
    assert scene.refused(scene.token()) == ""
    with pytest.raises(Denied) as refusal:
        scene.granting.issue(scene.worker, role="agency_collector", purpose="phone_collection")
    assert refusal.value.code == "purpose_denied"


def test_nothing_outlives_the_contract(scene: Scene) -> None:
    """No token is issued beyond its last day, and one issued before dies with that day."""
    scene.engage(ends="2026-03-16")
    scene.assign()
    scene.made.clock.advance(hours=10)  # 20:00
    with pytest.raises(Denied) as refusal:
        scene.token(ttl_us=5 * HOUR)
    assert refusal.value.code == "contract_ended"
    token = scene.token(ttl_us=3 * HOUR)
    assert scene.refused(token) == ""
    longer = scene.granting  # a renewal lets it go on; an early end doesn't
    scene.engage(ends="2026-03-20")
    token = scene.token(ttl_us=10 * HOUR)
    longer.end(scene.made.identity, scene.agency.principal, on="2026-03-16", reason="breach")
    assert scene.refused(token) == ""
    scene.made.clock.advance(hours=4)
    assert scene.refused(token) == "contract_ended"


def test_one_act_seals_an_agency_off(scene: Scene) -> None:
    """Its people's living tokens get nothing from the next entry on; opening it again takes two."""
    scene.engage()
    scene.assign()
    token = scene.token()
    assert scene.refused(token) == ""
    scene.granting.seal(scene.dpo, scene.agency.principal, "leak suspected")
    assert scene.refused(token) == "contract_ended"
    scene.engage(reference="HT-2026-2")
    assert scene.refused(token) == "contract_ended"  # a new contract doesn't open the seal
    with pytest.raises(Denied) as refusal:
        scene.granting.unseal(scene.dpo, scene.agency.principal)
    assert refusal.value.code == "approval_required"
    approver = scene.granting.add_principal(scene.made.identity, name="a", roles=("approver",))
    request = scene.granting.ask(scene.dpo, "unseal", (scene.agency.principal,), reason="cleared")
    scene.granting.approve(approver, request.id)
    scene.granting.unseal(scene.dpo, scene.agency.principal, request.id)
    assert scene.refused(token) == ""
    scene.granting.seal(scene.dpo, scene.agency.principal, "again")
    with pytest.raises(Denied):
        scene.granting.unseal(scene.dpo, scene.agency.principal, request.id)


def test_the_contract_bounds_the_fields(scene: Scene) -> None:
    """What it doesn't list is hidden, whatever the policy shows; a change of it stops what was decided."""
    scene.engage(fields={"name": View.MASKED})
    scene.assign()
    token = scene.token()
    (shown,) = scene.made.vault.reading().read(token, scene.made.ids(ROWS)[:1]).items
    assert {n for n, f in shown.fields.items() if f.view != "HIDDEN"} == {"name"}
    scene.engage(fields={"employer": View.CLEAR})
    assert scene.refused(token) == "field_denied"
    with pytest.raises(Invalid):
        scene.engage(fields={"no_such_field": View.CLEAR})


def test_an_agency_hands_nothing_on(scene: Scene) -> None:
    """No depth at issue; what its people narrow all the same opens nothing (PIPL 21 ¶3)."""
    scene.engage()
    scene.assign()
    with pytest.raises(Denied) as refusal:
        scene.token(depth=1)
    assert refusal.value.code == "delegation_denied"


def test_handed_to_an_agency_it_ends_there(scene: Scene) -> None:
    """The lender's service hands on one case for a minute; the agency gets that, and can't hand it on."""
    scene.engage(purposes=("repayment_reminder",))
    scene.assign()
    service = scene.granting.add_principal(
        scene.made.identity, name="s", roles=("agency_collector",), more=Enrolment(sort="service")
    )
    broad = scene.granting.issue(
        service,
        role="agency_collector",
        purpose="repayment_reminder",
        limits=Limits(depth=2, cases=frozenset(CASES)),
    )
    now = scene.made.clock.now
    one = Limits(cases=frozenset(CASES[:1]), ttl_us=60 * 1_000_000, depth=1)
    handed = narrow(broad, one, now_us=now, to=scene.agency.candidate.key(), jti=token_bytes(16))
    held = accept(handed, scene.agency.signing)
    assert scene.refused(held) == ""
    on = narrow(held, Limits(), now_us=now, holder=SigningKey.generate(), jti=token_bytes(16))
    assert scene.refused(on) == "delegation_denied"
    scene.made.clock.advance(seconds=61)
    assert scene.refused(held) == "token_expired"
    assert scene.refused(broad) == "case_closed"  # the cases are the agency's, not the service's


def test_what_is_owed_after_the_end(scene: Scene) -> None:
    """A return-or-delete attestation is due ten days after; until it is there it shows as overdue."""
    scene.engage()
    assert _view(scene).state == "ending"
    with pytest.raises(Invalid):
        scene.granting.attest_return(scene.dpo, scene.agency.principal, on="2026-03-16", reference="R-1")
    scene.made.clock.advance(days=16)
    assert (_view(scene).state, _view(scene).due, _view(scene).overdue) == ("ended", "2026-04-10", False)
    scene.made.clock.advance(days=10)
    assert _view(scene).overdue
    scene.granting.attest_return(scene.dpo, scene.agency.principal, on="2026-04-11", reference="R-1")
    assert not _view(scene).overdue
    assert _view(scene).returned == "2026-04-11"


def _view(scene: Scene):  # noqa: ANN202 - the agency as it is listed
    return scene.granting.agencies(scene.dpo)[0]


def test_contracts_that_cannot_be(scene: Scene) -> None:
    """Dates, purposes and parties are checked before anything is written."""
    for terms in (
        {"ends": "2026-02-01"},
        {"starts": "03/01/2026"},
        {"purposes": ()},
        {"purposes": ("legal_action",)},
        {"reference": ""},
    ):
        with pytest.raises(Invalid):
            scene.engage(**terms)
    granting, by = scene.granting, scene.made.identity
    with pytest.raises(NotFound):
        granting.seal(by, scene.agency.principal, "no contract yet")
    with pytest.raises(NotFound):
        granting.seal(by, scene.worker.principal, "no agency")
    scene.engage()
    with pytest.raises(Invalid):
        granting.end(by, scene.agency.principal, on="2026-05-01", reason="later, not earlier")
    with pytest.raises(Denied):
        granting.seal(scene.worker, scene.agency.principal, "not theirs to say")
    assert isinstance(scene.worker, Identity)
