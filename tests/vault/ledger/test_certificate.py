"""Certificates of erasure."""

from __future__ import annotations

import json

import pytest

from vault.crypto.sign import SigningKey
from vault.errors import Tampered
from vault.ledger.certificate import open_certificate, sign_certificate
from vault.ledger.note import VKey

KEY = SigningKey.from_seed(bytes(32))
VKEY = VKey(name="v.cvault/main", public=KEY.public)
TEXT = sign_certificate({"plan": "plan-1", "erased": 3}, "v.cvault/main", KEY)


def test_says_what_was_signed() -> None:
    """With the log's public key it opens, and calls itself an attestation, not a proof."""
    said = open_certificate(TEXT, VKEY)
    assert said["plan"] == "plan-1"
    assert said["origin"] == "v.cvault/main"
    assert "not a proof" in str(said["claim"])


def test_any_change_is_refused() -> None:
    """A changed character inside the certificate or its signature is reported."""
    for place, char in enumerate(TEXT):
        if TEXT.index('"key"') <= place:
            break
        changed = TEXT[:place] + ("0" if char != "0" else "1") + TEXT[place + 1 :]
        with pytest.raises(Tampered):
            open_certificate(changed, VKEY)


def test_another_key_is_refused() -> None:
    """The key named inside is no authority: the reader's own key decides."""
    forger = SigningKey.from_seed(bytes([1]) * 32)
    forged = sign_certificate({"plan": "plan-1", "erased": 0}, "v.cvault/main", forger)
    with pytest.raises(Tampered):
        open_certificate(forged, VKEY)
    with pytest.raises(Tampered, match="another log"):
        open_certificate(TEXT, VKey(name="other", public=KEY.public))


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", json.dumps({"certificate": 1, "signature": "!", "key": ""})]
)
def test_no_certificate(text: str) -> None:
    """Anything else gives a clear error."""
    with pytest.raises(Tampered):
        open_certificate(text, VKEY)
