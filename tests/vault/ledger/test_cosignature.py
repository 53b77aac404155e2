"""Cosignatures: published ones verify byte for byte, and nothing else passes for one."""

from __future__ import annotations

import base64
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from vault.crypto.sign import SigningKey
from vault.errors import Invalid, Tampered
from vault.ledger import checkpoint, cosignature
from vault.ledger.checkpoint import Checkpoint
from vault.ledger.cosignature import WitnessKey
from vault.ledger.note import VKey

LOG = SigningKey.from_seed(bytes(32))
NOTE = checkpoint.sign(Checkpoint(origin="vault.example/log", size=70, root=bytes(range(32))), LOG)
TEXT = NOTE[: NOTE.index("\n\n") + 1]
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)
KEY = WitnessKey(name="w.example/1", public=PRIVATE.public_key().public_bytes_raw())


def line(time: int, text: str = TEXT, key: WitnessKey = KEY) -> str:
    """A cosignature line made by hand from tlog-cosignature."""
    signature = PRIVATE.sign(b"cosignature/v1\ntime %d\n" % time + text.encode())
    data = key.key_id + struct.pack(">Q", time) + signature
    return f"\u2014 {key.name} {base64.b64encode(data).decode()}\n"


@given(st.integers(1, 2**63 - 1))
def test_what_a_witness_signed_verifies(time: int) -> None:
    """Any time but zero, up to 2^63 - 1, is read back with the line itself."""
    (found,) = cosignature.cosignatures(NOTE + line(time), [KEY])
    assert (found.witness, found.time, found.line + "\n") == (KEY.ident, time, line(time))


def test_the_published_message_is_made_byte_for_byte() -> None:
    """The example of tlog-cosignature, section "Ed25519 signed message"."""
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    assert cosignature.message(text, 1679315147) == (
        b"cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n"
        b"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )


def test_the_published_line_is_laid_out_as_ours() -> None:
    """The example's cosignature line (its key isn't published): key id, time 1679315147, 64 bytes."""
    data = base64.b64decode(
        "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA=="
    )
    assert len(data) == 4 + 8 + 64
    assert int.from_bytes(data[4:12]) == 1679315147
    assert len(base64.b64decode(line(1679315147).split(" ")[2])) == len(data)


@pytest.mark.parametrize("time", [0, 2**63, 2**64 - 1])
def test_times_that_may_not_be_are_refused(time: int) -> None:
    """Zero stands for no time and what is above 2^63 - 1 for none at all."""
    with pytest.raises(Tampered):
        cosignature.cosignatures(NOTE + line(time), [KEY])


def test_a_line_over_another_text_or_of_another_time_is_refused() -> None:
    """Text and time are signed."""
    good = line(5)
    data = bytearray(base64.b64decode(good.split(" ")[2]))
    data[11] ^= 1
    moved = f"\u2014 {KEY.name} {base64.b64encode(bytes(data)).decode()}\n"
    for bad in (line(5, TEXT.replace("70", "71")), moved):
        with pytest.raises(Tampered):
            cosignature.cosignatures(NOTE + bad, [KEY])


@given(st.binary(max_size=90))
def test_no_other_bytes_are_a_signature(signature: bytes) -> None:
    """Whatever the length."""
    with pytest.raises(Tampered):
        cosignature.check(KEY, signature, TEXT)


def test_unknown_keys_are_ignored_and_a_witness_counts_once() -> None:
    """Another name, another id, a log's signature by the same key: none is this witness's."""
    other = WitnessKey(name="other.example", public=KEY.public)
    log_id = VKey(name=KEY.name, public=KEY.public).key_id
    as_log = f"\u2014 {KEY.name} {base64.b64encode(log_id + bytes(64)).decode()}\n"
    note = NOTE + line(5, key=other) + as_log
    assert cosignature.cosignatures(note, [KEY]) == []
    found = cosignature.cosignatures(NOTE + line(5) + line(6), [KEY])
    assert [one.time for one in found] == [5]


def test_keys_read_in_one_spelling_and_of_one_type() -> None:
    """A log's key is no witness's, and the other way round."""
    assert cosignature.read_key(KEY.text()) == KEY
    for bad in (
        VKey(name=KEY.name, public=KEY.public).text(),
        KEY.text()[:-1],
        KEY.text() + "\n",
        "",
        "a+b+c",
    ):
        with pytest.raises(Invalid):
            cosignature.read_key(bad)
    with pytest.raises(Invalid):
        VKey.parse(KEY.text())
    with pytest.raises(Tampered):
        checkpoint.open_checkpoint(NOTE + line(5), VKey(name=KEY.name, public=KEY.public))


REAL = """arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3Nyg\
NI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75\
W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTy\
nk5XeU/zZ0WBxtqB0DrAWfBw==
— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/\
2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
"""
REAL_KEYS = (
    "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO",
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
    "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
)


def test_cosignatures_of_public_witnesses_verify() -> None:
    """A checkpoint of a public CT log as three public witnesses cosigned it, by their keys."""
    keys = [cosignature.read_key(text) for text in REAL_KEYS]
    assert [key.text() for key in keys] == list(REAL_KEYS)
    found = cosignature.cosignatures(REAL, keys)
    assert [(one.witness, one.time) for one in found] == [(key.ident, 0x6A122120) for key in keys]
    for key in keys:
        with pytest.raises(Tampered):
            cosignature.cosignatures(REAL.replace("1432088532", "1432088533"), [key])
