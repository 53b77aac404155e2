"""The vault's verifier and one written from the format page alone say the same of every token and proof."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import second_verifier
from second_reading import Refused, unbase64
from tokencases import KEYS, Case, Request, corpus
from verdicts import (
    RAW_ISSUERS,
    Tally,
    judged,
    second_proof,
    second_token,
    vault_proof,
    vault_token,
    written_rules,
)

from vault.access.tokens import Verified, check_holder, verify
from vault.crypto.sign import private_key
from vault.errors import Denied, Invalid

FILE: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "token.json").read_text("utf-8"))
ISSUERS = {kid: unbase64(public) for kid, public in FILE["issuers"].items()}
IN_CI = 20_000
NIGHTLY = 1_000_000
BATCH = 5_000


def asked(vector: dict[str, Any]) -> Case:
    """What a vector asks."""
    return Case([], vector["now"], frozenset(vector["audience"]), FILE["tenant"], FILE["origin"])


def requested(vector: dict[str, Any]) -> Request:
    """The request of a proof's vector."""
    of = {name: vector[name] for name in ("method", "url", "window", "now")}
    return Request([], token_text=vector["token"], body=unbase64(vector["body"]), **of)


@pytest.mark.parametrize("vector", FILE["good"], ids=lambda vector: vector["name"])
def test_good_vector(vector: dict[str, Any]) -> None:
    """Both grant what the vector says."""
    text, case = vector["token"], asked(vector)
    assert second_token(text, case, ISSUERS) == vector["grant"]
    assert vault_token(text, case, ISSUERS) == vector["grant"]


@pytest.mark.parametrize("vector", FILE["bad"], ids=lambda vector: vector["breaks"])
def test_bad_vector(vector: dict[str, Any]) -> None:
    """Both refuse for the vector's reason."""
    text, case = vector["token"], asked(vector)
    refused = second_token(text, case, ISSUERS)
    assert isinstance(refused, Refused)
    assert vector["reason"] in refused.reasons
    assert vault_token(text, case, ISSUERS) == vector["reason"]


@pytest.mark.parametrize("vector", FILE["proofs"]["good"], ids=lambda vector: vector["name"])
def test_good_proof(vector: dict[str, Any]) -> None:
    """Both take the proof, under the same id."""
    text, holder, case = vector["proof"], unbase64(vector["holder"]), requested(vector)
    assert second_proof(text, holder, case) == vault_proof(text, holder, case) == vector["id"]


@pytest.mark.parametrize("vector", FILE["proofs"]["bad"], ids=lambda vector: vector["breaks"])
def test_bad_proof(vector: dict[str, Any]) -> None:
    """Both refuse the proof."""
    text, holder, case = vector["proof"], unbase64(vector["holder"]), requested(vector)
    refused = second_proof(text, holder, case)
    assert isinstance(refused, Refused)
    assert vector["reason"] in refused.reasons
    assert vault_proof(text, holder, case) == vector["reason"]


def verified(text: str) -> Verified:
    """A token of the corpus, as the vault sees it."""
    case = Case([])
    now, audience = case.now, case.audience
    return verify(
        text, issuers=RAW_ISSUERS, origin=case.origin, tenant=case.tenant, audience=audience, now_us=now
    )


def test_embedded_key() -> None:
    """Both take the last holder's key beside a token and no other, not even that of a link before."""
    for chain in corpus()[:24]:
        text = Case(chain).token()
        ours, theirs = verified(text), second_token(text, Case(chain), RAW_ISSUERS)
        named = [key for key in KEYS if {"jwk": key.jwk} == chain[-1].claims["cnf"]]
        for key in KEYS:
            if key in named:
                check_holder(ours, private_key(key.text))
                second_verifier.check_key(key.text, theirs)
                continue
            with pytest.raises(Denied, match="not the token's"):
                check_holder(ours, private_key(key.text))
            with pytest.raises(Refused, match="5: not the last"):
                second_verifier.check_key(key.text, theirs)


ORDER_TEXT = "_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE"
ODD_KEYS = [
    *(
        "",
        "A" * 42,
        "A" * 43 + "=",
        "A" * 42 + "B",
        "A" * 44,
        "P-256.",
        "P-256." + "A" * 43,
        "p-256." + "A" * 42 + "E",
    ),
    *(f"P-256.{ORDER_TEXT}", "P-256." + "_" * 42 + "8", f"P-256.{'A' * 42}", f"P-256. {'A' * 42}E", "é" * 43),
]


@pytest.mark.parametrize("text", ODD_KEYS)
def test_odd_private_key(text: str) -> None:
    """Neither reads a private key's text that is of a wrong size, out of range, or spelled otherwise."""
    with pytest.raises(Refused):
        second_verifier.public_of(text)
    with pytest.raises(Invalid):
        private_key(text)


@pytest.mark.parametrize("text", [key.text for key in KEYS] + [f"P-256.{'A' * 42}E", "A" * 43])
def test_good_private_key(text: str) -> None:
    """Both read the same public key from a private key's text."""
    assert second_verifier.public_of(text) == private_key(text).public


def report(tally: Tally) -> str:
    """The shares of both verdicts."""
    every = tally.accepted + tally.refused
    return f"{every} cases: {tally.accepted / every:.1%} accepted, {tally.refused / every:.1%} refused"


def demand_agreement(tally: Tally) -> None:
    """No case differs, and neither verdict is rare."""
    assert not tally.differ, tally.differ[:20]
    assert min(tally.accepted, tally.refused) > 0.05 * (tally.accepted + tally.refused)


def test_mutations(capsys: pytest.CaptureFixture[str]) -> None:
    """Of twenty thousand broken tokens and proofs each is judged alike, and no rule goes unasked."""
    tally = judged("ci", 0, IN_CI)
    with capsys.disabled():
        print(report(tally))  # noqa: T201  (the shares are wanted in the log)
    demand_agreement(tally)
    assert written_rules() <= tally.rules.keys()


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_million_mutations(capsys: pytest.CaptureFixture[str]) -> None:
    """So is a million of another seed each night."""
    seed, total = os.environ.get("CVAULT_SEED", "1"), Tally()
    starts = range(0, NIGHTLY, BATCH)
    begun = time.monotonic()
    with ProcessPoolExecutor() as pool:
        stops = [start + BATCH for start in starts]
        for tally in pool.map(judged, [seed] * len(starts), starts, stops):
            total.add(tally)
    with capsys.disabled():
        print(f"seed {seed}, {time.monotonic() - begun:.0f} s, {report(total)}")  # noqa: T201  (likewise)
    demand_agreement(total)
