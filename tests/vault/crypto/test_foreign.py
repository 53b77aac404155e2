"""Legacy ciphers: what other systems wrote opens, and nothing else does."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from vault.crypto.foreign import SCHEMES, LegacyCipher
from vault.errors import ConfigError, Invalid


def sealed(scheme: str, key: bytes, plain: bytes) -> str:
    """What the other system writes, made from its own description."""
    family, _, rest = scheme.partition("-")
    if family == "aes":
        real = hashlib.new(rest.removeprefix("ecb-"), key).digest()[:16]
    else:
        size = int(rest.split("-")[1]) // 8
        real = bytes(size)
        for start in range(0, len(key), size):
            part = key[start : start + size].ljust(size, b"\0")
            real = bytes(a ^ b for a, b in zip(real, part, strict=True))
    pad = 16 - len(plain) % 16
    encryptor = Cipher(algorithms.AES(real), modes.ECB()).encryptor()  # noqa: S305 - what those systems do
    raw = encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()
    return raw.hex().upper() if scheme.endswith("hex") else base64.b64encode(raw).decode()


@pytest.mark.parametrize(
    ("scheme", "key", "cell", "clear"),
    [
        # apache/shardingsphere, AESEncryptAlgorithmTest: aes-key-value=test, digest SHA-1
        ("aes-ecb-sha1", b"test", "dSpPiyENQGDUXMKFMJPGWA==", "test"),
        # AES_ENCRYPT('text', 'key') in hexadecimal: a key shorter than a block
        ("mysql-aes-128-hex", b"key", "15E36637363712FC2E699B9C95B75393", "text"),
        # TO_BASE64(AES_ENCRYPT('text', …)), apache/doris, which follows MySQL: two blocks folded into one
        ("mysql-aes-128-base64", b"F3229A0B371ED2D9441B830D21A390C3", "wr2JEDVXzL9+2XtRhgIloA==", "text"),
    ],
)
def test_published_values_open(scheme: str, key: bytes, cell: str, clear: str) -> None:
    """Values that others published for their own implementations."""
    assert LegacyCipher(scheme, key).open(cell) == clear
    assert LegacyCipher(scheme, key).open(f" {cell}\n") == clear


@given(st.sampled_from(sorted(SCHEMES)), st.binary(min_size=1, max_size=70), st.text(max_size=60))
def test_every_scheme_opens_what_it_wrote(scheme: str, key: bytes, plain: str) -> None:
    """For any key and text, of any length."""
    assert LegacyCipher(scheme, key).open(sealed(scheme, key, plain.encode())) == plain


def test_padding_of_base64_may_be_missing() -> None:
    """Java's decoder takes such text, so columns may hold it."""
    assert LegacyCipher("aes-ecb-sha1", b"test").open("dSpPiyENQGDUXMKFMJPGWA") == "test"


@pytest.mark.parametrize(
    "cell",
    ["13800138000", "dSpPiyENQGDUXMKFMJPGWA==AA", "zz", "", "dSpPiyENQGDUXMKFMJPG", "ÿ" * 24, "A" * 22],
)
@pytest.mark.parametrize("scheme", ["aes-ecb-sha1", "mysql-aes-128-hex"])
def test_what_does_not_decrypt_is_refused(scheme: str, cell: str) -> None:
    """A plain value, damaged text, another key's: one error, with nothing of the cell in it."""
    with pytest.raises(Invalid) as caught:
        LegacyCipher(scheme, b"other").open(cell)
    assert caught.value.code == "invalid_cipher"
    assert caught.value.__cause__ is None
    assert not cell or cell not in str(caught.value)


def test_the_list_is_closed() -> None:
    """Another scheme, or no key, is refused before any cell is met; nothing shows the key."""
    with pytest.raises(ConfigError):
        LegacyCipher("rc4", b"key")
    with pytest.raises(ConfigError):
        LegacyCipher("aes-ecb-sha1", b"")
    assert "key9" not in repr(LegacyCipher("aes-ecb-sha1", b"key9"))
