"""Token files are strict, and credentials don't print."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from tokenkit import made

from vault.access.credentials import Credential
from vault.crypto.sign import P256Key, Signer
from vault.errors import Invalid


def test_token_file_round_trip() -> None:
    """A credential survives its file; the file has the three pinned names."""
    credential = made()
    data = credential.to_json()
    assert set(json.loads(data)) == {"token", "key", "expires"}
    assert json.loads(data)["expires"] == "2026-09-21T14:28:20Z"
    assert Credential.from_json(data) == credential


@pytest.mark.parametrize("key", [P256Key.generate(), None])
def test_other_keys_round_trip(key: Signer | None) -> None:
    """So does one with a P-256 key, and one that waits for somebody else's key."""
    credential = Credential(token="a", key=key, expires=0)
    again = Credential.from_json(credential.to_json())
    assert again == credential
    assert json.loads(again.to_json())["key"].startswith("P-256.") == (key is not None)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"[]", b"\xff", b'{"token":"a","key":"AAAA","expires":"2026-09-21T14:28:20Z"}',
        b'{"token":"a","key":null,"expires":"2026-09-21T14:28:20Z"}',
        b'{"token":"a","key":"P-256.","expires":"2026-09-21T14:28:20Z"}',
        b'{"token":"a","key":"P-256.AAAA","expires":"2026-09-21T14:28:20Z"}',
        b'{"token":"a","key":"!","expires":"2026-09-21T14:28:20Z"}',
        b'{"token":"a","key":"' + b"A" * 43 + b'","expires":"soon"}',
        b'{"token":"a","key":"' + b"A" * 43 + b'","expires":"2026-09-21T14:28:20Z","more":1}',
    ],
)  # fmt: skip
def test_bad_token_file(data: bytes) -> None:
    """A file that isn't a token file is refused with a remedy."""
    with pytest.raises(Invalid) as caught:
        Credential.from_json(data)
    assert caught.value.remedy


def test_credential_prints_as_nothing() -> None:
    """Neither repr, str, format nor rich shows the token or its key."""
    credential = made()
    out = io.StringIO()
    Console(file=out).print(credential, [credential])
    said = f"{credential} {credential!r} {[credential]}" + out.getvalue()
    assert credential.token[:20] not in said
    assert credential.key is not None
    assert credential.key.text[:10] not in said
