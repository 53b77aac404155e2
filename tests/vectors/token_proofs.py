"""Request proofs that a server must take or refuse; each is a document of the vector file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from vectors.token_parts import (
    NOW,
    ORDER,
    SECOND,
    START,
    Signer,
    access,
    alg,
    b64,
    changed,
    digest,
    jwk,
    jws,
    key,
    p256,
    resigned,
    signature,
    text_of,
)

from vault.access.proofs import WINDOW_US, prove

JTI = bytes([5]) * 16
URL = "https://vault.example/v1/read"
BODY = b'{"records":["r-1"]}'


def _case(signer: Signer, /, **changes: Any) -> dict[str, Any]:
    """A request with its proof; `changes` to either, the proof's claims under `claims`."""
    token = changes.pop("token", access(signer))
    request = {"token": token, "holder": b64(signer.public), "method": "POST", "url": URL, "body": b64(BODY)}
    claims = changed(
        {"jti": b64(JTI), "htm": "POST", "htu": URL, "iat": START, "ath": digest(token), "bh": digest(BODY)},
        changes.pop("claims", {}),
    )
    header = changed(
        {"alg": alg(signer), "jwk": jwk(signer.public), "typ": "dpop+jwt"}, changes.pop("header", {})
    )
    payload = changes.pop("payload", text_of(claims))
    proof = jws(header, payload, changes.pop("signer", signer))
    return {"proof": proof, **request, "now": NOW, "window": WINDOW_US, **changes}


def good() -> Iterator[dict[str, Any]]:
    """Requests that are taken, with the id that a replay cache keeps."""
    for name, case in _good():
        ident = hashlib.sha256((key(2) if "P-256" not in name else p256(2)).public + JTI).hexdigest()
        yield {"name": name, **case, "id": ident}


def _good() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "Ed25519", _case(key(2))
    yield "P-256", _case(p256(2))
    written = _case(key(2))
    written["proof"] = prove(key(2), written["token"], "POST", f"{URL}?a=1#b", BODY, NOW, JTI)
    yield "as the vault's own client writes it", written
    yield "no body", _case(key(2), method="GET", body="", claims={"htm": "GET", "bh": digest(b"")})
    yield "60 s early", _case(key(2), now=NOW - WINDOW_US)
    yield "60 s late", _case(key(2), now=NOW + WINDOW_US)
    yield "a narrow window's edge", _case(key(2), now=NOW + 5 * SECOND, window=5 * SECOND)
    for name, url, htu in (
        ("the request has a query", f"{URL}?fields=name&x=%7C|", URL),
        ("the request has a fragment with a ?", f"{URL}#a?b", URL),
        ("scheme and host in capitals", "HTTPS://VAULT.example/v1/read", URL),
        ("default port", "https://vault.example:443/v1/read", URL),
        ("default port with zeros", "https://vault.example:00443/v1/read", URL),
        ("http's default port", "http://h/x", "http://h:80/x"),
        ("needless escapes", "https://vault.example/%76%31/rea%64", URL),
        ("small hex digits", "https://vault.example/%e6%a1", "https://vault.example/%E6%A1"),
        ("dot segments", "https://vault.example/a/../v1/./b/%2e%2E/read", URL),
        ("dots above the root", "https://vault.example/../../v1/read", URL),
        ("a dot at the end", "https://vault.example/v1/.", "https://vault.example/v1/"),
        ("two dots at the end", "https://vault.example/v1/x/..", "https://vault.example/v1/"),
        ("an empty path", "https://vault.example?x", "https://vault.example/"),
        ("an address", "http://[::1]:8080/x", "http://[::1]:08080/x"),
        ("an escaped escape", "https://vault.example/%2541", "https://vault.example/%2541"),
        ("empty segments and @", "https://vault.example//a@b//", "https://vault.example//a@b//"),
    ):
        yield f"URL: {name}", _case(key(2), url=url, claims={"htu": htu})


def bad() -> Iterator[dict[str, Any]]:
    """Requests that are refused, each for one thing."""
    for breaks, case in (*_other_request(), *_malformed(), *_urls(), *_signed()):
        yield {"breaks": breaks, "reason": "token_invalid", **case}


def _other_request() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "another method", _case(key(2), method="GET")
    yield "method in small letters", _case(key(2), method="post", claims={"htm": "post"})
    yield "another path", _case(key(2), url="https://vault.example/v1/find")
    yield "another host", _case(key(2), url="https://other.example/v1/read")
    yield "another scheme", _case(key(2), url="http://vault.example/v1/read")
    yield "another port", _case(key(2), url="https://vault.example:8443/v1/read")
    yield "path in capitals", _case(key(2), url="https://vault.example/V1/read")
    yield "a slash more", _case(key(2), url=f"{URL}/")
    yield "an escaped slash", _case(key(2), url="https://vault.example/v1%2Fread")
    yield "another body", _case(key(2), body=b64(BODY + b" "))
    yield "another token", _case(key(2), claims={"ath": digest(access(key(3)))})
    yield "a µs too early", _case(key(2), now=NOW - WINDOW_US - 1)
    yield "a µs too late", _case(key(2), now=NOW + WINDOW_US + 1)
    yield "beyond a narrow window", _case(key(2), now=NOW + 5 * SECOND + 1, window=5 * SECOND)
    yield "another holder", _case(key(3), holder=b64(key(2).public), token=access(key(2)))


def _malformed() -> Iterator[tuple[str, dict[str, Any]]]:
    for name in ("jti", "htm", "htu", "iat", "ath", "bh"):
        yield f"no {name}", _case(key(2), claims={name: ...})
    for name, changes in {
        "a nonce": {"nonce": "x"}, "an exp": {"exp": START + 60}, "jti of 15 bytes": {"jti": b64(bytes(15))},
        "jti a UUID": {"jti": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"}, "iat as text": {"iat": str(START)},
        "ath padded": {"ath": digest(access(key(2))) + "="}, "ath in hex": {"ath": "00" * 32},
        "bh empty": {"bh": ""},
        "bh null": {"bh": None},
    }.items():  # fmt: skip
        yield name, _case(key(2), claims=changes)
    for name, changes in {
        "no jwk": {"jwk": ...}, "jwk of another": {"jwk": jwk(key(3).public)}, "kid too": {"kid": "x"},
        "typ of a link": {"typ": "pv-dl+jwt"}, "alg of the other kind": {"alg": "ES256"},
        "alg none": {"alg": "none"},
        "a private key's jwk": {"jwk": {**jwk(key(2).public), "d": b64(bytes(32))}},
    }.items():  # fmt: skip
        yield name, _case(key(2), header=changes)
    whole = _case(key(2))
    claims = {"jti": b64(JTI), "htm": "POST", "htu": URL, "ath": digest(whole["token"]), "bh": digest(BODY)}
    float_time = text_of(claims)[:-1] + f',"iat":{START}.0}}'.encode()
    yield "iat with a fraction", _case(key(2), payload=float_time)
    yield "a claim twice", _case(key(2), payload=text_of({**claims, "iat": START})[:-1] + b',"htm":"POST"}')
    yield "padding", {**whole, "proof": whole["proof"] + "="}
    yield "a link for a proof", {**whole, "proof": whole["token"]}
    yield "empty", {**whole, "proof": ""}
    long = text_of({**claims, "iat": START}) + b" " * 3000
    yield "over 4096 bytes", _case(key(2), payload=long)


def _urls() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, htu in (
        ("a query in htu", f"{URL}?"), ("a fragment in htu", f"{URL}#"),
        ("user info", "https://a@vault.example/v1/read"),
        ("no scheme", "//vault.example/v1/read"), ("another scheme", "ftp://vault.example/v1/read"),
        ("a path alone", "/v1/read"),
        ("a backslash", "https://vault.example\\v1/read"), ("a space", f"{URL} "),
        ("port 0", "https://vault.example:0/v1/read"),
        ("port 65536", "https://vault.example:65536/v1/read"),
        ("no port after the colon", "https://vault.example:/v1/read"),
        ("half an escape", f"{URL}%4"), ("no escape", f"{URL}%zz"), ("not ASCII", f"{URL}é"),
        ("a letter that folds to s", URL.replace("s", "ſ", 1)),
        ("a letter that folds to k", "https://\u212a.example/"),
        ("no host", "https:///v1/read"),
        ("brackets in the path", f"{URL}[1]"), ("empty", ""), ("over 2048 characters", f"{URL}/{'a' * 2048}"),
    ):  # fmt: skip
        yield f"URL: {name}", _case(key(2), url=htu if "htu" not in name else URL, claims={"htu": htu})


def _signed() -> Iterator[tuple[str, dict[str, Any]]]:
    ec = _case(p256(2))
    found = signature(ec["proof"])
    twin = (ORDER - int.from_bytes(found[32:])).to_bytes(32)
    yield "high s", {**ec, "proof": resigned(ec["proof"], found[:32] + twin)}
    yield "a bit flipped", {**ec, "proof": resigned(ec["proof"], bytes([found[0] ^ 1]) + found[1:])}
    yield "signed by another", _case(key(2), signer=key(3))
    swapped = _case(p256(2), holder=b64(key(2).public))
    yield "a key of the other kind than the holder's", swapped
