"""Powers misused: each test is somebody who goes beyond what they were given, and must not get there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from casekit import ROWS, A, B, Site, build, copied, outcome
from kit import promise

from vault.access.credentials import Limits
from vault.access.policy_file import policy_hash
from vault.access.tokens import Credential
from vault.errors import Denied, Invalid, NotFound, VaultError
from vault.identity import Identity
from vault.issuing import MAX_TTL
from vault.model import Hold
from vault.sharing_out import ShareRule

HOUR = 3_600_000_000


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


def refused(work: Callable[[], Any]) -> str:
    """The code by which something is refused; "" if it isn't."""
    try:
        work()
    except VaultError as error:
        return error.code
    return ""


# --- tokens -------------------------------------------------------------------------------------------


def test_an_end_given_outright_is_no_way_past_the_longest_life(site: Site) -> None:
    """A token lives twelve hours at most, whether its life or its end is asked for."""
    room, li = site.vault.granting(), site.people["li"]
    far = Limits(expires=site.made.clock() + MAX_TTL + 1_000_000)
    with pytest.raises(Invalid) as refusal:
        room.issue(li, role="collector", purpose="negotiation", limits=far)
    assert refusal.value.code == "invalid_ttl"
    near = Limits(expires=site.made.clock() + HOUR)
    assert room.issue(li, role="collector", purpose="negotiation", limits=near).expires == near.expires


def test_an_end_given_outright_doesnt_outlive_the_role(site: Site) -> None:
    """A token ends with the role it is for."""
    room = site.vault.granting()
    room.grant_role(site.made.identity, site.ident("li"), "legal", until="2026-03-16")
    site.made.clock.advance(hours=12)
    late = Limits(expires=site.made.clock() + 6 * HOUR)
    token = room.issue(site.people["li"], role="legal", purpose="legal_action", limits=late)
    assert token.expires == site.made.clock() + 2 * HOUR


def bound_acts(site: Site) -> dict[str, tuple[Callable[[Credential], object], Credential]]:
    """Acts on another case than the token's, or on all, each with a token that names case A alone."""
    (other,) = site.ids(B)
    hold = Hold(number="H-1", authority="court", until="2027-01-01")
    vault, desk = site.vault, site.bound("desk", A)
    rule = ShareRule(name="all", where="", to=["li"])
    return {
        "open": (lambda t: vault.casework().open_cases(t, [B], reason="r"), desk),
        "list cases": (lambda t: vault.casework().cases(t), desk),
        "share out": (lambda t: vault.casework().share_out(t, [rule], reason="r", dry_run=True), desk),
        "open all": (lambda t: vault.casework().open_imported(t, reason="r"), desk),
        "hold": (lambda t: vault.erasing().add_hold(t, [other], hold), site.bound("dpo", A)),
        "list holds": (lambda t: vault.erasing().holds(t), site.bound("dpo", A)),
        "plan": (lambda t: vault.erasing().plan(t), site.bound("dpo", A)),
        "destroy": (lambda t: vault.erasing().destroy_epochs(t), site.bound("dpo", A)),
        "write": (lambda t: vault.writing().write(t, [promise(1, 1)]), site.bound("importer", A)),
    }  # fmt: skip


ACTS = ("open", "list cases", "share out", "open all", "hold", "list holds", "plan", "destroy", "write")


@pytest.mark.parametrize("act", ACTS)
def test_a_token_that_names_cases_acts_on_no_others(site: Site, act: str) -> None:
    """Whatever may be done with it, it may be done within its cases alone: a link only narrows."""
    work, token = bound_acts(site)[act]
    assert refused(lambda: work(token)) in {"not_found", "purpose_denied"}
    assert site.lines(kind="hold") == []


def test_a_token_that_names_cases_acts_on_its_own(site: Site) -> None:
    """It opens its case and puts its records under hold."""
    hold = Hold(number="H-1", authority="court", until="2027-01-01")
    assert site.vault.casework().open_cases(site.bound("desk", A), [A], reason="r") == 1
    assert site.vault.erasing().add_hold(site.bound("dpo", A), site.ids(A), hold) == 1


def test_an_agency_counts_no_records_of_others(site: Site) -> None:
    """What is handed to an agency without naming cases neither finds nor lists: pages would tell how many."""
    token = site.token("li", depth=1)
    handed = site.handed(token, "wei")
    reading = site.vault.reading()
    assert refused(lambda: reading.list_records(handed, kind="borrower", limit=1)) == "purpose_denied"
    find = refused(lambda: reading.find(handed, field="phone", value=ROWS[0]["手机"]))
    assert find == "purpose_denied"
    assert reading.list_records(token, kind="borrower", limit=4).items


# --- holds --------------------------------------------------------------------------------------------


def test_a_hold_isnt_cut_short_by_placing_it_again(site: Site) -> None:
    """To let go takes another person's yes; to place the same hold with an earlier end would be that."""
    erasing, ids = site.vault.erasing(), site.ids(A)
    long = Hold(number="H-1", authority="court", until="2030-01-01")
    erasing.add_hold(site.token("dpo"), ids, long)
    short = Hold(number="H-1", authority="court", until="2026-03-16")
    with pytest.raises(Denied) as refusal:
        erasing.add_hold(site.token("dpo"), ids, short)
    assert refusal.value.code == "approval_required"
    later = Hold(number="H-1", authority="court", until="2031-01-01")
    assert erasing.add_hold(site.token("dpo"), ids, later) == 1
    assert [hold.until for hold in erasing.holds(site.token("dpo"))] == ["2031-01-01"]


# --- four eyes ----------------------------------------------------------------------------------------


def test_an_admin_doesnt_launder_a_key_that_they_put_there(site: Site) -> None:
    """Whoever put an approver's key there can't make it count by rotating it once more with that key."""
    room, admin, name = site.vault.granting(), site.made.identity, site.ident("approver")
    stolen, again = Identity.fresh(), Identity.fresh()
    room.rotate(admin, name, stolen.candidate)
    mine = Identity(principal=name, key=stolen.key)
    room.rotate(mine, name, again.candidate)
    asked = room.ask(admin, "keys", ["export masked"], reason="a node")
    with pytest.raises(Denied) as refusal:
        room.approve(Identity(principal=name, key=again.key), asked.id)
    assert refusal.value.code == "approval_required"


POWER = '\n[approvals.power]\nquorum = 1\nby = ["approver"]\n'


def under(site: Site, change: Callable[[str], str]) -> Site:
    """The same vault opened again under a changed policy file."""
    site.vault.close()
    file = site.made.folder / "policy.toml"
    file.write_text(change(file.read_text("utf-8")), "utf-8")
    made = site.made.reopened()
    made.vault.tenancy().start()
    return Site(made, site.people)


def test_a_yes_to_one_namesake_is_none_to_another(site: Site) -> None:
    """A yes to Li as dpo doesn't put a new key in the place of the dpo who has the same name."""
    site = under(site, lambda text: text + POWER)
    room, admin = site.vault.granting(), site.made.identity
    namesake = room.add_principal(admin, name="dpo", roles=("collector",))
    asked = room.ask(admin, "power", (namesake.principal, "dpo"), reason="a second one")
    room.approve(site.people["approver"], asked.id)
    puppet = Identity.fresh()
    code = refused(lambda: room.rotate(admin, site.ident("dpo"), puppet.candidate, request=asked.id))
    assert code == "approval_required"
    room.grant_role(admin, namesake.principal, "dpo", request=asked.id)


def test_a_stricter_policy_binds_requests_asked_before(site: Site) -> None:
    """Where two must say yes now, one yes to a request from before is not enough."""
    room, admin = site.vault.granting(), site.made.identity
    asked = room.ask(admin, "keys", ["export masked"], reason="a node")
    room.approve(site.people["dpo"], asked.id)
    old = '[approvals.keys]\nquorum = 1\nby = ["approver", "dpo", "admin"]'
    new = '[approvals.keys]\nquorum = 2\nby = ["approver", "dpo"]'
    site = under(site, lambda text: text.replace(old, new))
    folder, masked = site.made.outside / "n", frozenset({"masked"})
    take = lambda: site.vault.export_keys(site.made.identity, folder, masked, request=asked.id)  # noqa: E731 - one act
    assert refused(take) == "approval_required"
    site.vault.granting().approve(site.people["approver"], asked.id)
    assert refused(take) == ""


@pytest.mark.parametrize("who", ["li", "wei"])
def test_a_policy_waits_where_whoever_asked_is_gone_or_an_agencys(site: Site, who: str) -> None:
    """A wider policy takes two of the tenant's own, both enabled when it comes into force."""
    room = site.vault.granting()
    text = (site.made.folder / "policy.toml").read_text("utf-8").replace("cap = 200", "cap = 300", 1)
    asked = room.ask(site.people[who], "policy", (policy_hash(text),), reason="more")
    if who == "li":
        room.approve(site.people["approver"], asked.id)
        room.disable(site.made.identity, site.ident("li"))
    else:
        refused(lambda: room.approve(site.people["approver"], asked.id))
    site = under(site, lambda _: text)
    assert site.vault.tenancy().waiting == policy_hash(text)


def test_a_role_that_has_ended_lists_nothing_of_others(site: Site) -> None:
    """Requests and broken glasses of others are for those who hold the role, not for who held it."""
    room = site.vault.granting()
    room.grant_role(site.made.identity, site.ident("li"), "auditor", until="2026-03-16")
    room.ask(site.people["desk"], "handover", ("x",), reason="placement")
    room.break_glass(site.people["desk"], role="legal", purpose="legal_action", reason="court date")
    assert len(room.requests(site.people["li"])) == len(room.glasses(site.people["li"])) == 1
    site.made.clock.advance(hours=14)
    assert room.requests(site.people["li"]) == room.glasses(site.people["li"]) == []


# --- broken glass -------------------------------------------------------------------------------------


def test_a_glass_that_a_review_finds_unjustified_gives_nothing_more(site: Site) -> None:
    """The review may come within the hour; what was not justified doesn't last until its end."""
    room = site.vault.granting()
    token, glass = room.break_glass(
        site.people["li"], role="legal", purpose="legal_action", reason="court date"
    )
    assert outcome(site.vault, token, site.ids(A)) == "ok"
    room.review_glass(site.people["dpo"], glass.id, justified=False, finding="no such date")
    assert outcome(site.vault, token, site.ids(A)) == "role_denied"


def test_a_glass_ends_with_the_role_it_was_broken_from(site: Site) -> None:
    """Whoever is a collector no more is no lawyer by way of having been one."""
    room = site.vault.granting()
    token, _ = room.break_glass(site.people["li"], role="legal", purpose="legal_action", reason="court date")
    room.withdraw_role(site.made.identity, site.ident("li"), "collector")
    assert outcome(site.vault, token, site.ids(A)) == "role_denied"


# --- the log ------------------------------------------------------------------------------------------


def test_probing_for_records_by_writing_is_an_entry(site: Site) -> None:
    """Whether somebody is known by an external id can be tried, and each try is in the log."""
    room = site.vault.granting()
    room.grant_role(site.made.identity, site.ident("dpo"), "dpo")
    token = room.issue(site.people["dpo"], role="dpo", purpose="subject_request")
    before = len(site.lines(outcome="not_found"))
    with pytest.raises(NotFound):
        site.vault.amending().correct(token, "borrower:KH-none", {"phone": None}, reason="r")
    assert len(site.lines(outcome="not_found")) == before + 1


def test_whoever_broke_the_glass_put_no_reviewers_key_there(site: Site) -> None:
    """A review by a key that the one reviewed has put there is their own."""
    room, admin = site.vault.granting(), site.made.identity
    boss = room.add_principal(admin, name="boss", roles=("admin", "collector"))
    _, glass = room.break_glass(boss, role="legal", purpose="legal_action", reason="court date")
    fresh = Identity.fresh()
    room.rotate(boss, site.ident("dpo"), fresh.candidate)
    forged = Identity(principal=site.ident("dpo"), key=fresh.key)
    review = lambda by: room.review_glass(by, glass.id, justified=True, finding="fine")  # noqa: E731 - one act
    assert refused(lambda: review(forged)) == "approval_required"
    assert review(site.people["auditor"]).justified


def test_a_role_that_the_policy_lets_approve_is_power(site: Site) -> None:
    """Where quality reviewers approve, to make one takes another's yes as it does for an approver."""
    old = '[approvals.handover]\nquorum = 1\nby = ["approver", "dpo"]'
    new = '[approvals.handover]\nquorum = 1\nby = ["approver", "dpo", "legal"]'
    room, admin = site.vault.granting(), site.made.identity
    text = (site.made.folder / "policy.toml").read_text("utf-8").replace(old, new) + POWER
    asked = room.ask(site.people["desk"], "policy", (policy_hash(text),), reason="more")
    room.approve(site.people["approver"], asked.id)
    site = under(site, lambda _: text)
    assert not site.vault.tenancy().waiting
    room = site.vault.granting()
    code = refused(lambda: room.grant_role(admin, site.ident("li"), "legal"))
    assert code == "approval_required"


def test_an_admin_for_a_day_locks_nobody_out(site: Site) -> None:
    """The last admin for good can be neither disabled, nor withdrawn, nor given an end."""
    room, admin = site.vault.granting(), site.made.identity
    room.grant_role(admin, site.ident("li"), "admin", until="2026-03-17")
    li = site.people["li"]
    for act in (
        lambda: room.disable(li, admin.principal),
        lambda: room.withdraw_role(li, admin.principal, "admin"),
        lambda: room.grant_role(li, admin.principal, "admin", until="2026-03-16"),
    ):
        assert refused(act) == "invalid_principal"
    room.grant_role(admin, site.ident("desk"), "admin")
    room.disable(li, admin.principal)


def test_a_new_contract_doesnt_hide_that_nothing_was_returned(site: Site) -> None:
    """What is owed since the last contract ended is owed until it is attested, whatever is signed since."""
    room, admin, agency = site.vault.granting(), site.made.identity, site.ident("agency")
    room.end(admin, agency, on="2026-03-01", reason="over")

    def renew(starts: str) -> str:
        purposes = ("repayment_reminder",)
        return refused(
            lambda: room.engage(
                admin, agency, reference="W-9", starts=starts, ends="2027-12-31", purposes=purposes
            )
        )

    assert renew("2027-01-01") == "invalid_agency"
    assert [view.overdue for view in room.agencies(admin) if view.agency == agency] == [True]
    room.attest_return(admin, agency, on="2026-03-10", reference="R-1")
    assert renew("2027-01-01") == ""
