"""The register of purposes says what the policy enforces, and no more."""

from __future__ import annotations

from policykit import DEFAULT, SCHEMA, load

from vault.access.purposes import BASES, PurposeRow, register
from vault.model import View

OURS = load(DEFAULT)


def rows(**parts: dict[str, str]) -> dict[str, PurposeRow]:
    """The shipped policy's register, by purpose."""
    found = register(OURS, retention=parts.get("retention", {}), recipients={"phone_collection": ["甲公司"]})
    return {row.purpose: row for row in found}


def test_every_purpose_is_registered() -> None:
    """In the order of the file, each with a basis of PIPL 13 that has words in both languages."""
    found = rows()
    assert list(found) == list(OURS.file.purposes)
    assert all(row.basis in BASES and row.source for row in found.values())
    assert all(len(words) == 2 for words in BASES.values())


def test_a_row_shows_what_the_policy_shows() -> None:
    """Every field that a role sees for the purpose is there with the best view, and no other field is."""
    for purpose, row in rows().items():
        said = {(k.kind, f.field): f.view for k in row.kinds for f in k.fields}
        views: dict[tuple[str, str], View] = {}
        for role in (r.role for r in row.roles):
            for place, (view, _) in OURS.cell(role, purpose).views.items():
                views[place] = max(view, views.get(place, View.HIDDEN))
        assert said == {place: view.name for place, view in views.items()}
        assert all(f.roles for k in row.kinds for f in k.fields)


def test_what_has_no_mask_is_not_called_masked() -> None:
    """A field seen MASKED is whole where its mask is none; one with a mask is whole only in CLEAR."""
    for row in rows().values():
        for kind in row.kinds:
            for field in kind.fields:
                plain = SCHEMA.kind(kind.kind).field(field.field).mask == "none"
                assert field.whole == (plain or field.view == "CLEAR")


def test_retention_recipients_and_conditions_are_said() -> None:
    """What was passed in stands where it belongs; conditions come once each."""
    found = rows(retention={"borrower": "three years"})
    call = found["phone_collection"]
    assert {k.kind: k.retention for k in call.kinds}["borrower"] == "three years"
    assert {k.kind: k.retention for k in call.kinds}["loan"] == ""
    assert call.recipients == ("甲公司",)
    assert found["negotiation"].recipients == ()
    assert [c.name for c in call.conditions] == ["alive", "case_open", "grown", "contract"]
    assert [r.role for r in call.roles] == ["collector", "agency_collector", "dialer"]
    assert found["legal_action"].restricted
    assert found["modelling"].roles == ()


def test_an_assessment_and_a_last_day_are_registered() -> None:
    """As the policy file has them."""
    text = DEFAULT.replace(
        "[purposes.audit]",
        '[purposes.audit]\nlegal_basis_until = 2030-01-31\npipia = { id = "P-7", until = 2029-01-31 }',
    )
    row = {r.purpose: r for r in register(load(text), retention={}, recipients={})}["audit"]
    assert row.legal_basis_until == "2030-01-31"
    assert row.pipia is not None
    assert (row.pipia.id, row.pipia.until.isoformat()) == ("P-7", "2029-01-31")
