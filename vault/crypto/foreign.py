"""Legacy: reading only. Ciphers that other systems keep columns in, to bring their values over once.

Both families are AES in ECB mode with PKCS #5 padding (RFC 8018 B.2.5): no nonce and no authentication, so
equal values have equal ciphertexts, and a wrong key shows only as padding or text that does not fit. Nothing
is ever encrypted so here.

- Apache ShardingSphere 5 (`AESEncryptAlgorithm`): key = the first 16 bytes of a digest of `aes-key-value`,
  SHA-1 unless `digest-algorithm-name` says otherwise; ciphertext in Base64.
- MySQL `AES_ENCRYPT(value, key)` without `kdf_name`, under `block_encryption_mode` aes-N-ecb: the key's
  bytes are XORed into N/8 zero bytes, round and round. Hive's `aes_encrypt` takes keys of 16, 24 or 32 bytes
  as they are, which is the same thing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from vault.errors import ConfigError, Invalid

_BLOCK: Final = 16
_DIGESTS: Final = ("md5", "sha1", "sha256", "sha384", "sha512")
_SIZES: Final = (16, 24, 32)

_Make = Callable[[bytes], bytes]


def _digested(name: str) -> _Make:
    return lambda passphrase: hashlib.new(name, passphrase, usedforsecurity=False).digest()[:_BLOCK]


def _folded(size: int) -> _Make:
    def fold(passphrase: bytes) -> bytes:
        key = bytearray(size)
        for place, byte in enumerate(passphrase):
            key[place % size] ^= byte
        return bytes(key)

    return fold


def _base64(text: str) -> bytes:
    """Base64 with or without its final padding, as Java's decoder takes it."""
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


SCHEMES: Final[Mapping[str, tuple[_Make, Callable[[str], bytes]]]] = {
    **{f"aes-ecb-{name}": (_digested(name), _base64) for name in _DIGESTS},
    **{f"mysql-aes-{8 * size}-hex": (_folded(size), bytes.fromhex) for size in _SIZES},
    **{f"mysql-aes-{8 * size}-base64": (_folded(size), _base64) for size in _SIZES},
}
"""Every scheme there is: how the key is made of the passphrase, and how a cell becomes bytes."""


class LegacyCipher:
    """One scheme under one key; decrypts only, and shows nothing of its key."""

    __slots__ = ("_decode", "_key")

    def __init__(self, scheme: str, passphrase: bytes) -> None:
        """Make the key.

        Args:
            scheme: A key of `SCHEMES`.
            passphrase: What the other system was configured with, as bytes.

        Raises:
            ConfigError: No such scheme, or an empty passphrase.
        """
        if scheme not in SCHEMES:
            raise ConfigError(
                "no such scheme", field="scheme", remedy="use one of: " + ", ".join(sorted(SCHEMES))
            )
        if not passphrase:
            raise ConfigError("the key is empty", field="key", remedy="write it into its file, on one line")
        make, self._decode = SCHEMES[scheme]
        self._key = algorithms.AES(make(passphrase))

    def open(self, text: str) -> str:
        """Decrypt a cell.

        Raises:
            Invalid: It is not what this scheme writes under this key (`invalid_cipher`); says nothing of it.
        """
        try:
            sealed = self._decode(text.strip())
            # ECB is what those systems wrote; reading it once is the way out of it.
            decryptor = Cipher(self._key, modes.ECB()).decryptor()  # noqa: S305 - legacy, reading only
            padded = decryptor.update(sealed) + decryptor.finalize()
            remover = PKCS7(8 * _BLOCK).unpadder()
            return (remover.update(padded) + remover.finalize()).decode()
        except (binascii.Error, ValueError):
            raise Invalid(
                "does not decrypt",
                code="invalid_cipher",
                remedy="compare key and scheme with the other system's configuration",
            ) from None

    def __repr__(self) -> str:
        """Name the type, show no key."""
        return "<LegacyCipher>"
