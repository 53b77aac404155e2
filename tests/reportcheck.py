"""A report checked by what docs/formats/access-report.md says, without any of the vault's own code."""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import json
import re
from collections.abc import Sequence
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

BEYOND: Final = 64
_FILE: Final = re.compile(
    rb'(?P<page>.*)<pre id="cvault-proof" hidden>(?P<proof>[A-Za-z0-9+/=\n]+)</pre>\n'
    rb'<pre id="cvault-signature" hidden>(?P<note>[^<>]*)</pre></body></html>\n',
    re.DOTALL,
)


def b64u(text: str) -> bytes:
    """Base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def tag(key: bytes, number: int) -> bytes:
    """An entry's tag."""
    return hmac.digest(key, number.to_bytes(8, "big"), "sha256")[:16]


def opened(note: str, vkey: str) -> str:
    """A signed note's text, once its one key has signed it."""
    name, hint, key = vkey.split("+", 2)
    text, _, lines = note.rpartition("\n\n")
    for line in lines.splitlines():
        dash, who, packed = line.split(" ")
        raw = base64.b64decode(packed)
        if dash == "—" and who == name and raw[:4].hex() == hint:
            public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:])
            public.verify(raw[4:], f"{text}\n".encode())
            return f"{text}\n"
    raise AssertionError("not signed by this key")


def root_of(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """RFC 9162 2.1.3.2."""
    at, last, found = index, size - 1, leaf
    for item in path:
        assert last
        if at & 1 or at == last:
            found = hashlib.sha256(b"\1" + item + found).digest()
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = hashlib.sha256(b"\1" + found + item).digest()
        at, last = at >> 1, last >> 1
    assert last == 0
    return found


def side(one: dict[str, Any], name: str) -> bytes:
    """The digest of a side: computed where it is disclosed, given where it is withheld."""
    text, salt, digest = one[name], one[f"{name}_salt"], one[f"{name}_digest"]
    if text is None:
        assert salt is None
        return b64u(digest)
    assert digest is None
    return hmac.digest(b64u(salt), text.encode(), "sha256")


def check(data: bytes, vkey: str, log: Sequence[bytes] = ()) -> dict[str, Any]:
    """Check a report under the log's key and, if given, against every stub of the log; its document."""
    hit = _FILE.fullmatch(data)
    assert hit
    assert data.count(b'<pre id="cvault-proof"') == data.count(b'<pre id="cvault-signature"') == 1
    before = data[: data.index(b'<pre id="cvault-signature"')]
    said = opened(html.unescape(hit["note"].decode()), vkey)
    assert said == f"cvault/report/v1\n{hashlib.sha256(before).hexdigest()}\n"
    found: dict[str, Any] = json.loads(base64.b64decode(b"".join(hit["proof"].split())))
    assert all(len(line) <= 76 for line in hit["proof"].splitlines())
    assert found["format"] == "cvault/report/v1"
    origin, size, root = opened(found["checkpoint"], vkey).splitlines()
    assert origin == found["origin"] == vkey.split("+", maxsplit=1)[0]
    keys = [b64u(one["key"]) for one in found["series"]]
    places = set()
    for one in found["entries"]:
        stub = one["stub"].encode()
        leaf = hashlib.sha256(b"\0" + stub).digest()
        path = [base64.b64decode(item) for item in one["path"]]
        assert root_of(leaf, one["index"], int(size), path) == base64.b64decode(root)
        fields = json.loads(stub)
        assert b64u(fields["g"]) == tag(keys[one["series"]], one["number"])
        digests = side(one, "who") + side(one, "whom")
        assert b64u(fields["c"]) == hashlib.sha256(b"cvault/entry/v1\0" + digests).digest()
        places.add((one["series"], one["number"]))
    assert len(places) == len(found["entries"])
    assert places == {
        (at, number)
        for at, one in enumerate(found["series"])
        for number in range(one.get("first", 0), one["count"])
    }
    if log:
        _alone(found, keys, log)
    return found


def _alone(found: dict[str, Any], keys: Sequence[bytes], log: Sequence[bytes]) -> None:
    """No other entry of the log is in the series, or follows them."""
    mine = {one["index"]: one["stub"].encode() for one in found["entries"]}
    tags = {
        tag(key, number)
        for key, one in zip(keys, found["series"], strict=True)
        for number in range(one["count"] + BEYOND)
    }
    for index, stub in enumerate(log):
        if index in mine:
            assert stub == mine[index]
        else:
            assert b64u(json.loads(stub)["g"]) not in tags
