"""Write token.json: chains that must verify and chains that must not (docs/formats/token.md).

Run it as `python tests/vectors/make_token.py`; a test compares its answer with the file. All keys are
RFC 8032 seeds of one repeated byte, so every byte of the file can be made again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vault.access import links
from vault.access.tokens import Credential, Limits, issue, narrow, verify
from vault.crypto.sign import SigningKey
from vault.model import View

NOW = 1_790_000_000_000_000
ORIGIN = "vault.example/main"


def key(number: int) -> SigningKey:
    """The key of a seed of one repeated byte."""
    return SigningKey.from_seed(bytes([number]) * 32)


def chain() -> tuple[Credential, Credential]:
    """An access token for two cases, and what its holder handed to an agency for one of them."""
    access = issue(
        issuer=key(1),
        origin=ORIGIN,
        tenant="main",
        principal="p-1",
        role="collector",
        purpose="phone_collection",
        actions=frozenset({"read", "find"}),
        limits=Limits(
            fields={"name": View.MASKED, "phone": View.MASKED}, cases=frozenset({"C1", "C2"}), depth=2
        ),
        policy_hash="00" * 32,
        ticket="T-7",
        now_us=NOW,
        holder=key(2),
        jti=bytes([2]) * 16,
    )
    limits = Limits(
        fields={"phone": View.MASKED},
        cases=frozenset({"C2"}),
        ttl_us=60_000_000,
        max_uses=1,
        actions=frozenset({"read"}),
        audience=frozenset({"masked"}),
    )
    return access, narrow(access, limits, now_us=NOW, holder=key(3), jti=bytes([3]) * 16)


def _grant(text: str) -> dict[str, Any]:
    """What a chain allows, as the vectors write it."""
    found = verify(
        text,
        issuers={links.key_id(key(1).public): key(1).public},
        origin=ORIGIN,
        tenant="main",
        audience=frozenset({"masked", "clear"}),
        now_us=NOW,
    )
    grant = found.grant
    return {
        "principal": grant.principal, "role": grant.role, "purpose": grant.purpose, "ticket": grant.ticket,
        "actions": sorted(grant.actions), "fields": {n: v.name for n, v in (grant.fields or {}).items()},
        "cases": sorted(grant.cases or ()), "audience": sorted(grant.audience), "depth": grant.depth,
        "not_before": grant.not_before, "expires": grant.expires, "holder": links.b64(found.holder),
        "links": [{"sha256": link.digest.hex(), "max_uses": link.max_uses} for link in grant.links],
    }  # fmt: skip


def _broken(access: str, child: str) -> dict[str, str]:
    """One chain per rule, each breaking that rule alone."""
    first, second = child.split("~")
    head, payload, signature = first.split(".")
    doubled = links.b64(links.unb64(payload)[:-1] + b',"sub":"p-2"}')
    return {
        "swapped links": f"{second}~{first}",
        "delegation alone": second,
        "link doubled": f"{child}~{second}",
        "empty last link": f"{access}~",
        "padding": f"{access}==",
        "spare bits set": access[:-1] + chr(ord(access[-1]) + 1),
        "no signature": f"{head}.{payload}.",
        "claims changed": f"{head}.{doubled}.{signature}",
        "parent's signature on the child": f"{access}~{second.rpartition('.')[0]}.{signature}",
    }


def generate() -> str:
    """The whole file."""
    access, child = chain()
    document = {
        "about": "docs/formats/token.md; seeds: issuer 01.., holder 02.., agency 03..; times in µs UTC",
        "origin": ORIGIN,
        "tenant": "main",
        "now": NOW,
        "issuers": {links.key_id(key(1).public): links.b64(key(1).public)},
        "good": [{"token": c.token, "grant": _grant(c.token)} for c in (access, child)],
        "bad": [{"breaks": rule, "token": text} for rule, text in _broken(access.token, child.token).items()],
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("token.json").write_text(generate(), encoding="utf-8")
