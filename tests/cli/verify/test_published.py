"""Published values of C2SP, sum.golang.org and Tessera, byte for byte, in the auditor's tool and the ledger.

`tests/vectors/c2sp.json` has them and their sources. What is parsed is written again as the same bytes.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, Final

import pytest
from auditkit import Auditor
from logs import Log

from cli import verify
from vault.crypto.sign import SigningKey
from vault.errors import Invalid, Tampered
from vault.ledger import checkpoint, note, proof, tiles
from vault.ledger.export import export
from vault.ledger.note import VKey
from vault.merkle import leaf_hash

VECTORS: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "c2sp.json").read_text("utf-8")
)
NOTE, POINT, COSIGNED = (
    VECTORS[page] for page in ("signed-note.md", "tlog-checkpoint.md", "tlog-cosignature.md")
)
TESSERA: Final = VECTORS["tessera testdata/log"]
SUMDB: Final = VECTORS["torchwood sumdb.txt"]
RENAMED: Final = (
    POINT["note"]
    .replace("example.com/behind-the-sofa\n20", f"{POINT['signed_as']}\n20")
    .replace("— example.com/behind-the-sofa", f"— {POINT['signer']}")
)
"""The page's example is a head of sum.golang.org under another name; under its own, the signature is true."""

SIGNED: Final = [
    (NOTE["vkey"], NOTE["note"]),
    (POINT["vkey"], RENAMED),
    (SUMDB["vkey"], SUMDB["note"]),
    *((TESSERA["vkey"], text) for text in TESSERA["checkpoints"].values()),
]


def spelled(key: verify.Key) -> str:
    """A verifier key as one line, from the parts that the tool read."""
    return f"{key.name}+{key.id.hex()}+{base64.b64encode(bytes([key.kind]) + key.public).decode()}"


@pytest.mark.parametrize(("vkey", "text"), SIGNED)
def test_published_notes_verify_in_both(vkey: str, text: str) -> None:
    """Text, key and signature are read alike, written again alike, and refused once a byte differs."""
    mine, theirs = verify.vkey(vkey, 1), VKey.parse(vkey)
    assert spelled(mine) == theirs.text() == vkey
    body, signers = verify.open_note(text.encode(), [mine])
    assert body == note.open_note(text, [theirs])
    assert list(signers) == [mine]
    (line,) = note.split(text)[1]
    assert f"{body}\n— {line[0]} {note.to_base64(line[1] + line[2])}\n" == text
    other = text.replace(body[0], "X", 1)
    with pytest.raises(verify.Refused):
        verify.open_note(other.encode(), [mine])
    with pytest.raises(Tampered):
        note.open_note(other, [theirs])


@pytest.mark.parametrize("text", [RENAMED, SUMDB["note"], *TESSERA["checkpoints"].values()])
def test_published_checkpoints_are_written_again(text: str) -> None:
    """Origin, size and root are read alike, and their three lines come out as they went in."""
    body = text.partition("\n\n")[0] + "\n"
    mine, theirs = verify.three_lines(body), checkpoint.Checkpoint.parse(body)
    assert (mine.origin, mine.size, mine.root) == (theirs.origin, theirs.size, theirs.root)
    assert f"{mine.origin}\n{mine.size}\n{base64.b64encode(mine.root).decode()}\n" == theirs.text() == body


@pytest.mark.parametrize("page", ["signed-note.md", "tlog-checkpoint.md", "tlog-cosignature.md"])
def test_examples_without_a_key_are_well_formed_and_vouch_for_nothing(page: str) -> None:
    """They are taken apart, and refused because no trusted key has signed them."""
    text, key = VECTORS[page].get("unkeyed", VECTORS[page]["note"]), SIGNED[0][0]
    assert note.split(text)[1]
    with pytest.raises(verify.Refused, match="no trusted key"):
        verify.open_note(text.encode(), [verify.vkey(key, 1)])
    with pytest.raises(Tampered, match="no trusted key"):
        note.open_note(text, [VKey.parse(key)])


def test_the_cosignatures_example_has_the_pages_time_and_message() -> None:
    """tlog-cosignature.md: the line's time is the one in the message printed beside it; 8 bytes, then 64."""
    _, witness = note.split(COSIGNED["note"])[1]
    time = int.from_bytes(witness[2][:8], "big")
    body = COSIGNED["note"].partition("\n\n")[0] + "\n"
    assert len(witness[2]) == 72
    assert f"cosignature/v1\ntime {time}\n{body}" == COSIGNED["message"]


def test_cosignatures_of_public_witnesses_verify() -> None:
    """A public log's checkpoint, as three public witnesses cosigned it, under their published keys."""
    real = VECTORS["public witnesses"]
    body, lines = note.split(real["note"])
    signatures = {name: signature for name, _, signature in lines}
    for text in real["vkeys"]:
        key = verify.vkey(text, 4)
        assert spelled(key) == text
        assert verify.signed(body, key, signatures[key.name]) == real["time"]
        with pytest.raises(verify.Refused):
            verify.signed(body.replace("1432088532", "1432088533"), key, signatures[key.name])


def test_the_receipts_example_is_refused_for_what_it_elides(auditor: Auditor, tmp_path: Path) -> None:
    """tlog-proof.md shortens its signatures: all before them is read and written again, the whole refused."""
    text = VECTORS["tlog-proof.md"]["receipt"]
    header, _, index, *path = text.partition("\n\n")[0].split("\n")
    assert (header, index) == (proof.HEADER, "index 73894")
    assert all(len(verify.unbase64(line, 32)) == len(note.from_base64(line)) == 32 for line in path)
    assert proof.Proof.parse(text).text() == text
    with pytest.raises(Tampered):
        proof.check(text, b"", VKey.parse(NOTE["vkey"]))
    (tmp_path / "r").write_text(text, "utf-8")
    (tmp_path / "log.vkey").write_text(NOTE["vkey"], "utf-8")
    assert auditor("proof", tmp_path / "r").code == 5


def test_tesseras_log_is_made_again_byte_for_byte(tmp_path: Path) -> None:
    """Its entries give its tiles, roots and, under its published test key, its signed checkpoints."""
    entries = tiles.unpack_entries(bytes.fromhex(TESSERA["entries"]))
    key = SigningKey.from_seed(bytes.fromhex(TESSERA["seed"]))
    for number, text in TESSERA["checkpoints"].items():
        size = int(number)
        point = checkpoint.open_checkpoint(text, VKey.parse(TESSERA["vkey"]))
        assert checkpoint.sign(point, key) == text
        export(tmp_path / number, Log(entries[:size]), size, text)
        mine = verify.Tree(str(tmp_path / number), size)
        leaves = [verify.leaf(entry) for entry in entries[:size]]
        if leaves:
            mine.grow(0, leaves)
        assert mine.root() == point.root
        if number in TESSERA["tiles"]:
            assert (tmp_path / number / f"tile/0/000.p/{number}").read_bytes().hex() == TESSERA["tiles"][
                number
            ]
    assert (tmp_path / "15/tile/entries/000.p/15").read_bytes().hex() == TESSERA["entries"]


def test_tiles_lie_where_the_page_puts_them(tmp_path: Path) -> None:
    """tlog-tiles.md: the path of tile 1,234,067, and the tiles of a log of 70,000."""
    page = VECTORS["tlog-tiles.md"]
    for index, path in page["paths"].items():
        assert tiles.tile_path(0, int(index)) == f"tile/0/{path}"
        (tmp_path / "tile/0" / path).parent.mkdir(parents=True)
        (tmp_path / "tile/0" / path).write_bytes(bytes(8192))
        assert verify.Tree(str(tmp_path), 256 * (int(index) + 1)).tile(0, int(index)) == bytes(8192)
    for level, (full, edge) in page["tiles"].items():
        for number, width in ((full, edge), (full - 1, 256)):
            if number < 0:
                continue
            with pytest.raises(verify.Refused):
                verify.Tree(str(tmp_path), page["size"]).tile(int(level), number)
            there = tmp_path / tiles.tile_path(int(level), number, width)
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(bytes(32 * width))
            assert len(verify.Tree(str(tmp_path), page["size"]).tile(int(level), number)) == 32 * width


@pytest.mark.parametrize("change", ["name", "id", "kind", "key", "pad", "case"])
def test_mangled_keys_are_refused_by_both(change: str) -> None:
    """One spelling of a verifier key: name, lowercase id that fits, type 1, 32 bytes, canonical base64."""
    name, key_id, rest = NOTE["vkey"].split("+", 2)
    mangled = {
        "name": f"{name}x+{key_id}+{rest}",
        "id": f"{name}+530d903b+{rest}",
        "kind": f"{name}+{key_id}+B{rest[1:]}",
        "key": f"{name}+{key_id}+{rest[:-4]}",
        "pad": f"{name}+{key_id}+{rest}=",
        "case": f"{name}+530D903A+{rest}",
    }[change]
    with pytest.raises(verify.Unreadable):
        verify.vkey(mangled, 1)
    with pytest.raises(Invalid):
        VKey.parse(mangled)


def test_leaf_hashes_agree() -> None:
    """RFC 6962 2.1 in both: the hash of an empty leaf is the one that everybody publishes."""
    empty = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert verify.leaf(b"").hex() == leaf_hash(b"").hex() == empty
