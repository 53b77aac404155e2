"""Seal and open one compartment of one record: two keys, one context, one AEAD (DESIGN 5).

    sealing key = HKDF-SHA256(salt = compartment key C, ikm = record secret s, info = context)
    sealed      = version 01 | suite | nonce[12] | AEAD(sealing key, padded payload, AAD = context)

The context names tenant, subject, record, kind, version, compartment, generation and suite, so a sealed
value moved anywhere else doesn't open. Layout and worked example: docs/formats/sealed.md.
"""

from __future__ import annotations

import struct
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vault.crypto.encoding import encode
from vault.crypto.sign import token_bytes
from vault.errors import Tampered
from vault.model import Clear, Context, Sealed

VERSION: Final = 1
AES_256_GCM: Final = 1
"""Suite 1: AES-256-GCM (NIST SP 800-38D) with HKDF-SHA256 (RFC 5869)."""
KEY_SIZE: Final = 32
NONCE_SIZE: Final = 12
PAD_TO: Final = 64
_HEADER: Final = bytes([VERSION, AES_256_GCM])
_LENGTH: Final = struct.Struct(">I")
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def context_bytes(context: Context) -> bytes:
    """The bytes a sealed value is bound to; injective, so no two contexts share them."""
    return encode(
        "cvault/seal/v1",
        context.tenant,
        context.subject,
        context.record,
        context.kind,
        context.version,
        context.compartment,
        context.generation,
        context.suite,
    )


def pad(payload: bytes) -> bytes:
    """Prefix the length and fill with zeros to a multiple of 64 bytes, so that sizes tell little."""
    body = _LENGTH.pack(len(payload)) + payload
    return body + bytes(-len(body) % PAD_TO)


def unpad(padded: bytes) -> bytes:
    """Undo `pad`.

    Raises:
        Tampered: Not a padding that `pad` makes.
    """
    if len(padded) < PAD_TO or len(padded) % PAD_TO:
        raise Tampered("sealed payload: length is not a multiple of 64")
    (length,) = _LENGTH.unpack_from(padded)
    payload = padded[_LENGTH.size : _LENGTH.size + length]
    if pad(payload) != padded:
        raise Tampered("sealed payload: padding is not canonical")
    return payload


def _sealing_key(secret: bytes, compartment_key: bytes, info: bytes) -> AESGCM:
    return AESGCM(HKDF(algorithm=SHA256(), length=KEY_SIZE, salt=compartment_key, info=info).derive(secret))


def seal(values: dict[str, object], secret: bytes, compartment_key: bytes, context: Context) -> Sealed:
    """Seal field values under the record's secret *and* the compartment's key, with a fresh random nonce."""
    info = context_bytes(context)
    nonce = token_bytes(NONCE_SIZE)
    padded = pad(msgspec.json.encode(values))
    box = _sealing_key(secret, compartment_key, info).encrypt(nonce, padded, info)
    return Sealed(context=context, blob=_HEADER + nonce + box)


def _payload(sealed: Sealed, secret: bytes, compartment_key: bytes) -> bytes:
    blob = sealed.blob
    if blob[:2] != _HEADER:
        raise Tampered("sealed payload: unknown version or suite")
    info = context_bytes(sealed.context)
    try:
        padded = _sealing_key(secret, compartment_key, info).decrypt(blob[2:14], blob[14:], info)
    except (InvalidTag, ValueError):
        raise Tampered(
            f"sealed payload of compartment {sealed.context.compartment} does not open where it stands",
            remedy="stop using this store; compare it with a backup",
        ) from None
    return unpad(padded)


def open_fields(
    sealed: Sealed, secret: bytes, compartment_key: bytes, keep: AbstractSet[str] | None = None
) -> Clear:
    """Open a sealed compartment and keep only the fields named; the others never leave this function.

    Args:
        sealed: What the store holds, with the context it was asked for under.
        secret: The record's own secret (erasure axis).
        compartment_key: The compartment's key (access axis).
        keep: Field names to keep; None keeps all.

    Raises:
        Tampered: The bytes were changed, or belong elsewhere.
    """
    values = _fields.decode(_payload(sealed, secret, compartment_key))
    if keep is None or keep >= values.keys():
        return Clear(values)
    return Clear({name: values[name].copy() for name in keep & values.keys()})
