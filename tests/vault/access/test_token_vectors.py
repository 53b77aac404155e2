"""The token vectors: chains that any implementation of docs/formats/token.md must take or refuse."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from vault.access.tokens import Verified, verify
from vault.crypto.sign import b64, unb64
from vault.errors import Denied

ROOT = Path(__file__).parents[3]
VECTORS = ROOT / "tests" / "vectors"
FILE: dict[str, Any] = json.loads((VECTORS / "token.json").read_text("utf-8"))


def checked(token: str) -> Verified:
    """The token as the vault of the vectors sees it."""
    return verify(
        token,
        issuers={kid: unb64(public) for kid, public in FILE["issuers"].items()},
        origin=FILE["origin"],
        tenant=FILE["tenant"],
        audience=frozenset({"masked", "clear"}),
        now_us=FILE["now"],
    )


@pytest.mark.parametrize("vector", FILE["good"])
def test_good_chain(vector: dict[str, Any]) -> None:
    """A good chain grants exactly what the vector says."""
    found, want = checked(vector["token"]), vector["grant"]
    grant = found.grant
    assert {name: view.name for name, view in (grant.fields or {}).items()} == want["fields"]
    assert sorted(grant.actions) == want["actions"]
    assert (sorted(grant.cases or ()), sorted(grant.audience)) == (want["cases"], want["audience"])
    assert (grant.not_before, grant.expires) == (want["not_before"], want["expires"])
    assert b64(found.holder) == want["holder"]
    assert [link.digest.hex() for link in grant.links] == [link["sha256"] for link in want["links"]]


@pytest.mark.parametrize("vector", FILE["bad"], ids=lambda vector: vector["breaks"])
def test_bad_chain(vector: dict[str, Any]) -> None:
    """A chain that breaks one rule is refused as invalid."""
    with pytest.raises(Denied) as caught:
        checked(vector["token"])
    assert caught.value.code == "token_invalid"


def test_generator_and_file_agree() -> None:
    """The generator makes the file again, byte for byte."""
    made = runpy.run_path(str(VECTORS / "make_token.py"))["generate"]()
    assert made == (VECTORS / "token.json").read_text("utf-8")


def test_page_shows_the_vector() -> None:
    """The worked example of the format page is the second vector."""
    page = (ROOT / "docs" / "formats" / "token.md").read_text("utf-8")
    first, second = FILE["good"][1]["token"].split("~")
    for link in (first, second):
        assert json.dumps(json.loads(unb64(link.split(".")[1])), indent=1) in page
    assert FILE["good"][1]["grant"]["links"][1]["sha256"] in page
