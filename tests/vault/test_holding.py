"""Holding: what lets go of a record again takes another person's yes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from kit import Made, borrowers, make_vault

from vault.access.tokens import Credential
from vault.auditing import Question
from vault.errors import Denied
from vault.granting import Identity
from vault.model import Hold

ROWS = borrowers(2)
HOLD = Hold(number="(2026)京民初1号", authority="court", until="2027-01-01")


class Scene:
    """A vault that is no sandbox, with a dpo and an approver."""

    def __init__(self, made: Made) -> None:
        self.made, granting = made, made.vault.granting()
        self.people: dict[str, Identity] = {
            role: granting.add_principal(made.identity, name=role, roles=(role,))
            for role in ("importer", "dpo", "approver", "auditor", "collector")
        }
        made.vault.writing().import_file(
            self.token("importer", "import"), made.file(ROWS), kind="borrower",
            report=made.folder / "report.jsonl",
        )  # fmt: skip
        self.ids = made.ids(ROWS)

    def token(self, role: str, purpose: str) -> Credential:
        """A token of that person."""
        return self.made.vault.granting().issue(self.people[role], role=role, purpose=purpose)

    def approved(self, what: str, *about: str) -> str:
        """The dpo's request, approved."""
        granting = self.made.vault.granting()
        request = granting.ask(self.people["dpo"], what, about, reason="it is over")
        return granting.approve(self.people["approver"], request.id).id


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A vault with two borrowers."""
    return Scene(make_vault(tmp_path, sandbox=False))


def test_a_hold_is_released_by_two(scene: Scene) -> None:
    """Placing takes one; releasing takes another's yes to this hold on these records, once."""
    room, dpo = scene.made.vault.erasing(), scene.token("dpo", "administration")
    assert room.add_hold(dpo, scene.ids, HOLD) == 2
    for request in (None, scene.approved("hold_release", HOLD.number, scene.ids[0])):
        with pytest.raises(Denied) as refusal:
            room.release_hold(dpo, scene.ids, HOLD.number, request=request)
        assert refusal.value.code == "approval_required"
    assert len(room.holds(dpo)) == 2
    request = scene.approved("hold_release", HOLD.number, *sorted(scene.ids))
    assert room.release_hold(dpo, list(reversed(scene.ids)), HOLD.number, request=request) == 2
    assert room.holds(dpo) == []
    room.add_hold(dpo, scene.ids, HOLD)
    with pytest.raises(Denied):
        room.release_hold(dpo, scene.ids, HOLD.number, request=request)


def test_restricted_records_are_let_go_by_two(scene: Scene) -> None:
    """They are used again from the next read on, each with an entry; others stay as they were."""
    keeping, made = scene.made.vault.tenancy().keeping, scene.made
    held = keeping.fetch(scene.ids)
    keeping.set_facts((h, msgspec.structs.replace(h.facts, state="RESTRICTED")) for h in held.values())
    collector = scene.token("collector", "repayment_reminder")
    assert [e.code for e in made.vault.reading().read(collector, scene.ids).errors] == ["restricted"] * 2
    room, dpo = made.vault.erasing(), scene.token("dpo", "administration")
    with pytest.raises(Denied) as refusal:
        room.unrestrict(dpo, scene.ids[:1], reason="the floor was wrong")
    assert refusal.value.code == "approval_required"
    request = scene.approved("unrestrict", scene.ids[0])
    assert room.unrestrict(dpo, scene.ids[:1], reason="the floor was wrong", request=request) == 1
    seen = made.vault.reading().read(collector, scene.ids)
    assert ([item.record for item in seen.items], [e.id for e in seen.errors]) == (
        scene.ids[:1],
        scene.ids[1:],
    )
    asked = made.vault.auditing().ask(scene.token("auditor", "audit"), Question(kind="restrict"))
    assert [(line.record, line.detail) for line in asked] == [(scene.ids[0], "unrestrict")]
    with pytest.raises(Denied) as refusal:
        room.unrestrict(collector, scene.ids[1:], reason="r", request=request)
    assert refusal.value.code == "role_denied"
