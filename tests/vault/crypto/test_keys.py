"""A tenant's lasting keys as a node holds them."""

from __future__ import annotations

import msgspec
import pytest

from vault.crypto.keys import KeyFile, TenantKeys
from vault.errors import ConfigError, Denied
from vault.model import COMPARTMENTS

KEYS = TenantKeys.generate("main", "x.cvault/main")


def test_round_trip() -> None:
    """A key file read back gives the same keys."""
    again = TenantKeys.from_bytes(KEYS.to_bytes())
    assert again.origin == KEYS.origin
    assert again.log.public == KEYS.log.public
    assert all(again.compartment(c, 1) == KEYS.compartment(c, 1) for c in COMPARTMENTS)
    assert again.whole


def test_masked_subset_holds_nothing_else() -> None:
    """A masked node's file has one compartment key, and neither index, issuer nor audit key (promise 3)."""
    masked = TenantKeys.from_bytes(KEYS.subset(frozenset({"masked"})).to_bytes())
    assert masked.held == {"masked"}
    assert masked.audiences == {"masked"}
    assert not masked.whole
    for forbidden in (
        lambda: masked.compartment("contact", 1),
        lambda: masked.index("contact", "borrower", "phone"),
        lambda: masked.issuer,
        lambda: masked.audit_private,
        lambda: masked.generation("identity"),
    ):
        with pytest.raises(Denied) as refusal:
            forbidden()
        assert refusal.value.code == "audience_denied"
    for compartment in COMPARTMENTS[1:]:
        assert KEYS.compartment(compartment, 1) not in masked.to_bytes()


@pytest.mark.parametrize("chosen", [{"contact"}, {"masked", "nonsense"}, set()])
def test_subset_refuses_nonsense(chosen: set[str]) -> None:
    """A subset without `masked`, or with an unknown compartment, is refused."""
    with pytest.raises(ConfigError):
        KEYS.subset(frozenset(chosen))


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"format":"cvault-keys-9"}', b"\xff"])
def test_no_key_file(data: bytes) -> None:
    """Anything but a key file of this format gives a clear error."""
    with pytest.raises(ConfigError):
        TenantKeys.from_bytes(data)


def test_shows_nothing() -> None:
    """No repr of keys holds a key."""
    assert repr(KEYS) == "<TenantKeys main>"
    assert "b'" not in repr(KEYS._file)


def test_whole_takes_every_key() -> None:
    """All compartments without the issuer key, or the issuer key without one of them, is no whole node."""
    keys = TenantKeys.generate("main", "o")
    assert keys.whole
    assert not keys.subset(frozenset(COMPARTMENTS)).whole
    file = msgspec.json.decode(keys.to_bytes(), type=KeyFile)
    fewer = {name: kept for name, kept in file.compartments.items() if name != "identity"}
    assert not TenantKeys(msgspec.structs.replace(file, compartments=fewer)).whole


def test_another_format_is_refused() -> None:
    """A key file of a later format is not read as if it were this one."""
    file = msgspec.json.decode(TenantKeys.generate("main", "o").to_bytes(), type=KeyFile)
    later = msgspec.json.encode(msgspec.structs.replace(file, format="cvault-keys-2"))
    with pytest.raises(ConfigError):
        TenantKeys.from_bytes(later)


def test_a_process_that_seals_holds_no_seed_that_signs() -> None:
    """It has every compartment's key; it can't issue tokens, open entries or sign this log."""
    sealing = TenantKeys.from_bytes(KEYS.for_sealing())
    assert sealing.held == KEYS.held
    assert sealing.facts_key == KEYS.facts_key
    assert not sealing.whole
    for ask in (lambda: sealing.issuer, lambda: sealing.audit_private):
        with pytest.raises(Denied):
            ask()
    assert sealing.log.public != KEYS.log.public
