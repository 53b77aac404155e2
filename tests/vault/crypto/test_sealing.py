"""Sealing a compartment under two keys and one context."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.crypto.sealing import context_bytes, open_fields, pad, seal, unpad
from vault.errors import Tampered
from vault.model import Context, Sealed

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "sealed.json").read_text("utf-8"))
CONTEXT = Context(
    tenant="main",
    subject="s-1",
    record="r-1",
    kind="borrower",
    version=1,
    compartment="contact",
    generation=1,
)
SECRET, KEY = bytes(32), bytes([1]) * 32


def opened(sealed: Sealed, secret: bytes = SECRET, key: bytes = KEY) -> dict[str, object]:
    """All values of a sealed compartment, decoded."""
    return {name: msgspec.json.decode(raw) for name, raw in open_fields(sealed, secret, key).values.items()}


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=80), max_size=6))
def test_round_trip(values: dict[str, object]) -> None:
    """What was sealed opens again, whatever the text."""
    assert opened(seal(values, SECRET, KEY, CONTEXT)) == values


def test_both_keys_are_needed() -> None:
    """Neither the record's secret nor the compartment's key opens it alone."""
    sealed = seal({"phone": "1"}, SECRET, KEY, CONTEXT)
    for secret, key in ((bytes([9]) * 32, KEY), (SECRET, bytes([9]) * 32)):
        with pytest.raises(Tampered):
            opened(sealed, secret, key)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("tenant", "other"),
        ("subject", "s-2"),
        ("record", "r-2"),
        ("kind", "loan"),
        ("version", 2),
        ("compartment", "identity"),
        ("generation", 2),
    ],
)
def test_moved_does_not_open(part: str, value: str | int) -> None:
    """A ciphertext put anywhere else doesn't open: every part of the context is authenticated."""
    sealed = seal({"phone": "1"}, SECRET, KEY, CONTEXT)
    moved = Sealed(context=msgspec.structs.replace(CONTEXT, **{part: value}), blob=sealed.blob)
    with pytest.raises(Tampered):
        opened(moved)


def test_every_bit_counts() -> None:
    """Any flipped bit is reported, in header, nonce, ciphertext and tag alike."""
    sealed = seal({"phone": "1"}, SECRET, KEY, CONTEXT)
    for bit in range(8 * len(sealed.blob)):
        blob = bytearray(sealed.blob)
        blob[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Tampered):
            opened(Sealed(context=CONTEXT, blob=bytes(blob)))


@given(st.binary(max_size=300))
def test_garbage_is_refused(blob: bytes) -> None:
    """Bytes the vault didn't write give a clear error and nothing else."""
    with pytest.raises(Tampered):
        opened(Sealed(context=CONTEXT, blob=blob))


def test_only_the_fields_named_leave() -> None:
    """A value not granted is dropped inside: not there, and not in the memory of what is."""
    sealed = seal({"phone": "13800138000", "email": "canary@x.cn"}, SECRET, KEY, CONTEXT)
    clear = open_fields(sealed, SECRET, KEY, {"phone", "absent"})
    assert list(clear.values) == ["phone"]
    assert bytes(clear.values["phone"]) == b'"13800138000"'
    assert "138" not in repr(clear)


def test_same_content_seals_differently() -> None:
    """Every seal draws a fresh nonce."""
    assert seal({}, SECRET, KEY, CONTEXT).blob != seal({}, SECRET, KEY, CONTEXT).blob


@given(st.binary(max_size=200))
def test_padding_hides_the_length(payload: bytes) -> None:
    """Padded lengths are multiples of 64, and padding comes off again."""
    assert len(pad(payload)) % 64 == 0
    assert unpad(pad(payload)) == payload


@pytest.mark.parametrize("broken", [b"", bytes(63), b"\x00\x00\x00\xff" + bytes(60), bytes(63) + b"\x01"])
def test_padding_is_canonical(broken: bytes) -> None:
    """A padding that `pad` doesn't make is refused."""
    with pytest.raises(Tampered):
        unpad(broken)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: str(v["name"]))
def test_vectors(vector: dict[str, object]) -> None:
    """Values sealed before open for ever, and contexts keep their bytes."""
    context = msgspec.convert(vector["context"], Context)
    assert context_bytes(context).hex() == vector["context_bytes"]
    sealed = Sealed(context=context, blob=bytes.fromhex(str(vector["sealed"])))
    secret, key = bytes.fromhex(str(vector["secret"])), bytes.fromhex(str(vector["key"]))
    assert opened(sealed, secret, key) == vector["values"]
