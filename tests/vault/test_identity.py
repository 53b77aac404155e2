"""Principal files and their public halves: two kinds of key, one spelling."""

from __future__ import annotations

import json

import msgspec
import pytest

from vault.crypto.sign import ALGORITHMS, verify
from vault.errors import Invalid
from vault.identity import Candidate, Identity


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_files_read_back(algorithm: str) -> None:
    """A principal file and its candidate survive, name the same key, and print nothing of it."""
    identity = Identity.fresh(algorithm)
    assert json.loads(identity.to_json()).keys() == {"principal", "key"}
    assert Identity.from_json(identity.to_json()) == identity
    candidate = Candidate.from_json(msgspec.json.encode(identity.candidate))
    assert candidate == identity.candidate
    verify(candidate.key(), identity.signing.sign(b"x"), b"x")
    marked = [text.startswith("P-256.") for text in (identity.key, candidate.public)]
    assert marked == [algorithm == "P-256"] * 2
    assert identity.key not in repr(identity) + str(identity)


def test_no_other_algorithm() -> None:
    """An unknown kind of key is refused."""
    with pytest.raises(Invalid):
        Identity.fresh("RSA")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_files_that_are_none(algorithm: str) -> None:
    """A key of another spelling or length, or an id that is none, is refused by the file's name."""
    identity = Identity.fresh(algorithm)
    for key in ("", identity.key + "=", identity.key[:-2], f"p-256.{identity.key}", "P-256." + "A" * 43):
        bad = msgspec.structs.replace(identity, key=key)
        with pytest.raises(Invalid) as caught:
            Identity.from_json(bad.to_json())
        assert caught.value.code == "invalid_principal"
    public = identity.candidate.public
    for change in ({"public": public + "="}, {"public": public[:-1]}, {"public": ""}, {"principal": "p-1"},
                   {"public": "P-256." + public}):  # fmt: skip
        bad_half = msgspec.structs.replace(identity.candidate, **change)
        with pytest.raises(Invalid) as caught:
            Candidate.from_json(msgspec.json.encode(bad_half))
        assert caught.value.code == "invalid_principal"
