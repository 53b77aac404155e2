"""Write token.json: chains and proofs that must be taken and refused (docs/formats/token.md 8).

Run it as `PYTHONPATH=tests python tests/vectors/make_token.py`; a test compares its answer with the file. All
keys are one repeated byte and all signatures deterministic, so every byte of the file can be made again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vectors import token_bad, token_good, token_proofs
from vectors.token_parts import EC_ISSUER, ISSUER, ORIGIN, kid

from vault.access.tokens import Verified, verify
from vault.crypto.sign import b64
from vault.model import ACTIONS, PURPOSES, ROLES

ISSUERS = {kid(one.public): one.public for one in (ISSUER, EC_ISSUER)}


def shown(found: Verified) -> dict[str, Any]:
    """What a chain allows, as the vectors write it."""
    grant = found.grant
    fields = (
        None if grant.fields is None else {name: view.name for name, view in sorted(grant.fields.items())}
    )
    return {
        "tenant": grant.tenant, "principal": grant.principal, "role": grant.role, "purpose": grant.purpose,
        "policy": grant.policy, "ticket": grant.ticket, "issued": grant.issued,
        "actions": sorted(grant.actions),
        "fields": fields, "cases": None if grant.cases is None else sorted(grant.cases),
        "audience": sorted(grant.audience), "depth": grant.depth, "not_before": grant.not_before,
        "expires": grant.expires, "holder": b64(found.holder),
        "links": [
            {
                "sha256": link.digest.hex(), "max_uses": link.max_uses, "expires": link.expires,
                "ticket": link.ticket, "holder": b64(holder),
            }
            for link, holder in zip(grant.links, grant.holders, strict=True)
        ],
    }  # fmt: skip


def _good(name: str, token: str, now: int, audience: tuple[str, ...]) -> dict[str, Any]:
    found = verify(
        token, issuers=ISSUERS, origin=ORIGIN, tenant="main", audience=frozenset(audience), now_us=now
    )
    return {"name": name, "token": token, "now": now, "audience": list(audience), "grant": shown(found)}


def generate() -> str:
    """The whole file."""
    document = {
        "about": "docs/formats/token.md 8; seeds and scalars are one byte repeated; times in µs UTC",
        "origin": ORIGIN,
        "tenant": "main",
        "issuers": {ident: b64(public) for ident, public in ISSUERS.items()},
        "vocabulary": {"roles": ROLES, "purposes": PURPOSES, "actions": ACTIONS},
        "good": [_good(*one) for one in token_good.good()],
        "bad": [
            {"breaks": breaks, "token": token, "now": now, "audience": audience, "reason": reason}
            for breaks, token, reason, now, audience in token_bad.bad()
        ],
        "proofs": {"good": list(token_proofs.good()), "bad": list(token_proofs.bad())},
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("token.json").write_text(generate(), encoding="utf-8")
