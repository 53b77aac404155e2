"""Standing: what a token rests on is asked again at each use; handing on, contracts, attestations, ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from casekit import A, B, Site, build, copied, outcome
from kit import START, shown, values

from vault.access import tokens
from vault.access.tokens import Limits
from vault.config import SHANGHAI
from vault.crypto.sign import SigningKey, token_bytes
from vault.errors import Denied
from vault.ledger.registry import Engagement, Glass, PolicyInForce, Principal, Registry
from vault.model import Grant, View
from vault.standing import Standing, demand_contract, midnight, stand
from vault.vault import Vault

NOW: Final = int(START.timestamp()) * 10**6
HOUR: Final = 3600 * 10**6
DAY: Final = 24 * HOUR


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


# --- handing on ---------------------------------------------------------------------------------------


def test_a_service_hands_one_case_to_an_agency_for_a_minute(site: Site) -> None:
    """To the agency's own key, narrower; its reads name the agency, and their bodies who handed it on."""
    site.give("wei", A, B)
    house = site.bound("house", A, B, depth=2, ttl_us=HOUR)
    less = site.handed(house, "agency", cases=frozenset({A}), ttl_us=60 * 10**6)
    assert [outcome(site.vault, less, site.ids(n)) for n in (A, B)] == ["ok", "not_found"]
    (line,) = [line for line in site.lines(kind="read") if line.record == site.ids(A)[0]]
    assert (line.actor, line.role) == (site.ident("agency"), "agency_collector")
    found = (line.detail or "").split()
    assert [part for part in found if part.startswith("p-")] == [site.ident("house"), site.ident("agency")]
    links = [link.digest.hex()[:16] for link in site.vault.tenancy().verified(less.token).grant.links]
    assert found == ["handed", site.ident("house"), links[0], ">", site.ident("agency"), links[1]]
    assert outcome(site.vault, house, site.ids(A)) == "case_closed"  # it is no case of the house's
    site.made.clock.advance(seconds=61)
    assert outcome(site.vault, less, site.ids(A)) == "token_expired"


def test_only_the_key_it_was_handed_to_can_use_it(site: Site) -> None:
    """Another's key beside it is refused at accepting, and without any it proves nothing (TOK-02)."""
    site.give("wei", A)
    house = site.bound("house", A, depth=1)
    less = site.handed(house, "agency", cases=frozenset({A}))
    with pytest.raises(Denied):
        site.vault.reading().read(
            msgspec.structs.replace(less, key=site.people["other"].signing), site.ids(A)
        )
    with pytest.raises(Denied):
        site.vault.reading().read(msgspec.structs.replace(less, key=None), site.ids(A))
    assert outcome(site.vault, less, site.ids(A)) == "ok"


def test_an_agency_hands_nothing_on_outside_itself(site: Site) -> None:
    """To its own people it may; to another agency, the house or a key of nobody's it may not (PIPL 21)."""
    site.give("agency", A)
    less = site.handed(site.bound("house", A, depth=3), "agency", depth=2)
    inside = site.handed(less, "wei", depth=1)
    assert outcome(site.vault, inside, site.ids(A)) == "ok"
    (line,) = site.lines(kind="read", actor=site.ident("wei"))
    assert (line.detail or "").count(" > ") == 2
    stranger = tokens.narrow(
        less, Limits(), now_us=site.made.clock(), jti=token_bytes(16), holder=SigningKey.generate()
    )
    beyond = [stranger, *(site.handed(less, name) for name in ("other", "li", "house"))]
    beyond.append(site.handed(inside, "other"))
    assert [outcome(site.vault, token, site.ids(A)) for token in beyond] == ["delegation_denied"] * 5


def test_an_agencys_own_tokens_cannot_be_handed_on_at_all(site: Site) -> None:
    """A depth is refused when such a token is issued; the house may have one."""
    site.give("wei", A)
    for name in ("wei", "agency"):
        with pytest.raises(Denied) as refusal:
            site.bound(name, A, depth=1)
        assert refusal.value.code == "delegation_denied"
    assert site.bound("house", A, depth=1).token


def test_a_service_may_hand_on_to_a_key_that_is_nobodys(site: Site) -> None:
    """A worker of its own: whoever handed it on stays the actor, and answers for it."""
    site.give("house", A)
    worker = tokens.narrow(
        site.bound("house", A, depth=1), Limits(), now_us=site.made.clock(), jti=token_bytes(16),
        holder=SigningKey.generate(),
    )  # fmt: skip
    assert outcome(site.vault, worker, site.ids(A)) == "ok"
    (line,) = site.lines(kind="read", actor=site.ident("house"))
    assert "handed" in (line.detail or "")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("house", "token_revoked"),
        ("agency", "token_revoked"),
        ("seal", "contract_ended"),
        ("role", "role_denied"),
    ],
)
def test_what_was_handed_on_dies_with_anybody_it_passed_through(site: Site, name: str, code: str) -> None:
    """The giver disabled or without the role, the taker disabled or sealed off: the next read is refused."""
    site.give("wei", A)
    granting, admin = site.vault.granting(), site.made.identity
    less = site.handed(site.bound("house", A, depth=1), "agency")
    assert outcome(site.vault, less, site.ids(A)) == "ok"
    if name == "seal":
        granting.seal(admin, site.ident("agency"), "breach")
    elif name == "role":
        granting.withdraw_role(admin, site.ident("house"), "agency_collector")
    else:
        granting.disable(admin, site.ident(name))
    assert outcome(site.vault, less, site.ids(A)) == code


# --- contracts ----------------------------------------------------------------------------------------


def engage(site: Site, **changed: Any) -> None:
    """Give the agency another contract."""
    terms: dict[str, Any] = {
        "reference": "W-2", "starts": "2026-01-01", "ends": "2026-12-31", "purposes": ("repayment_reminder",),
    }  # fmt: skip
    site.vault.granting().engage(site.made.identity, site.ident("agency"), **terms | changed)


def views(site: Site, vault: Vault, token: Any) -> dict[str, str]:
    """How each field of the first borrower is shown that is shown at all."""
    item = shown(vault.reading().read(token, site.ids(A)))
    assert all(values(item)[name] is None for name, field in item.fields.items() if field.view == "HIDDEN")
    return {name: field.view for name, field in item.fields.items() if field.view != "HIDDEN"}


def test_a_contracts_fields_bound_what_is_seen(site: Site) -> None:
    """At issue, in hand and handed on; a token's own ceiling and the policy's go on counting (TOK-01)."""
    site.give("wei", A)
    before = site.bound("wei", A)
    assert views(site, site.vault, before) == {"name": "MASKED", "phone": "MASKED"}
    engage(site, fields={"name": View.CLEAR, "id_number": View.CLEAR})
    seen = [before, site.bound("wei", A), site.handed(site.bound("house", A, depth=1), "agency")]
    assert [views(site, site.vault, token) for token in seen] == [{"name": "MASKED"}] * 3
    engage(site, fields={"name": View.MASKED, "phone": View.MASKED})
    narrowed = site.bound("wei", A, fields={"phone": View.MASKED, "id_number": View.CLEAR})
    assert views(site, site.vault, narrowed) == {"phone": "MASKED"}


def test_a_contract_changed_elsewhere_never_shows_more_meanwhile(site: Site) -> None:
    """The node that doesn't know yet asks to ask again, and then shows what the contract leaves."""
    site.give("wei", A)
    token = site.bound("wei", A)
    with Vault.open(site.made.folder, clock=site.made.clock) as second:
        assert views(site, second, token) == {"name": "MASKED", "phone": "MASKED"}
        engage(site, fields={"name": View.MASKED})
        assert outcome(second, token, site.ids(A)) == "contract_ended"
        assert views(site, second, token) == {"name": "MASKED"}


def test_no_token_outlives_its_contract(site: Site) -> None:
    """At issue a life beyond the last day is refused; in hand, a token ends with it (TOK-01, TOK-03)."""
    site.give("wei", A)
    site.made.clock.advance(hours=8)
    engage(site, ends="2026-03-16")
    token = site.bound("wei", A, ttl_us=5 * HOUR)
    with pytest.raises(Denied) as refusal:
        site.bound("wei", A, ttl_us=7 * HOUR)
    assert refusal.value.code == "contract_ended"
    engage(site)
    late = site.bound("wei", A, ttl_us=7 * HOUR)
    engage(site, ends="2026-03-16")
    assert [outcome(site.vault, t, site.ids(A)) for t in (token, late)] == ["ok", "ok"]
    site.made.clock.advance(hours=6, seconds=1)
    assert outcome(site.vault, late, site.ids(A)) == "contract_ended"
    with pytest.raises(Denied):
        site.bound("wei", A)


def test_a_purpose_outside_the_contract_is_refused(site: Site) -> None:
    """At issue, and in hand once the contract no longer names it."""
    site.give("wei", A)
    token = site.token("wei", "phone_collection", cases=frozenset({A}))
    assert outcome(site.vault, token, site.ids(A)) == "ok"
    engage(site)
    assert outcome(site.vault, token, site.ids(A)) == "purpose_denied"
    with pytest.raises(Denied) as refusal:
        site.token("wei", "phone_collection", cases=frozenset({A}))
    assert refusal.value.code == "purpose_denied"


def test_attestations_and_roles_end_at_midnight_in_shanghai(site: Site) -> None:
    """Through their last day they hold; the first instant after it, tokens in hand are refused."""
    granting, admin = site.vault.granting(), site.made.identity
    granting.attest(admin, site.ident("li"), ("training",), "2026-03-16")
    granting.grant_role(admin, site.ident("lawyer"), "collector", until="2026-03-16")
    site.made.clock.advance(hours=13, minutes=58)
    held = [site.token("li", ttl_us=HOUR), site.token("lawyer", ttl_us=HOUR)]
    lent = granting.issue(site.people["lawyer"], role="collector", purpose="repayment_reminder",
                          limits=Limits(ttl_us=HOUR))  # fmt: skip
    assert [outcome(site.vault, token, site.ids(A)) for token in (*held, lent)] == ["ok"] * 3
    site.made.clock.advance(minutes=2)
    seen = [outcome(site.vault, token, site.ids(A)) for token in (*held, lent)]
    assert seen == ["attestation_expired", "ok", "token_expired"]  # the last was issued no longer than that


# --- the pure part ------------------------------------------------------------------------------------


class Rows:
    """A registry of rows as a test wants them, and a grant that rests on it."""

    def __init__(self, site: Site, name: str = "li") -> None:
        self.policy = site.vault.tenancy().policy
        self.registry = site.vault.tenancy().journal.registry().copy()
        self.grant: Grant = site.vault.tenancy().verified(site.token(name).token).grant

    def put(self, row: Any) -> Registry:
        """Add or replace a row."""
        self.registry.put(row)
        return self.registry

    def change(self, **parts: Any) -> None:
        """Change the principal the grant was issued to."""
        self.put(msgspec.structs.replace(self.registry.get(Principal, self.grant.principal), **parts))

    def stand(self, now: int = NOW) -> Standing:
        """How it stands."""
        return stand(self.registry, self.policy, self.grant, now)

    def code(self, now: int = NOW) -> str:
        """By what code it is refused, or "ok"."""
        try:
            self.stand(now)
        except Denied as refusal:
            return refusal.code
        return "ok"


def test_a_standing_is_remembered_until_something_can_end_it(site: Site) -> None:
    """The same until the registry changes or its time comes; never one from before."""
    rows = Rows(site)
    first = rows.stand()
    assert rows.stand(first.until - 1) is first
    assert rows.stand(first.until) is not first
    rows.change(name="other")
    assert rows.stand() == first
    assert rows.stand() is not first
    assert (first.holders, first.until) == (frozenset({rows.grant.principal}), rows.grant.expires)
    rows.change(disabled=True)
    assert rows.code() == "token_revoked"


def test_a_role_until_later_today_ends_the_standing(site: Site) -> None:
    """Its end is when it is asked again, and then it is refused."""
    rows = Rows(site)
    rows.change(until={"collector": NOW + HOUR})
    assert rows.stand().until == NOW + HOUR
    assert [rows.code(NOW + HOUR - 1), rows.code(NOW + HOUR)] == ["ok", "role_denied"]


def test_nobody_stands_who_is_not_registered(site: Site) -> None:
    """A principal that isn't there is as good as disabled."""
    rows = Rows(site)
    rows.registry.drop(Principal, rows.grant.principal)
    assert rows.code() == "token_revoked"


def test_a_broken_glass_stands_in_for_a_role_while_it_lasts(site: Site) -> None:
    """For its own token, person and role alone, up to its end."""
    rows = Rows(site)
    rows.grant = msgspec.structs.replace(rows.grant, role="legal", purpose="legal_action")
    assert rows.code() == "role_denied"
    glass = Glass(
        id=rows.grant.links[0].digest.hex(), principal=rows.grant.principal, role="legal",
        purpose="legal_action", reason="outage", since=NOW, until=NOW + HOUR, due=NOW + DAY,
    )  # fmt: skip
    for other in ({"principal": "p-x"}, {"role": "dpo"}, {"id": "00" * 32}, {"justified": False}):
        rows.registry.drop(Glass, glass.id)
        rows.put(msgspec.structs.replace(glass, **other))
        assert rows.code() == "role_denied"
    rows.put(glass)
    assert rows.stand().until == NOW + HOUR
    assert [rows.code(NOW + HOUR - 1), rows.code(NOW + HOUR)] == ["ok", "role_denied"]


def test_a_policy_widened_since_voids_what_rested_on_consent(site: Site) -> None:
    """Tokens issued before it for that purpose alone (PIPL 14 ¶2)."""
    rows = Rows(site)
    known = rows.registry.get(PolicyInForce, "policy")
    for at, purpose, code in (
        (rows.grant.issued, "repayment_reminder", "ok"),
        (rows.grant.issued + 1, "repayment_reminder", "token_revoked"),
        (rows.grant.issued + 1, "phone_collection", "ok"),
    ):
        rows.put(msgspec.structs.replace(known, voided={purpose: at}))
        assert rows.code() == code


@pytest.mark.parametrize("kind", ["confidentiality", "training"])
def test_a_missing_attestation_is_named(site: Site, kind: str) -> None:
    """Each that the role asks for, expired or never given."""
    rows = Rows(site)
    held = rows.registry.get(Principal, rows.grant.principal).attested
    for attested in ({k: v for k, v in held.items() if k != kind}, held | {kind: "2026-03-15"}):
        rows.change(attested=attested)
        with pytest.raises(Denied) as refusal:
            rows.stand()
        assert (refusal.value.code, refusal.value.field) == ("attestation_expired", kind)


def test_a_contract_is_in_force_from_its_first_day_through_its_last(site: Site) -> None:
    """None at all, one to come, one over and one sealed off are all refused."""
    rows = Rows(site)
    agency = site.ident("agency")
    contract = rows.registry.get(Engagement, agency)

    def code(**changed: Any) -> str:
        registry = rows.put(msgspec.structs.replace(contract, **changed))
        try:
            demand_contract(registry, agency, "repayment_reminder", START.date())
        except Denied as refusal:
            return refusal.code
        return "ok"

    assert [code(starts="2026-03-16"), code(ends="2026-03-16")] == ["ok", "ok"]
    assert {code(starts="2026-03-17"), code(ends="2026-03-15"), code(sealed=1)} == {"contract_ended"}
    assert code(purposes=("phone_collection",)) == "purpose_denied"
    rows.registry.drop(Engagement, agency)
    with pytest.raises(Denied):
        demand_contract(rows.registry, agency, "repayment_reminder", START.date())


def test_midnight_is_shanghais() -> None:
    """A day ends where the next begins in Asia/Shanghai, sixteen o'clock in UTC."""
    assert midnight(START.date()) == int(datetime(2026, 3, 17, tzinfo=SHANGHAI).timestamp()) * 10**6
