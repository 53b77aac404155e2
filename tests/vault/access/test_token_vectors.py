"""The token vectors: what any implementation of docs/formats/token.md must take or refuse."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import jwt
import pytest

from vault.access import proofs
from vault.access.tokens import Verified, verify
from vault.crypto.sign import b64, unb64
from vault.errors import Denied

ROOT = Path(__file__).parents[3]
VECTORS = ROOT / "tests" / "vectors"
FILE: dict[str, Any] = json.loads((VECTORS / "token.json").read_text("utf-8"))
MADE = runpy.run_path(str(VECTORS / "make_token.py"))


def checked(vector: dict[str, Any]) -> Verified:
    """The token as the vault of the vectors sees it."""
    return verify(
        vector["token"],
        issuers={kid: unb64(public) for kid, public in FILE["issuers"].items()},
        origin=FILE["origin"],
        tenant=FILE["tenant"],
        audience=frozenset(vector["audience"]),
        now_us=vector["now"],
    )


def proved(vector: dict[str, Any]) -> bytes:
    """The proof as the server of the vectors sees it."""
    return proofs.check(
        vector["proof"],
        unb64(vector["holder"]),
        token=vector["token"],
        method=vector["method"],
        url=vector["url"],
        body=unb64(vector["body"]),
        now_us=vector["now"],
        window_us=vector["window"],
    )


@pytest.mark.parametrize("vector", FILE["good"], ids=lambda vector: vector["name"])
def test_good_chain(vector: dict[str, Any]) -> None:
    """A good chain grants exactly what the vector says."""
    assert MADE["shown"](checked(vector)) == vector["grant"]


@pytest.mark.parametrize("vector", FILE["good"], ids=lambda vector: vector["name"])
def test_good_links_are_jws_to_others(vector: dict[str, Any]) -> None:
    """Every link of a good chain verifies with PyJWT, by the key that the grant names for it."""
    texts = vector["token"].split("~")
    kid = jwt.get_unverified_header(texts[0])["kid"]
    signers = [FILE["issuers"][kid], *(link["holder"] for link in vector["grant"]["links"])]
    for text, signer in zip(texts, signers, strict=False):
        raw = unb64(signer)
        parts = {"x": raw} if len(raw) == 32 else {"x": raw[1:33], "y": raw[33:]}
        kind = {"kty": "OKP", "crv": "Ed25519"} if len(raw) == 32 else {"kty": "EC", "crv": "P-256"}
        key = jwt.PyJWK({**kind, **{name: b64(part) for name, part in parts.items()}})
        jwt.PyJWS().decode(text, key.key, algorithms=[key.algorithm_name])


@pytest.mark.parametrize("vector", FILE["bad"], ids=lambda vector: vector["breaks"])
def test_bad_chain(vector: dict[str, Any]) -> None:
    """A chain that breaks one rule is refused, with the rule's reason."""
    with pytest.raises(Denied) as caught:
        checked(vector)
    assert caught.value.code == vector["reason"]


@pytest.mark.parametrize("vector", FILE["proofs"]["good"], ids=lambda vector: vector["name"])
def test_good_proof(vector: dict[str, Any]) -> None:
    """A good proof is taken, under the id that the vector says."""
    assert proved(vector).hex() == vector["id"]


@pytest.mark.parametrize("vector", FILE["proofs"]["bad"], ids=lambda vector: vector["breaks"])
def test_bad_proof(vector: dict[str, Any]) -> None:
    """A proof that breaks one rule is refused."""
    with pytest.raises(Denied) as caught:
        proved(vector)
    assert caught.value.code == vector["reason"]


def test_enough_and_each_once() -> None:
    """There are vectors of every sort, and no two break the same thing."""
    broken = [vector["breaks"] for vector in FILE["bad"]]
    assert len(set(broken)) == len(broken) >= 80
    assert {vector["reason"] for vector in FILE["bad"]} == {
        "token_invalid",
        "token_expired",
        "audience_denied",
    }
    assert len({vector["name"] for vector in FILE["good"]}) == len(FILE["good"]) >= 30


def test_generator_and_file_agree() -> None:
    """The generator makes the file again, byte for byte."""
    assert MADE["generate"]() == (VECTORS / "token.json").read_text("utf-8")


def test_page_shows_the_vector() -> None:
    """The worked example of the format page is the second vector."""
    page = (ROOT / "docs" / "formats" / "token.md").read_text("utf-8")
    first, second = FILE["good"][1]["token"].split("~")
    for link in (first, second):
        assert json.dumps(json.loads(unb64(link.split(".")[1])), indent=1) in page
    assert FILE["good"][1]["grant"]["links"][1]["sha256"] in page
