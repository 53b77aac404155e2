"""A checker of bodies files, written from docs/formats alone: standard library, and AES-GCM for sealed lines.

It shares no code with the vault, so that a mistake in the one isn't a mistake in the other.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def raw(text: str) -> bytes:
    """Bytes of base64url without padding."""
    assert "=" not in text
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def stubs(folder: Path) -> list[bytes]:
    """The entries of an exported log, bundle by bundle; b"" for those let go. Less than 256,000 entries."""
    size = int((folder / "checkpoint").read_text("utf-8").split("\n")[1])
    found: list[bytes] = []
    while len(found) < size:
        place, width = len(found) // 256, min(256, size - len(found))
        name = f"{place:03d}" + (f".p/{width}" if width < 256 else "")
        path = folder / "tile" / "entries" / name
        if not path.exists() and not any(found):
            found += [b""] * 256
            continue
        data = path.read_bytes()
        while data:
            length = int.from_bytes(data[:2], "big")
            found.append(data[2 : 2 + length])
            data = data[2 + length :]
    return found


def unboxed(header: dict[str, Any], line: dict[str, Any], key: bytes) -> dict[str, Any]:
    """A sealed line, opened with the audit's key."""
    assert set(line) == {"index", "box"}
    index, box = line["index"], raw(line["box"])
    derived = hmac.digest(key, b"cvault/bodies/v1\x00" + index.to_bytes(8, "big"), "sha256")
    about = f"{header['origin']}\n{header['audit']}\n{index}".encode("ascii")
    opened: dict[str, Any] = json.loads(AESGCM(derived).decrypt(box[:12], box[12:], about))
    return opened


def digest(line: dict[str, Any], side: str) -> bytes:
    """The digest of one side of a line: of its text and salt, or given alone."""
    text, salt, given = (line[name] for name in (side, f"{side}_salt", f"{side}_digest"))
    if text is None:
        assert salt is None
        return raw(given)
    assert given is None
    return hmac.digest(raw(salt), text.encode(), "sha256")


def check(folder: Path, path: Path, key: Path | None = None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Check a bodies file against an exported log; gives its header and its lines."""
    first, *lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert first["format"] == "cvault/bodies/v1"
    assert first["origin"] == (folder / "checkpoint").read_text("utf-8").split("\n")[0]
    assert first["sealed"] is (key is not None)
    if key is not None:
        held = json.loads(key.read_bytes())
        assert (held["format"], held["origin"]) == ("cvault/audit-key/v1", first["origin"])
        lines = [unboxed(first, line, raw(held["key"])) for line in lines]
    assert [line["index"] for line in lines] == list(range(first["first"], first["last"]))
    assert 0 <= first["first"] <= first["last"] <= first["size"]
    entries = stubs(folder)
    assert first["size"] <= len(entries)
    for line in lines:
        made = hashlib.sha256(b"cvault/entry/v1\x00" + digest(line, "who") + digest(line, "whom")).digest()
        assert made == raw(json.loads(entries[line["index"]])["c"]), line["index"]
    return first, lines
