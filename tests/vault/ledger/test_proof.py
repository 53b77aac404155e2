"""Receipts: they prove one entry at one place, offline, or raise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault import merkle
from vault.crypto.sign import SigningKey
from vault.errors import Invalid, Tampered
from vault.ledger import checkpoint, note, proof
from vault.ledger.checkpoint import Checkpoint
from vault.ledger.note import VKey

KEY = SigningKey.from_seed(bytes(32))
ORIGIN = "vault.example/log"
VKEY = VKey(name=ORIGIN, public=KEY.public)


def node_of(entries: list[bytes]) -> merkle.Node:
    """Complete subtrees by appending their leaves."""

    def node(level: int, index: int) -> bytes:
        frontier = merkle.Frontier()
        frontier.append_many(map(merkle.leaf_hash, entries[index << level : (index + 1) << level]))
        return frontier.root()

    return node


def receipt(size: int, index: int, extra: bytes = b"") -> str:
    """The receipt of one entry of a small log."""
    entries = [b"entry %d" % number for number in range(size)]
    node = node_of(entries)
    cp = Checkpoint(origin=ORIGIN, size=size, root=merkle.subtree_root(0, size, node))
    return proof.make(index, merkle.inclusion_path(index, size, node), checkpoint.sign(cp, KEY), extra)


GOOD = receipt(11, 4, b"note")


@given(st.integers(1, 40), st.data(), st.binary(max_size=20))
def test_a_receipt_proves_its_entry_alone(size: int, data: st.DataObject, extra: bytes) -> None:
    """It checks for its entry and for no other, and reads back part by part."""
    index = data.draw(st.integers(0, size - 1))
    text = receipt(size, index, extra)
    assert proof.check(text, b"entry %d" % index, VKEY).size == size
    parsed = proof.Proof.parse(text)
    assert (parsed.index, parsed.extra, parsed.text()) == (index, extra, text)
    with pytest.raises(Tampered):
        proof.check(text, b"entry %d" % (index + 1), VKEY)


def test_the_layout_is_the_specification_s() -> None:
    """Header, extra, index, path, blank line, checkpoint verbatim."""
    lines = GOOD.split("\n")
    assert lines[:3] == ["c2sp.org/tlog-proof@v1", "extra bm90ZQ==", "index 4"]
    assert [len(line) for line in lines[3:8]] == [44, 44, 44, 44, 0]
    assert lines[8:10] == [ORIGIN, "11"]


@pytest.mark.parametrize(
    "text",
    ["", GOOD[:-1], GOOD.replace("@v1", "@v2"), "\n" + GOOD, GOOD.replace("extra bm90ZQ==\n", "extra \n"),
     GOOD.replace("bm90ZQ==", "bm90ZQ"), GOOD.replace("index 4", "index 04"),
     GOOD.replace("index 4", "index 5"),
     GOOD.replace("index 4", "index  4"), GOOD.replace("index 4", f"index {2**63}"),
     GOOD.replace("index 4\n", ""),
     GOOD.replace("index", "place"), GOOD.replace("\n\n", "\n\n\n", 1), GOOD.replace("\n\n", "\n", 1),
     GOOD.replace("\n\n", "\n" + ("A" * 43 + "=\n") * 64 + "\n", 1), GOOD.replace("\n\n", "\nAAAA\n\n", 1),
     GOOD.replace("\n11\n", "\n12\n"), GOOD.replace(ORIGIN, "vault.example/other"),
     GOOD.replace("extra bm90ZQ==\nindex 4\n", "index 4\nextra bm90ZQ==\n"), "c2sp.org/tlog-proof@v1",
     GOOD.replace("bm90ZQ==", note.to_base64(bytes((1 << 16) + 1)))],
)  # fmt: skip
def test_malformed_or_false_receipts_are_refused(text: str) -> None:
    """Each malformed or altered form raises."""
    assert text != GOOD
    with pytest.raises(Tampered):
        proof.check(text, b"entry 4", VKEY)


def test_extra_data_is_not_authenticated() -> None:
    """As the specification says: extra may be changed freely, and nothing may rest on it."""
    assert proof.check(GOOD.replace("bm90ZQ==", "bm90YQ=="), b"entry 4", VKEY).size == 11


def test_the_widest_receipt_reads() -> None:
    """63 hashes and 64 KiB of extra data are within the limits."""
    text = proof.make(0, [bytes(32)] * 63, proof.Proof.parse(GOOD).note, bytes(1 << 16))
    parsed = proof.Proof.parse(text)
    assert (len(parsed.path), len(parsed.extra)) == (63, 1 << 16)


def test_another_log_s_key_does_not_check() -> None:
    """A receipt checks under its own log's key only."""
    stranger = VKey(name=ORIGIN, public=SigningKey.from_seed(bytes([7]) * 32).public)
    with pytest.raises(Tampered):
        proof.check(GOOD, b"entry 4", stranger)


def test_an_unfit_receipt_is_never_made() -> None:
    """An index outside the tree, a short hash, a long path or long extra data raises."""
    cp = proof.Proof.parse(GOOD).note
    for index, path, extra in (
        (11, [], b""), (-1, [], b""), (0, [b"short"], b""), (0, [bytes(32)] * 64, b""),
        (0, [], bytes((1 << 16) + 1)),
    ):  # fmt: skip
        with pytest.raises(Invalid):
            proof.make(index, path, cp, extra)
    with pytest.raises(Tampered):
        proof.make(0, [], "not a note")
