"""Settling: what became of a reservation, once, by who reserved; every history counts as a model does."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit import FrozenClock, Made
from reachkit import on_either, on_sqlite, refused, setup

from vault.access.tokens import Limits
from vault.errors import Invalid, NotFound
from vault.reaching import Reservation


@pytest.fixture(params=["sqlite", "postgresql"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    """A vault on either engine."""
    yield from on_either(request, tmp_path)


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Made]:
    """A vault on SQLite, for what no engine decides."""
    yield from on_sqlite(tmp_path)


# --- settling -------------------------------------------------------------------------------------------


def test_settling_is_the_callers_own_and_once(made: Made) -> None:
    """Twice the same is once; otherwise, somebody else's and none at all are refused, and entries."""
    room, token, ident = setup(made)
    found = room.reserve(token, ident)
    room.confirm(token, found.id, effective=True)
    room.confirm(token, found.id, effective=True)
    before = made.size()
    for work in (
        lambda: room.void(token, found.id),
        lambda: room.confirm(token, found.id, effective=False),
    ):
        with pytest.raises(Invalid) as caught:
            work()
        assert caught.value.code == "invalid_reservation"
    for name in ("rv-none", "rv-\x00"):
        with pytest.raises(NotFound):
            room.void(token, name)
    assert made.size() == before + 4
    assert {a.channel: a.calls_left for a in room.check(token, ident).answers}["voice"] == 2


def test_another_principals_reservation_is_not_found(lite: Made) -> None:
    """Only who reserved says what became of it."""
    room, token, ident = setup(lite)
    found = room.reserve(token, ident)
    lite.vault.tenancy().stores.ledger.db.write(
        lambda session: session.change("UPDATE reaches SET actor='p-other'")
    )
    with pytest.raises(NotFound):
        room.confirm(token, found.id, effective=True)


def test_settling_takes_no_second_use(lite: Made) -> None:
    """A token of one use reserves once and settles that."""
    room, _, ident = setup(lite)
    token = lite.token("dialer", limits=Limits(max_uses=1))
    found = room.reserve(token, ident)
    assert refused(lambda: room.reserve(token, ident)) == "uses_spent"
    assert room.confirm(token, found.id, effective=True).state == "confirmed"


# --- against a model ------------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), st.sampled_from(["phone", "phone_alt"])),
        st.tuples(st.sampled_from(["effective", "in vain", "void"]), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.sampled_from([60, 1799, 1800, 7200])),
    ),
    max_size=24,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_every_history_counts_as_a_model_does(lite: Made, steps: list[tuple[str, Any]]) -> None:
    """Whatever is reserved, settled and waited for, the codes are those of a list kept by hand."""
    lite.clock.now = (
        max(lite.clock.now, FrozenClock().now) // 86_400_000_000 * 86_400_000_000 + 88_200_000_000
    )
    room, token, ident = setup(lite)  # 08:30 of the next day
    kept: list[dict[str, Any]] = []
    for step, what in steps:
        now = lite.clock.now
        if step == "wait":
            lite.clock.advance(seconds=what)
        elif step == "reserve":
            calls = sum(k["state"] == "effective" or (k["state"] == "" and now < k["end"]) for k in kept)
            hour = (now // 3_600_000_000 + 8) % 24
            code = "quiet_hours" if not 8 <= hour < 22 else "call_cap" if calls >= 3 else ""
            code = code or ("attempt_cap" if sum(k["field"] == what for k in kept) >= 6 else "")
            got: list[Reservation] = []
            work = partial(room.reserve, token, ident, field=what)
            assert refused(lambda w=work, g=got: g.append(w())) == code
            kept += [{"id": g.id, "field": what, "state": "", "end": now + 1_800_000_000} for g in got]
        elif what < len(kept):
            one = kept[what]
            code = "" if one["state"] in {"", step} else "invalid_reservation"
            confirm = partial(room.confirm, token, one["id"], effective=step == "effective")
            assert refused(partial(room.void, token, one["id"]) if step == "void" else confirm) == code
            one["state"] = one["state"] or step


def test_a_revoked_token_settles_nothing(lite: Made) -> None:
    """Settling is admitted like any act: the refusal is an entry, and the reservation stays as it was."""
    room, token, ident = setup(lite)
    found = room.reserve(token, ident)
    lite.vault.granting().revoke(lite.identity, token)
    assert refused(partial(room.confirm, token, found.id, effective=True)) == "token_revoked"
    again = lite.token("dialer")
    assert room.confirm(again, found.id, effective=False).state == "confirmed"
