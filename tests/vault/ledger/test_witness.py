"""The witness protocol: requests as published, and answers that are believed in nothing unsigned."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.crypto.sign import SigningKey
from vault.errors import Invalid
from vault.ledger import checkpoint, witness
from vault.ledger.checkpoint import Checkpoint
from vault.ledger.cosignature import WitnessKey

NOTE = checkpoint.sign(
    Checkpoint(origin="vault.example/log", size=70, root=bytes(range(32))), SigningKey.from_seed(bytes(32))
)
KEY = WitnessKey(name="w.example", public=SigningKey.from_seed(bytes([3]) * 32).public)
PATH = (
    "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=",
    "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=",
    "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=",
    "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=",
)
PUBLISHED = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9n"
    "To+zyWE+xeMcTOAYQ8=\n"
)


def test_the_published_request_is_made_byte_for_byte() -> None:
    """The example of tlog-witness, with the one signature line that a log of ours has."""
    path = [base64.b64decode(line) for line in PATH]
    wanted = "\n".join(("old 20852014", *PATH, "", PUBLISHED))
    assert witness.request(20852014, path, PUBLISHED) == wanted.encode()


def test_a_first_request_has_no_proof() -> None:
    """Old size 0, an empty line, the checkpoint; more than 63 lines of proof there never are."""
    assert witness.request(0, [], NOTE) == f"old 0\n\n{NOTE}".encode()
    with pytest.raises(Invalid):
        witness.request(1, [bytes(32)] * 64, NOTE)


@pytest.mark.parametrize(
    ("status", "body", "state", "why"),
    [(403, b"", "forbidden", "403"), (404, b"", "unknown", "404"), (422, b"", "forged", "422"),
     (200, b"", "failed", "garbage"), (400, b"", "failed", "400"), (500, b"", "failed", "500"),
     (301, b"", "failed", "301"), (409, b"", "failed", "garbage"), (409, b"12", "failed", "garbage"),
     (409, b"+12\n", "failed", "garbage"), (409, b"012\n", "failed", "garbage"),
     (409, b"12\n\n", "failed", "garbage"),
     (409, "１２\n".encode(), "failed", "garbage"), (409, b"9223372036854775808\n", "failed", "garbage")],
)  # fmt: skip
def test_what_answers_mean(status: int, body: bytes, state: str, why: str) -> None:
    """By status alone where nothing is signed; a size in any spelling but one is garbage."""
    found = witness.read(status, body, NOTE, KEY)
    assert (found.state, found.why, found.cosignature) == (state, why, None)


@given(st.integers(0, 2**63 - 1))
def test_a_stale_size_is_read(size: int) -> None:
    """Any that a log can have."""
    found = witness.read(409, b"%d\n" % size, NOTE, KEY)
    assert (found.state, found.size) == ("stale", size)


@given(st.binary(max_size=300))
def test_no_bytes_pass_for_a_cosignature(body: bytes) -> None:
    """Whatever comes with 200: without the witness's signature it is a failure."""
    assert witness.read(200, body, NOTE, KEY).state == "failed"


def test_addresses() -> None:
    """Addresses are https anywhere, http to this machine alone; neither user, query nor fragment."""
    assert witness.endpoint("https://w.example/a/b/") == "https://w.example/a/b/add-checkpoint"
    for good in ("http://localhost:8080", "http://127.0.0.1/w", "http://[::1]:9/"):
        assert witness.endpoint(good).endswith("/add-checkpoint")
    for bad in ("http://w.example/", "http://10.0.0.1/", "ftp://w.example/", "w.example", "", "https://",
                "https://u:p@w.example/", "https://w.example/?q", "https://w.example/?q=1", "https://w.example/#f",
                "http://localhost.example/", "http://127.0.0.1.example/", "https://[::1/", "https://w:99999/",
                "file:///etc/passwd"):  # fmt: skip
        with pytest.raises(Invalid):
            witness.endpoint(bad)
