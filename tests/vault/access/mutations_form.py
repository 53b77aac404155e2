"""Mutations of a token's or proof's form: JSON, headers, signatures, and the written text."""

from __future__ import annotations

import hmac
import random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from tokencases import ALPHABET, KEYS, ORDER, ORDER_ED, Case, pick, sign

Random = random.Random


# --- how the JSON is spelled ---------------------------------------------------------------------


def respelled(case: Case, rng: Random) -> None:
    """The same claims and header, written otherwise."""
    link = pick(case, rng)
    link.spell = rng
    if rng.random() < 0.5:
        link.spell_head = rng


def twisted(case: Case, rng: Random) -> None:
    """Bytes of the payload changed before it is signed."""
    at, byte = rng.random(), rng.randrange(256)
    garbage = rng.choice(
        (b" ", b"\n", b"\0", b"\xef\xbb\xbf", b"\xff", b",", b"}", b"{}", b"//", b"\x0b", b"\xc2\xa0")
    )

    def twist(raw: bytes) -> bytes:
        place = int(at * len(raw))
        changes = (
            raw + garbage,
            garbage + raw,
            raw[:place] + garbage + raw[place:],
            raw[:place] + bytes([byte]) + raw[place + 1 :],
            raw[:place] + raw[place + 1 :],
            raw.replace(b'"', b"'"),
            raw.replace(b"}", b",}"),
            raw.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass"),
            b"[" + raw + b"]",
            b"",
        )
        return changes[byte % len(changes)]

    pick(case, rng).twist = twist


def framed(case: Case, rng: random.Random) -> None:
    """Something before, after or inside a payload or header that a lenient reader would skip."""
    around = rng.choice((b"\xef\xbb\xbf", b"\0", b" ", b"\x0b", b"\xc2\xa0", b"//", b"{}", b"\xff\xfe"))
    member = rng.choice(
        (b',"alg":"EdDSA"', b',"alg":"none"', b',"\\u0074yp":"x"', b",", b',"x":-0', b',"exp":9')
    )
    way, link = rng.randrange(3), pick(case, rng)

    def twist(raw: bytes) -> bytes:
        return (around + raw, raw + around, raw[:-1] + member + raw[-1:])[way]

    if rng.random() < 0.5:
        link.twist = twist
    else:
        link.twist_head = twist


# --- headers -------------------------------------------------------------------------------------


def headed(case: Case, rng: Random) -> None:
    """Another header over a good signature."""
    link = pick(case, rng)
    head = link.header
    values: dict[str, tuple[Any, ...]] = {
        "alg": (
            "none",
            "None",
            "HS256",
            "ES384",
            "ES256",
            "EdDSA",
            "eddsa",
            "Ed25519",
            "",
            None,
            1,
            ["EdDSA"],
        ),
        "typ": ("pv-at+jwt", "pv-dl+jwt", "PV-AT+JWT", "application/pv-at+jwt", "JWT", "dpop+jwt", None),
        "kid": ("", "0" * 16, str(head.get("kid", "x")).upper(), None, 1, ["x"], head.get("kid")),
        "jwk": (KEYS[0].jwk,),
        "jku": ("https://x",),
        "x5c": (["AA"],),
        "crit": (["b64"], []),
        "b64": (True, False),
        "cty": ("JWT",),
    }
    name = rng.choice(list(values))
    if head and rng.random() < 0.2:
        head.pop(rng.choice(list(head)), None)
    else:
        head[name] = rng.choice(values[name])


def hmac_with_public(case: Case, rng: Random) -> None:
    """HS256 with the public key as the secret, the oldest trick; or `none` without a signature."""
    link = pick(case, rng)
    own = next((k for k in KEYS if k.number == link.key), KEYS[0])
    link.header["alg"] = rng.choice(("HS256", own.alg, "none"))
    if link.header["alg"] == "none":
        link.resign = lambda _s, _m: b""
    else:
        link.resign = lambda _s, message: hmac.digest(own.public, message, "sha256") * 2


# --- signatures ----------------------------------------------------------------------------------


def resigned(case: Case, rng: Random) -> None:
    """Another signature: shifted by the order, zero, in DER, cut, with a flipped bit, or another key's."""
    way, bit, other = rng.randrange(13), rng.randrange(512), rng.choice(KEYS).number

    def change(signature: bytes, message: bytes) -> bytes:
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        s_ed = int.from_bytes(signature[32:], "little")
        flipped = bytearray(signature)
        flipped[bit // 8] ^= 1 << bit % 8
        ways = (
            bytes(64),
            signature[:32] + ((ORDER - s) % ORDER).to_bytes(32, "big"),
            signature[:32] + ((s_ed + ORDER_ED) % 2**256).to_bytes(32, "little"),
            signature[:32] + bytes(32),
            bytes(32) + signature[32:],
            encode_dss_signature(r, s),
            signature[:-1],
            signature + b"\0",
            signature[:32] + b"\0" + signature[32:],
            bytes(flipped),
            sign(other, message),
            b"",
            ((r + ORDER) % 2**256).to_bytes(32, "big") + signature[32:],
        )
        return ways[way]

    pick(case, rng).resign = change


def other_signer(case: Case, rng: Random) -> None:
    """Another key signs, and the header may name its kind."""
    link, other = pick(case, rng), rng.choice(KEYS)
    link.key = other.number
    if rng.random() < 0.5:
        link.header["alg"] = other.alg


# --- the text, after it is signed ----------------------------------------------------------------


def scribbled(case: Case, rng: Random) -> None:
    """Characters changed, put in or taken out: spare bits, padding, the other alphabet, white space."""
    at, way, new = (
        rng.random(),
        rng.randrange(9),
        rng.choice([*ALPHABET, "=", "+", "/", ".", "~", " ", "\n", "é", "\0"]),
    )

    def change(text: str) -> str:
        place = int(at * len(text))
        ends = [n for n, c in enumerate(text + ".") if c in ".~"]
        end = ends[place % len(ends)]
        last = text[end - 1 : end]
        spare = ALPHABET[(ALPHABET.find(last) ^ (1 + place % 3)) % 64] if end else ""
        return (
            text[:place] + new + text[place + 1 :],
            text[:place] + new + text[place:],
            text[:place] + text[place + 1 :],
            text[: max(end - 1, 0)] + spare + text[end:],
            text[:end] + "=" * (1 + place % 2) + text[end:],
            text.replace("-", "+", 1) if "-" in text else text.replace("_", "/", 1),
            text[:place],
            text[:end] + text[end + 1 :],
            text + new,
        )[way]

    case.after.append(change)


def torn(case: Case, rng: Random) -> None:
    """Links of the written text swapped, repeated or left out; a signature stripped or moved."""
    way, a, b = rng.randrange(6), rng.random(), rng.random()

    def change(text: str) -> str:
        links = text.split("~")
        at, to = int(a * len(links)), int(b * len(links))
        head, _, signature = links[at].rpartition(".")
        changed = list(links)
        if way == 0:
            changed[at], changed[to] = links[to], links[at]
        elif way == 1:
            changed.insert(to, links[at])
        elif way == 2:
            del changed[at]
        elif way == 3:
            changed[at] = head + rng.choice((".", "", ".." + signature))
        elif way == 4:
            changed[to] = links[to].rpartition(".")[0] + "." + signature
        else:
            changed.insert(to, "")
        return "~".join(changed)

    case.after.append(change)
