"""Every reason of the closed list, brought about on a real vault; and a line on each of what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Final

import msgspec
import pytest
from kit import Made, borrower, borrowers, make_vault, reopen

from vault.access.policy_file import policy_hash
from vault.access.tokens import Credential, Limits
from vault.crypto.sign import SigningKey
from vault.enrolling import Enrolment
from vault.errors import VaultError
from vault.granting import Identity
from vault.model import REASONS
from vault.stores.engine import Session
from vault.vault import Vault

ROOT: Final = Path(__file__).resolve().parents[2]
ROWS: Final = borrowers(3)
CASES: Final = [row["案件编号"] for row in ROWS]
IDS: Final = [f"borrower:{row['客户编号']}" for row in ROWS]


class Scene:
    """A vault that is no sandbox, three borrowers, and people of every role as they are needed."""

    def __init__(self, made: Made) -> None:
        self.made = made
        self.people: dict[str, Identity] = {}
        self.load(ROWS)

    def person(self, role: str, more: Enrolment | None = None) -> Identity:
        """Whoever holds a role; made when first asked for."""
        if role not in self.people:
            self.people[role] = self.made.vault.granting().add_principal(
                self.made.identity, name=role, roles=(role,), more=more
            )
        return self.people[role]

    def token(self, role: str, purpose: str, **limits: object) -> Credential:
        """A token of that person."""
        return self.made.vault.granting().issue(
            self.person(role),
            role=role,
            purpose=purpose,
            limits=Limits(**limits),  # type: ignore[arg-type]
        )

    def load(self, rows: list[dict[str, str]]) -> None:
        """Import rows."""
        self.made.vault.writing().import_file(
            self.token("importer", "import"), self.made.file(rows), kind="borrower",
            report=self.made.folder / "report.jsonl",
        )  # fmt: skip

    def read(self, token: Credential, ident: str = IDS[0], **kwargs: object) -> str:
        """Read one record; the code of its refusal, "" if there is none."""
        seen = self.made.vault.reading().read(token, [ident], **kwargs)  # type: ignore[arg-type]
        return seen.errors[0].code if seen.errors else ""

    def under(self, old: str, new: str) -> None:
        """The same vault under a policy with this change, approved."""
        path = self.made.folder / "policy.toml"
        text = path.read_text("utf-8")
        assert old in text
        text = text.replace(old, new, 1)
        granting = self.made.vault.granting()
        request = granting.ask(self.made.identity, "policy", (policy_hash(text),), reason="trial")
        granting.approve(self.person("approver"), request.id)
        path.write_text(text, encoding="utf-8")
        self.made.vault.close()
        self.made = reopen(self.made)

    def agency(self) -> tuple[str, Identity]:
        """An agency under contract, and its collector, who has all cases."""
        granting = self.made.vault.granting()
        agency = granting.add_principal(
            self.made.identity, name="A", roles=("agency_collector",), more=Enrolment(sort="agency")
        ).principal
        granting.engage(
            self.made.identity, agency, reference="HT-1", starts="2026-03-01", ends="2026-03-31",
            purposes=("repayment_reminder",),
        )  # fmt: skip
        worker = self.person("agency_collector", Enrolment(agency=agency))
        desk = self.token("case_desk", "administration")
        self.made.vault.casework().open_cases(desk, CASES, reason="placed")
        self.made.vault.casework().assign(desk, CASES, worker.principal, reason="first")
        return agency, worker

    def note(self, fact: str) -> None:
        """Note something about the first borrower."""
        self.made.vault.amending().note(
            self.token("dpo", "subject_request"), IDS[0], fact, date(2026, 3, 1), reason="document 7"
        )


Provoke = Callable[[Scene], "str | None"]
SCENARIOS: Final[dict[str, Provoke]] = {}


def provokes(code: str) -> Callable[[Provoke], Provoke]:
    """Say which code a scenario ends in: by its error, or by what it returns."""

    def kept(scenario: Provoke) -> Provoke:
        SCENARIOS[code] = scenario
        return scenario

    return kept


@provokes("token_invalid")
def _stolen(scene: Scene) -> str:
    token = scene.token("legal", "legal_action")
    return scene.read(replace_key(token))


def replace_key(token: Credential) -> Credential:
    """A token whose text was stolen without its key."""
    return Credential(token=token.token, key=SigningKey.generate(), expires=token.expires)


@provokes("token_expired")
def _late(scene: Scene) -> str:
    token = scene.token("legal", "legal_action")
    scene.made.clock.advance(minutes=16)
    return scene.read(token)


@provokes("token_revoked")
def _revoked(scene: Scene) -> str:
    token = scene.token("legal", "legal_action")
    scene.made.vault.granting().revoke(scene.person("legal"), token)
    return scene.read(token)


@provokes("uses_spent")
def _spent(scene: Scene) -> str:
    token = scene.token("legal", "legal_action", max_uses=1)
    assert scene.read(token) == ""
    return scene.read(token)


@provokes("audience_denied")
def _elsewhere(scene: Scene) -> str:
    token = scene.token("legal", "legal_action", audience=frozenset({"clear"}))
    granting, admin = scene.made.vault.granting(), scene.made.identity
    request = granting.ask(admin, "keys", ("export masked",), reason="another node")
    granting.approve(scene.person("approver"), request.id)
    folder = scene.made.outside / "masked"
    scene.made.vault.export_keys(admin, folder, frozenset({"masked"}), request=request.id)
    with Vault.open(scene.made.folder, keys=folder, clock=scene.made.clock) as node:
        seen = node.reading().read(token, IDS[:1])
    return seen.errors[0].code


@provokes("delegation_denied")
def _handed_on(scene: Scene) -> str:
    _, worker = scene.agency()
    del worker
    return str(scene.token("agency_collector", "repayment_reminder", depth=1))


@provokes("role_denied")
def _not_held(scene: Scene) -> None:
    scene.made.vault.granting().issue(scene.person("legal"), role="dpo", purpose="administration")


@provokes("purpose_denied")
def _not_its_purpose(scene: Scene) -> str:
    return str(scene.token("legal", "quality_review"))


@provokes("field_denied")
def _hidden(scene: Scene) -> str:
    return scene.read(scene.token("collector", "repayment_reminder"), fields=("id_number",))


@provokes("attestation_expired")
def _untrained(scene: Scene) -> str:
    scene.person("legal", Enrolment(attested=""))
    return str(scene.token("legal", "legal_action"))


@provokes("contract_ended")
def _sealed_off(scene: Scene) -> str:
    agency, _ = scene.agency()
    token = scene.token("agency_collector", "repayment_reminder")
    assert scene.read(token) == ""
    scene.made.vault.granting().seal(scene.made.identity, agency, "leak")
    return scene.read(token)


@provokes("restricted")
def _shut(scene: Scene) -> str:
    tenancy = scene.made.vault.tenancy()
    held = tenancy.keeping.fetch(scene.made.ids(ROWS)[:1])

    tenancy.keeping.set_facts(
        (h, msgspec.structs.replace(h.facts, state="RESTRICTED")) for h in held.values()
    )
    return scene.read(scene.token("collector", "repayment_reminder"))


@provokes("case_closed")
def _closed(scene: Scene) -> str:
    scene.agency()
    token = scene.token("agency_collector", "repayment_reminder")
    assert scene.read(token) == ""
    scene.made.vault.casework().close_cases(
        scene.token("case_desk", "administration"), CASES[:1], reason="paid"
    )
    return scene.read(token)


@provokes("consent_withdrawn")
def _withdrawn(scene: Scene) -> str:
    told = '[purposes.fraud_check]\nzh = "反欺诈核查"\nbasis = '
    scene.under(f"{told}2", f"{told}1")
    token = scene.token("fraud_desk", "fraud_check")
    assert scene.read(token) == ""
    scene.note("consent_withdrawn")
    return scene.read(token)


@provokes("contact_state")
def _died(scene: Scene) -> str:
    token = scene.token("collector", "repayment_reminder")
    assert scene.read(token) == ""
    scene.note("deceased")
    return scene.read(token)


@provokes("contact_refused")
def _refused(scene: Scene) -> str:
    scene.under('[conditions.alive]\ntest = "not_deceased"', '[conditions.alive]\ntest = "not_refused"')
    token = scene.token("collector", "repayment_reminder")
    assert scene.read(token) == ""
    scene.made.vault.amending().refuse(scene.token("dpo", "subject_request"), IDS[0], reason="letter")
    return scene.read(token)


@provokes("previously_erased")
def _back(scene: Scene) -> str:
    scene.made.vault.amending().refuse(scene.token("dpo", "subject_request"), IDS[0], reason="letter")
    scene.made.clock.advance(days=4000)
    granting, who = scene.made.vault.granting(), scene.made.identity
    for identity in scene.people.values():
        granting.attest(who, identity.principal, ("confidentiality", "training"), "2060-01-01")
    dpo = scene.token("dpo", "administration")
    plan = scene.made.vault.erasing().plan(dpo)
    granting.approve(scene.person("approver"), plan.id)
    scene.made.vault.erasing().execute(dpo, plan.id)
    scene.load(ROWS)
    report = (scene.made.folder / "report.jsonl").read_text("utf-8")
    found = re.search(r'"code":"([a-z_]+)"', report)
    return found[1] if found else ""


@provokes("approval_required")
def _alone(scene: Scene) -> None:
    dpo = scene.token("dpo", "administration")
    plan = scene.made.vault.erasing().plan(dpo)
    scene.made.vault.erasing().execute(dpo, plan.id)


@provokes("lookup_cap")
def _too_curious(scene: Scene) -> str:
    scene.under('field = "phone", cap = 200', 'field = "phone", cap = 2')
    token = scene.token("collector", "repayment_reminder")
    for row in ROWS[:2]:
        assert scene.made.vault.reading().find(token, field="phone", value=row["手机"]).items
    return str(scene.made.vault.reading().find(token, field="phone", value=borrower(9)["手机"]))


@provokes("quiet_hours")
def _at_night(scene: Scene) -> str:
    scene.under(
        '[conditions.alive]\ntest = "not_deceased"',
        '[conditions.alive]\nfrom = "08:00"\nto = "22:00"\ntest = "hours"',
    )
    assert scene.read(scene.token("collector", "repayment_reminder")) == ""
    scene.made.clock.advance(hours=12)  # 22:00 in Shanghai
    return scene.read(scene.token("collector", "repayment_reminder"))


@provokes("region_denied")
def _abroad(scene: Scene) -> str:
    scene.under(
        '[conditions.alive]\ntest = "not_deceased"', '[conditions.alive]\nregions = ["SG"]\ntest = "region"'
    )
    return scene.read(scene.token("collector", "repayment_reminder"))


@provokes("log_unavailable")
def _full(scene: Scene) -> str:
    token = scene.token("legal", "legal_action")
    assert scene.read(token) == ""
    session: Session = scene.made.vault.tenancy().stores.ledger.db.session()
    ((pages,),) = session.rows("PRAGMA page_count")
    session.rows(f"PRAGMA max_page_count={pages}")
    for _ in range(200):
        scene.read(token)
    return ""


def ended(scenario: Provoke, scene: Scene) -> str | None:
    """The code a scenario ends in, returned or raised."""
    try:
        return scenario(scene)
    except VaultError as refusal:
        return refusal.code


@provokes("call_cap")
def _called_enough(scene: Scene) -> str:
    token, room = scene.token("dialer", "phone_collection"), scene.made.vault.reaching()
    for _ in range(3):
        room.confirm(token, room.reserve(token, IDS[0]).id, effective=True)
    return str(room.reserve(token, IDS[0]))


@provokes("attempt_cap")
def _tried_enough(scene: Scene) -> str:
    token, room = scene.token("dialer", "phone_collection"), scene.made.vault.reaching()
    for _ in range(6):
        room.confirm(token, room.reserve(token, IDS[0]).id, effective=False)
    return str(room.reserve(token, IDS[0]))


@pytest.mark.parametrize("code", sorted(REASONS))
def test_each_reason_is_given_when_it_should(tmp_path: Path, code: str) -> None:
    """The scenario of each reason ends in it, and what came before it in none."""
    scene = Scene(make_vault(tmp_path, sandbox=False))
    assert ended(SCENARIOS[code], scene) == code
    scene.made.vault.close()


def test_there_is_a_scenario_for_each() -> None:
    """No reason of the closed list is without one."""
    assert set(SCENARIOS) == set(REASONS)


def test_the_page_says_what_to_do_about_each() -> None:
    """docs/reasons.md has one row for each code, with a meaning and something to do."""
    text = (ROOT / "docs" / "reasons.md").read_text("utf-8")
    rows = [re.split(r"\s*\|\s*", line)[1:-1] for line in text.splitlines() if line.startswith("| `")]
    assert sorted(row[0].split("`")[1] for row in rows) == sorted(REASONS)
    assert all(len(row) == 3 and row[1] and row[2] for row in rows)
