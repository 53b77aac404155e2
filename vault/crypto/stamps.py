"""Time stamps of RFC 3161 authorities: the query, and the check of a reply against trusted roots.

Over `rfc3161-client` (extra `stamp`), imported only when a stamp is asked for or checked.
"""

from __future__ import annotations

from datetime import UTC
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from vault.errors import ConfigError, Invalid, Tampered

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

MOST_BYTES: Final = 1 << 18
"""Bytes of a reply that are looked at; real ones with their certificates have some thousands."""
QUERY_TYPE: Final = "application/timestamp-query"
_SHA256: Final = "2.16.840.1.101.3.4.2.1"
_MICROSECONDS: Final = 1_000_000


def query(data: bytes) -> bytes:
    """A TimeStampReq (RFC 3161 2.4.1) in DER: SHA-256 of the data, a nonce, and the certificates asked for.

    Raises:
        ConfigError: The extra isn't installed.
    """
    lib = _library()
    builder = lib.TimestampRequestBuilder().data(data).hash_algorithm(lib.HashAlgorithm.SHA256)
    made: bytes = builder.build().as_bytes()
    return made


def imprint(reply: bytes) -> bytes:
    """The SHA-256 digest that a reply says it stamps; nothing is verified yet.

    Raises:
        Invalid: It isn't a granted TimeStampResp over SHA-256.
        ConfigError: The extra isn't installed.
    """
    _, info = _read(reply)
    if info.message_imprint.hash_algorithm.dotted_string != _SHA256:
        raise _refused("the reply is over another hash than SHA-256")
    return bytes(info.message_imprint.message)


def check(reply: bytes, data: bytes, roots: bytes) -> int:
    """Check a reply over data against trusted roots; the authority's time in µs UTC.

    Args:
        reply: TimeStampResp in DER, as an authority sends it (.tsr).
        data: What was stamped.
        roots: The trusted root certificates, and intermediate ones that the reply leaves out, in PEM.

    Raises:
        Tampered: The reply doesn't verify: another authority's, over other data, or refused.
        Invalid: It is no reply, or the roots are no certificates.
        ConfigError: The extra isn't installed.
    """
    from cryptography import x509  # 20 ms of every start otherwise

    lib, (response, info) = _library(), _read(reply)
    try:
        certificates = x509.load_pem_x509_certificates(roots)
    except ValueError:
        raise Invalid(
            "no certificates in PEM", code="invalid_file", field="roots", remedy="give the authority's root"
        ) from None
    ends = [one for one in certificates if one.issuer == one.subject] or certificates
    builder = lib.VerifierBuilder(roots=ends, intermediates=[c for c in certificates if c not in ends])
    try:
        builder.build().verify(response, sha256(data).digest())
    except (lib.VerificationError, ValueError):
        raise Tampered(
            "the time stamp does not verify",
            field="reply",
            remedy="give this authority's root; or: openssl ts -verify -in REPLY -data TEXT -CAfile PEM",
        ) from None
    return int(info.gen_time.replace(tzinfo=UTC).timestamp() * _MICROSECONDS)


def _read(reply: bytes) -> tuple[TimeStampResponse, Any]:
    """A reply and what it states."""
    lib = _library()
    if len(reply) > MOST_BYTES:
        raise _refused("the reply is too long")
    try:
        response = lib.decode_timestamp_response(reply)
        info = response.tst_info
    except ValueError:
        raise _refused("not a time stamp that was granted") from None
    return response, info


def _library() -> Any:
    try:
        import rfc3161_client
    except ImportError:
        raise ConfigError(
            "time stamps need the extra `stamp`", field="stamp", remedy="pip install collections-vault[stamp]"
        ) from None
    return rfc3161_client


def _refused(message: str) -> Invalid:
    return Invalid(message, code="invalid_stamp", field="reply", remedy="ask the authority again")
