"""Certificates of erasure: signed attestations bound to ledger entries, holding no personal data (DESIGN 8).

    {"certificate": {…}, "signature": base64, "key": vkey}

The signature is Ed25519 over encode("cvault/certificate/v1", the exact bytes of the certificate object), by
the log's key (docs/formats/sealed.md).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final

import msgspec

from vault.crypto.encoding import encode
from vault.crypto.sign import SigningKey, verify
from vault.errors import Tampered
from vault.ledger.note import VKey, from_base64

CLAIM: Final = (
    "The signer attests that the secrets of these record versions were deleted from the key store, that the "
    "shelves they stood on were wrapped anew, and that the epoch that wrapped them is destroyed on the date "
    "given. It is a signed attestation, not a proof that no copy exists elsewhere."
)
_LABEL: Final = "cvault/certificate/v1"


def sign_certificate(body: Mapping[str, object], origin: str, key: SigningKey) -> str:
    """Sign what a purge did; returns the certificate as JSON text."""
    text = msgspec.json.encode({**body, "version": 1, "origin": origin, "claim": CLAIM}, order="sorted")
    return _written(text, key.sign(encode(_LABEL, text)), VKey(name=origin, public=key.public))


def _written(body: bytes, signature: bytes, vkey: VKey) -> str:
    signed = base64.b64encode(signature).decode("ascii")
    outer = {"certificate": msgspec.Raw(body), "signature": signed, "key": vkey.text()}
    return msgspec.json.encode(outer).decode()


def open_certificate(text: str, vkey: VKey) -> dict[str, object]:
    """Check a certificate against the log's public key; returns what it says.

    Args:
        text: The certificate as written.
        vkey: The key the reader trusts; the one inside the certificate is only a hint.

    Raises:
        Tampered: It is no certificate, was changed, or another key signed it.
    """
    try:
        outer = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        body = bytes(outer["certificate"])
        signature = from_base64(msgspec.json.decode(outer["signature"], type=str))
        said: dict[str, object] = msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.MsgspecError, KeyError, ValueError, Tampered):
        raise Tampered("not a certificate", remedy="use the file as it was written") from None
    verify(vkey.public, signature, encode(_LABEL, body))
    if said.get("origin") != vkey.name:
        raise Tampered("the certificate is another log's", remedy="use that log's key")
    if text != _written(body, signature, vkey):  # one spelling: nothing beside the signed bytes may vary
        raise Tampered("the certificate is not as it was written", remedy="use the file as it was written")
    return said
