"""Powers misused: each test is somebody who goes beyond what they were given, and must not get there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from casekit import ROWS, A, B, D, Site, build, copied, outcome
from kit import export, promise

from vault.access.credentials import Limits
from vault.access.policy_file import policy_hash
from vault.access.tokens import Credential
from vault.errors import Denied, Invalid, NotFound, VaultError
from vault.handing import Handing, handover_about
from vault.identity import Identity
from vault.issuing import MAX_TTL
from vault.items import Item
from vault.model import Grant, Hold, View
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
