"""Request proofs: for this holder, token, method, URL, body and minute, and once."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenkit import NOW, SECOND, checked, key, made

from vault.access import proofs
from vault.access.proofs import WINDOW_US, ReplayCache, check, prove
from vault.crypto.sign import P256Key, Signer
from vault.errors import Denied, Invalid, Unavailable

EC = P256Key.from_scalar(bytes([6]) * 32)
TOKEN = made().token
URL = "https://vault.example/v1/read?x=1"
JTI = bytes([9]) * 16
REQUEST: dict[str, Any] = {"token": TOKEN, "method": "POST", "url": URL, "body": b"{}", "now_us": NOW}


@pytest.mark.parametrize("signer", [key(2), EC], ids=["Ed25519", "P-256"])
def test_proof_is_for_its_request(signer: Signer) -> None:
    """What was proved is taken; a proof for anything else is not."""
    proof = prove(signer, TOKEN, "POST", URL, b"{}", NOW, JTI)
    ident = check(proof, signer.public, **REQUEST)
    assert ident == hashlib.sha256(signer.public + JTI).digest()
    for change in (
        {"token": made(holder=4).token}, {"token": TOKEN + "\ud800"}, {"method": "GET"}, {"body": b""},
        {"url": "https://vault.example/v1/find"}, {"url": "no url"}, {"now_us": NOW + WINDOW_US + SECOND},
        {"now_us": NOW - WINDOW_US - 1}, {"now_us": NOW + 2, "window_us": 1},
    ):  # fmt: skip
        with pytest.raises(Denied) as caught:
            check(proof, signer.public, **{**REQUEST, **change})
        assert caught.value.code == "token_invalid"
    for other in (key(3), P256Key.generate()):
        with pytest.raises(Denied):
            check(proof, other.public, **REQUEST)


def test_holder_of_a_verified_token() -> None:
    """The key that `verify` names is the one that proves."""
    holder = checked(TOKEN).holder
    check(prove(key(2), TOKEN, "POST", URL, b"{}", NOW, JTI), holder, **REQUEST)


def test_window_cannot_be_widened() -> None:
    """A caller's window is at most a minute."""
    proof = prove(key(2), TOKEN, "POST", URL, b"{}", NOW, JTI)
    late = {**REQUEST, "now_us": NOW + WINDOW_US + 1, "window_us": 10 * WINDOW_US}
    with pytest.raises(Denied):
        check(proof, key(2).public, **late)


def test_every_changed_character_is_refused() -> None:
    """Any one character changed, dropped or doubled breaks a proof."""
    proof = prove(key(2), TOKEN, "POST", URL, b"{}", NOW, JTI)
    for place, old in enumerate(proof):
        for new in ("", old * 2, "A" if old != "A" else "B"):
            with pytest.raises(Denied):
                check(proof[:place] + new + proof[place + 1 :], key(2).public, **REQUEST)


@given(text=st.text())
def test_garbage_is_refused(text: str) -> None:
    """Any text that is no proof is refused as one, and nothing else is raised."""
    with pytest.raises(Denied):
        check(text, key(2).public, **REQUEST)


SEGMENTS = st.text(st.sampled_from("abZ.~%/-_@:!"), max_size=8).map(lambda text: text.replace("%", "%2e"))


@given(path=SEGMENTS, host=st.from_regex(r"\A[A-Za-z0-9.-]{1,20}\Z"), port=st.integers(1, 65535))
def test_normal_form_is_its_own(path: str, host: str, port: int) -> None:
    """A normal form normalises to itself, has no dot segment, and case and default port don't matter."""
    normal = proofs._normal(f"http://{host}:{port}/{path}")
    assert normal is not None
    assert proofs._normal(normal) == normal
    assert {".", ".."}.isdisjoint(normal.split("/")[3:])
    assert proofs._normal(f"HTTP://{host.upper()}:{port:05}/{path}") == normal
    assert proofs._normal(f"http://{host}/{path}") == proofs._normal(f"http://{host}:80/{path}")


@given(url=st.text() | st.from_regex(r"https?://[!-~]{0,30}"))
def test_no_url_surprises(url: str) -> None:
    """Any text either has a normal form, which is its own and ASCII, or none."""
    normal = proofs._normal(url)
    if normal is not None:
        assert normal.isascii()
        assert proofs._normal(normal) == normal


@pytest.mark.parametrize(
    "change",
    [{"method": "post"}, {"method": ""}, {"url": "/v1/read"}, {"url": "ftp://h/"}, {"jti": b"short"}],
)
def test_no_proof_that_no_server_takes(change: dict[str, Any]) -> None:
    """`prove` refuses at once what would be refused later."""
    values = {"method": "POST", "url": URL, "body": b"", "now_us": NOW, "jti": JTI, **change}
    with pytest.raises(Invalid):
        prove(key(2), TOKEN, **values)


def ident(number: int) -> bytes:
    """A proof's id."""
    return hashlib.sha256(bytes([number])).digest()


def test_replay_is_refused() -> None:
    """An id is taken once, for as long as any clock could take its proof."""
    cache = ReplayCache()
    cache.take(ident(1), NOW)
    cache.take(ident(2), NOW)
    for later in (0, WINDOW_US, 2 * WINDOW_US, 3 * WINDOW_US):
        with pytest.raises(Denied) as caught:
            cache.take(ident(1), NOW + later)
        assert caught.value.code == "token_invalid"
    cache.take(ident(3), NOW + 3 * WINDOW_US + 1)
    assert len(cache) == 1


def test_full_cache_fails_closed() -> None:
    """With no room to remember, nothing is taken, until the old ones can't come again."""
    cache = ReplayCache(size=2)
    cache.take(ident(1), NOW)
    cache.take(ident(2), NOW + SECOND)
    with pytest.raises(Unavailable):
        cache.take(ident(3), NOW + 2 * SECOND)
    with pytest.raises(Denied):
        cache.take(ident(1), NOW + 3 * WINDOW_US)
    cache.take(ident(3), NOW + 3 * WINDOW_US + 1)
    with pytest.raises(Unavailable):
        cache.take(ident(4), NOW + 3 * WINDOW_US + SECOND)


def test_clock_that_goes_back_opens_nothing() -> None:
    """A caller a little behind is served, and replays nothing; one far behind is refused."""
    cache = ReplayCache()
    cache.take(ident(1), NOW + WINDOW_US)
    cache.take(ident(2), NOW)
    with pytest.raises(Denied):
        cache.take(ident(1), NOW)
    with pytest.raises(Unavailable):
        cache.take(ident(3), NOW - 1)


@given(steps=st.lists(st.tuples(st.integers(0, 5), st.integers(-WINDOW_US, 2 * WINDOW_US)), max_size=30))
def test_no_history_lets_a_proof_pass_twice(steps: list[tuple[int, int]]) -> None:
    """Whatever the clocks do, no id is taken twice within two windows, the longest that a proof counts."""
    cache, now, taken = ReplayCache(size=4), NOW, dict[int, int]()
    for number, step in steps:
        now += step
        try:
            cache.take(ident(number), now)
        except (Denied, Unavailable):
            continue
        assert abs(now - taken.get(number, 0)) > 2 * WINDOW_US
        taken[number] = now


def test_threads_share_one_cache() -> None:
    """Of many takers of one id at once, one gets it."""
    cache = ReplayCache()

    def take(_: int) -> bool:
        try:
            cache.take(ident(1), NOW)
        except Denied:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(64))) == 1
