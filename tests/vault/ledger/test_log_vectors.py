"""The vector files and the format pages: the code, the files and the prose say the same bytes.

What can be derived with the standard library alone is derived so, not by the code under test.
"""

import hashlib
import hmac
import json
import re
import runpy
from base64 import b64decode, urlsafe_b64decode
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.vault.ledger.logs import Log
from vault.errors import Tampered
from vault.ledger import checkpoint, proof, stub, tiles
from vault.ledger.note import VKey
from vault.model import ENTRY_KINDS, Who, Whom

ROOT = Path(__file__).parents[3]
VECTORS = ROOT / "tests" / "vectors"
PAGES = ROOT / "docs" / "formats"


def load(name: str) -> Any:
    """A vector file."""
    return json.loads((VECTORS / f"log-{name}.json").read_text(encoding="utf-8"))


ENTRY, CHECKPOINT, RECEIPT, TILES = map(load, ("entry", "checkpoint", "receipt", "tiles"))
VKEY = VKey.parse(CHECKPOINT["vkey"])


def page(name: str) -> str:
    """A format page."""
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


def canonical(value: object) -> str:
    """RFC 8785 in our narrow profile, by the standard library."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def mth(leaves: list[bytes]) -> bytes:
    """The root over leaf hashes, as RFC 6962 2.1 defines it."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def test_generator_and_files_agree() -> None:
    """The generator writes just what is in the repository."""
    made = runpy.run_path(str(VECTORS / "generate_log.py"))["build"]()
    assert sorted(made) == sorted(path.name for path in VECTORS.glob("log-*.json"))
    for name, text in made.items():
        assert (VECTORS / name).read_text(encoding="utf-8") == text


@pytest.mark.parametrize("entry", ENTRY["entries"], ids=lambda entry: entry["who"]["actor"])
def test_entries_by_the_page_alone(entry: dict[str, Any]) -> None:
    """Digests, commitment, stub and leaf hash follow from the page's words, and the code agrees."""
    digests = []
    for part in ("who", "whom"):
        data = canonical(entry[part])
        made = hmac.new(bytes.fromhex(entry[f"{part}_salt"]), data.encode(), hashlib.sha256)
        assert (entry[f"{part}_bytes"], entry[f"{part}_digest"]) == (data, made.hexdigest())
        digests.append(made.digest())
    commitment = hashlib.sha256(b"cvault/entry/v1\x00" + b"".join(digests)).hexdigest()
    fields = json.loads(entry["stub"])
    assert entry["commitment"] == commitment == urlsafe_b64decode(fields["c"] + "=").hex()
    assert canonical(fields) == entry["stub"]
    assert entry["leaf"] == hashlib.sha256(b"\x00" + entry["stub"].encode()).hexdigest()
    one = stub.decode(entry["stub"].encode())
    assert (one.commitment.hex(), one.tag.hex(), one.request.hex()) == (
        commitment,
        entry["tag"],
        entry["request"],
    )
    stub.check_who(one, msgspec.convert(entry["who"], Who), bytes.fromhex(entry["who_salt"]), digests[1])
    stub.check_whom(one, msgspec.convert(entry["whom"], Whom), bytes.fromhex(entry["whom_salt"]), digests[0])


@pytest.mark.parametrize("case", ENTRY["refused"], ids=lambda case: case["why"])
def test_refused_stubs(case: dict[str, str]) -> None:
    """Each is refused, and is not the good one."""
    assert case["text"] != ENTRY["entries"][1]["stub"]
    with pytest.raises(Tampered):
        stub.decode(case["text"].encode())


@pytest.mark.parametrize("case", CHECKPOINT["checkpoints"], ids=lambda case: str(case["size"]))
def test_checkpoints(case: dict[str, Any]) -> None:
    """Each opens under the key, and its root is that of the first entries."""
    leaves = [bytes.fromhex(entry["leaf"]) for entry in ENTRY["entries"]]
    cp = checkpoint.open_checkpoint(case["note"], VKEY)
    assert (cp.origin, cp.size, cp.root.hex()) == ("vault.example/main", case["size"], case["root"])
    assert cp.root == mth(leaves[: cp.size])


@pytest.mark.parametrize("case", CHECKPOINT["refused"], ids=lambda case: case["why"])
def test_refused_checkpoints(case: dict[str, str]) -> None:
    """Each is refused, and is not the good one."""
    assert case["text"] != CHECKPOINT["checkpoints"][-1]["note"]
    with pytest.raises(Tampered):
        checkpoint.open_checkpoint(case["text"], VKEY)


def test_receipts() -> None:
    """Each proves its own entry and not its neighbour's."""
    receipts = RECEIPT["receipts"]
    for at, case in enumerate(receipts):
        assert proof.check(case["receipt"], case["entry"].encode(), VKEY).size == len(receipts)
        with pytest.raises(Tampered):
            proof.check(case["receipt"], receipts[at - 1]["entry"].encode(), VKEY)


@pytest.mark.parametrize("case", RECEIPT["refused"], ids=lambda case: case["why"])
def test_refused_receipts(case: dict[str, str]) -> None:
    """Each is refused, and is not the good one."""
    good = RECEIPT["receipts"][1]
    assert case["text"] != good["receipt"]
    with pytest.raises(Tampered):
        proof.check(case["text"], good["entry"].encode(), VKEY)


def test_tiles_by_the_page_alone() -> None:
    """Both exports' files follow from the page's words."""
    assert {index: tiles.tile_path(0, int(index)) for index in TILES["paths"]} == TILES["paths"]
    stubs = [entry["stub"].encode() for entry in ENTRY["entries"]]
    export = {path: bytes.fromhex(data) for path, data in TILES["export"].items()}
    assert export == {
        "checkpoint": CHECKPOINT["checkpoints"][-1]["note"].encode(),
        "tile/0/000.p/5": b"".join(bytes.fromhex(entry["leaf"]) for entry in ENTRY["entries"]),
        "tile/entries/000.p/5": b"".join(len(one).to_bytes(2, "big") + one for one in stubs),
    }
    plain = [b"entry %d" % number for number in range(600)]
    leaves = [hashlib.sha256(b"\x00" + one).digest() for one in plain]
    digests = TILES["plain_export"]
    for number, name in ((0, "000"), (1, "001"), (2, "002.p/88")):
        part = slice(number * 256, number * 256 + 256)
        bundle = b"".join(len(one).to_bytes(2, "big") + one for one in plain[part])
        assert digests[f"tile/0/{name}"] == hashlib.sha256(b"".join(leaves[part])).hexdigest()
        assert digests[f"tile/entries/{name}"] == hashlib.sha256(bundle).hexdigest()
    above = mth(leaves[:256]) + mth(leaves[256:512])
    assert digests["tile/1/000.p/2"] == hashlib.sha256(above).hexdigest()
    assert len(digests) == 8
    assert tiles.Hashes(Log(plain), 600).root_at(600) == mth(leaves)


def test_the_pages_show_the_vectors() -> None:
    """Every worked example stands in its page, byte for byte."""
    entry = ENTRY["entries"][1]
    text = page("log-entry")
    for name in ("who_salt", "who_digest", "whom_salt", "whom_digest", "commitment", "leaf"):
        assert f"`{entry[name]}`" in text
    for name in ("who_bytes", "whom_bytes", "stub"):
        assert f"```\n{entry[name]}\n```" in text
    note = CHECKPOINT["checkpoints"][-1]["note"]
    text = page("checkpoint")
    assert f"`{CHECKPOINT['seed']}`" in text
    assert f"```\n{CHECKPOINT['vkey']}\n```" in text
    assert f"```\n{note}```" in text
    assert f"```\n{RECEIPT['receipts'][1]['receipt']}```" in page("receipt")
    text = page("tiles")
    assert re.findall(r"^[0-9a-f]{64}$", text, re.MULTILINE) == [one["leaf"] for one in ENTRY["entries"]]
    begin = TILES["export"]["tile/entries/000.p/5"][:24]
    assert f"```\n{begin}\n```" in text
    assert f"length, {int(begin[:4], 16)}, and its first bytes `{bytes.fromhex(begin[4:]).decode()}`" in text


def test_the_page_s_grammar_is_the_code_s() -> None:
    """The last characters named by the page are those whose spare bits are zero; the kinds are all usable."""
    text = page("log-entry")
    for name, width, spare in (("last2", 32, 2), ("last4", 16, 4)):
        listed = re.search(rf"{name}  ?= one of (\S+)", text)
        assert listed
        for char in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
            coded = "A" * (width * 8 // 6) + char
            value = int.from_bytes(b64decode("AAA" + char, altchars=b"-_"), "big")
            assert (char in listed[1]) == (value % (1 << spare) == 0)
            assert (char in listed[1]) == (stub.pack(stub.unpack(coded)) == coded)
    for kind in ENTRY_KINDS:
        one = msgspec.structs.replace(stub.decode(ENTRY["entries"][0]["stub"].encode()), k=kind)
        assert stub.decode(stub.encode(one)).k == kind
