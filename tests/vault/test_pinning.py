"""The pin: what is kept, what gives way to what, and what a comparison says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit import Made, borrowers, make_vault, reopen

from vault.crypto.sign import SigningKey
from vault.errors import Tampered
from vault.ledger.checkpoint import Checkpoint, open_checkpoint, sign
from vault.ledger.note import VKey
from vault.merkle import Frontier, leaf_hash
from vault.pinning import Pins, compare

KEY = SigningKey.from_seed(bytes(32))
ORIGIN = "vault.example/main"
VKEY = VKey(name=ORIGIN, public=KEY.public)


def leaves(count: int, odd: int | None = None) -> list[bytes]:
    """So many leaf hashes, one of them another than usual."""
    return [leaf_hash(b"x" if n == odd else b"%d" % n) for n in range(count)]


def root(hashes: list[bytes]) -> bytes:
    """The root over them."""
    frontier = Frontier()
    frontier.append_many(hashes)
    return frontier.root()


def note(size: int, origin: str = ORIGIN) -> str:
    """A signed checkpoint of the usual log."""
    return sign(Checkpoint(origin=origin, size=size, root=root(leaves(size))), KEY)


def pinned(pins: Pins) -> int:
    """The size that is pinned."""
    kept = pins.read()
    assert kept is not None
    return open_checkpoint(kept, VKEY).size


def test_a_pin_never_goes_back(tmp_path: Path) -> None:
    """A slower process doesn't undo what a faster one has pinned."""
    pins = Pins(tmp_path, "main")
    assert pins.read() is None
    for size, kept in ((3, 3), (9, 9), (4, 9)):
        pins.keep(note(size))
        assert pinned(pins) == kept
    pins.replace(note(1))
    assert pinned(pins) == 1
    assert pins.path.stat().st_mode & 0o777 == 0o600


def test_a_pin_follows_a_recovery_and_not_back(tmp_path: Path) -> None:
    """The second log's first checkpoint takes the place of the first's; that one never comes again."""
    pins = Pins(tmp_path, "main")
    later = note(1, f"{ORIGIN}/2")
    for given_, kept_ in (
        (note(9), note(9)),
        (later, later),
        (note(30), later),
        (note(2, f"{ORIGIN}/10"),) * 2,
    ):
        pins.keep(given_)
        assert pins.read() == kept_


def test_a_log_before_says_nothing_of_the_one_after() -> None:
    """A node whose pin is still of the first log can serve the second; not the other way round."""
    second = VKey(name=f"{ORIGIN}/2", public=KEY.public)
    compare([note(9)], second, 1, lambda size: root(leaves(size)))
    with pytest.raises(Tampered, match="pinned checkpoint"):
        compare([note(1, f"{ORIGIN}/2")], VKEY, 9, lambda size: root(leaves(size)))


def test_a_damaged_pin_is_kept_and_said(tmp_path: Path) -> None:
    """It may be what somebody tried to do away with: nothing is written over it, nothing is served."""
    pins = Pins(tmp_path, "main")
    for bad in (b"\xff\xfe", b"", note(5).replace("\n5\n", "\n6\n").encode()):
        pins.path.write_bytes(bad)
        pins.keep(note(4))
        assert pins.path.read_bytes() == bad
        with pytest.raises(Tampered):
            compare([pins.read() or ""], VKEY, 9, lambda size: root(leaves(size)))


def test_an_unfinished_recovery_is_said(tmp_path: Path) -> None:
    """The mark beside the pin stops everything."""
    pins = Pins(tmp_path, "main")
    pins.demand_finished()
    pins.begun.write_bytes(b"{}")
    with pytest.raises(Tampered, match="isn't finished"):
        pins.demand_finished()


@given(sizes=st.lists(st.integers(1, 40), max_size=4), size=st.integers(1, 40))
def test_a_log_that_has_grown_agrees(sizes: list[int], size: int) -> None:
    """Whatever was kept of a log, that log or a longer one agrees; a shorter one misses its next entry."""
    notes, longest = [note(one) for one in sizes], max(sizes, default=0)
    if longest <= size:
        compare(notes, VKEY, size, lambda at: root(leaves(at)))
        return
    with pytest.raises(Tampered, match=f"entries {size} to {longest - 1} are missing") as refusal:
        compare(notes, VKEY, size, lambda at: root(leaves(at)))
    assert refusal.value.index == size


@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4), odd=st.integers(0, 39))
def test_a_log_that_was_rewritten_is_narrowed_down(sizes: list[int], odd: int) -> None:
    """The index is the largest size kept that the altered entry doesn't lie under."""
    notes = [note(one) for one in sizes]
    if odd >= max(sizes):
        compare(notes, VKEY, 40, lambda at: root(leaves(at, odd)))
        return
    with pytest.raises(Tampered, match="rewritten") as refusal:
        compare(notes, VKEY, 40, lambda at: root(leaves(at, odd)))
    assert refusal.value.index == max((one for one in sizes if one <= odd), default=0)


def test_another_keys_checkpoint_is_no_pin() -> None:
    """Whoever can write to the key folder but can't sign stops the vault at most."""
    other = SigningKey.from_seed(bytes(31) + b"1")
    forged = sign(Checkpoint(origin=ORIGIN, size=2, root=root(leaves(2))), other)
    with pytest.raises(Tampered, match="pinned checkpoint"):
        compare([forged], VKEY, 9, lambda size: root(leaves(size)))


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A vault with one borrower."""
    made = make_vault(tmp_path)
    made.load(borrowers(1))
    return made


def kept(made: Made) -> int:
    """The size pinned for the vault's log."""
    text = (made.folder / "keys/main.checkpoint").read_text("utf-8")
    return open_checkpoint(text, made.vault.vkey()).size


def test_a_pin_is_moved_on_once_a_minute_and_at_the_end(made: Made) -> None:
    """Not with every entry; after a minute with the next, and when the vault is closed."""
    token = made.token("legal")
    first = kept(made)
    for _ in range(3):
        made.vault.reading().read(token, made.ids(borrowers(1)))
        assert kept(made) == first
    made.clock.advance(seconds=61)
    made.vault.reading().read(token, made.ids(borrowers(1)))
    size = made.size()
    assert kept(made) == size
    made.vault.reading().read(token, made.ids(borrowers(1)))
    assert kept(made) == size
    made.vault.close()
    assert kept(made) == size + 1


def test_what_witnesses_have_seen_is_compared_too(made: Made) -> None:
    """A checkpoint handed in counts like the pin, where the pin lags or is missing."""
    size = made.size()
    seen = made.vault.auditing().checkpoint()
    made.vault.close()
    (made.folder / "keys/main.checkpoint").unlink()
    opened = reopen(made)
    opened.vault.tenancy().journal.cosigned = lambda _: [seen]
    assert opened.size() == size
    later = sign(
        Checkpoint(origin=opened.vault.vkey().name, size=size + 1, root=bytes(32)),
        opened.vault.tenancy().keys.log,
    )
    opened.vault.close()
    opened = reopen(made)
    opened.vault.tenancy().journal.cosigned = lambda _: [seen, later]
    with pytest.raises(Tampered, match="missing") as refusal:
        opened.vault.reading().read(opened.token("legal"), ["r-1"])
    assert refusal.value.index == size
