"""What the vault and the second verifier say of the same case, in the same words."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import second_reading
import second_verifier
from mutations import token_case
from mutations_proof import proof_case
from second_reading import Refused
from tokencases import EVERY_KEY, ISSUERS, Case, Request

from vault.access import proofs, tokens
from vault.access.tokens import Verified
from vault.crypto.sign import b64
from vault.errors import Denied
from vault.model import ACTIONS, PURPOSES, ROLES

RAW_ISSUERS = {kid: key.public for kid, key in ISSUERS.items()}
LISTS = {"roles": frozenset(ROLES), "purposes": frozenset(PURPOSES), "actions": frozenset(ACTIONS)}
PROOF_SHARE = 5
"""One case of so many is a request proof."""


@dataclass
class Tally:
    """What became of many cases.

    Attributes:
        accepted, refused: By both verifiers.
        rules: How often the second verifier refused by each rule.
        differ: Cases in which they disagree, as text that lets them come again.
    """

    accepted: int = 0
    refused: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    differ: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Take another's numbers over."""
        self.accepted += other.accepted
        self.refused += other.refused
        self.rules += other.rules
        self.differ += other.differ


def plain(verified: Verified) -> dict[str, Any]:
    """The vault's grant in the words of the vectors (docs/formats/token.md 8)."""
    grant = verified.grant
    links = [
        {
            "sha256": link.digest.hex(),
            "max_uses": link.max_uses,
            "expires": link.expires,
            "ticket": link.ticket,
            "holder": b64(holder),
        }
        for link, holder in zip(grant.links, grant.holders, strict=True)
    ]
    kept = {name: getattr(grant, name) for name in ("tenant", "principal", "role", "purpose", "policy")}
    return kept | {
        "issued": grant.issued,
        "ticket": grant.ticket,
        "actions": sorted(grant.actions),
        "audience": sorted(grant.audience),
        "fields": None if grant.fields is None else {name: view.name for name, view in grant.fields.items()},
        "cases": None if grant.cases is None else sorted(grant.cases),
        "depth": grant.depth,
        "not_before": grant.not_before,
        "expires": grant.expires,
        "holder": b64(verified.holder),
        "links": links,
    }


def vault_token(text: str, case: Case, issuers: dict[str, bytes]) -> Any:
    """The vault's grant, or its reason to refuse."""
    asked = {"origin": case.origin, "tenant": case.tenant, "audience": case.audience, "now_us": case.now}
    try:
        return plain(tokens.verify(text, issuers=issuers, **asked))  # type: ignore[arg-type]  # as `asked` says
    except Denied as denied:
        return denied.code


def second_token(text: str, case: Case, issuers: dict[str, bytes]) -> Any:
    """The second verifier's grant, or its refusal."""
    node = second_verifier.Node(
        origin=case.origin, tenant=case.tenant, issuers=issuers, audience=case.audience, **LISTS
    )
    try:
        return second_verifier.verify(text, node, case.now)
    except Refused as refused:
        return refused


def vault_proof(text: str, holder: bytes, case: Request) -> str:
    """The id of a proof that the vault takes, or its reason to refuse."""
    asked = {"token": case.token_text, "method": case.method, "url": case.url, "body": case.body}
    try:
        return proofs.check(text, holder, now_us=case.now, window_us=case.window, **asked).hex()  # type: ignore[arg-type]  # as `asked` says
    except Denied as denied:
        return denied.code


def second_proof(text: str, holder: bytes, case: Request) -> Any:
    """The id of a proof that the second verifier takes, or its refusal."""
    asked = {"token": case.token_text, "method": case.method, "url": case.url, "body": case.body}
    try:
        return second_verifier.check_proof(text, holder=holder, now=case.now, window=case.window, **asked)  # type: ignore[arg-type]  # as `asked` says
    except Refused as refused:
        return refused


def unnumbered(rule: str) -> str:
    """A rule's text without the number of the link."""
    return re.sub(r" (\d+|\{n\})(?= |$)", "", rule)


def judged(seed: str, start: int, stop: int) -> Tally:
    """Cases `start` to `stop` of a seed, before both verifiers."""
    tally = Tally()
    for number in range(start, stop):
        case: Case
        if number % PROOF_SHARE:
            case = token_case(seed, number)
            text = case.token()
            ours, theirs = vault_token(text, case, RAW_ISSUERS), second_token(text, case, RAW_ISSUERS)
        else:
            case = proof_case(seed, number)
            text, holder = case.token(), EVERY_KEY[case.holder].public
            ours, theirs = vault_proof(text, holder, case), second_proof(text, holder, case)
        refused = isinstance(theirs, Refused)
        tally.refused += refused
        tally.accepted += not refused
        if refused:
            tally.rules[unnumbered(theirs.rule)] += 1
        if (ours not in theirs.reasons) if refused and isinstance(ours, str) else ours != theirs:
            tally.differ.append(f"{seed}/{number} {case.told}: vault {ours}, second {theirs!r}")
    return tally


def written_rules() -> set[str]:
    """Every rule by which the second verifier can refuse what is sent, as its source has them.

    The kind of a raw key of neither length shows only in a verifier's own table, and a key beside
    the token isn't sent.
    """
    found: set[str] = set()
    for module in (second_reading, second_verifier):
        found |= set(re.findall(r'"([1-6]: [^"]+)"', Path(str(module.__file__)).read_text("utf-8")))
    return {unnumbered(rule) for rule in found} - {
        "3: {name}",
        "2: neither kind of key",
        "5: not the last holder's key",
    }
