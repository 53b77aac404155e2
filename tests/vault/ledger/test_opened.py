"""Bodies files: every line proves itself against the stub, and a file is there whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bodieskit import digest, raw, unboxed
from hypothesis import given
from hypothesis import strategies as st

from vault.crypto.boxes import Boxes, audit_key
from vault.errors import Tampered, Unavailable
from vault.ledger import opened, stub
from vault.ledger.opened import Header, Side
from vault.model import Who, Whom

HEADER = Header(
    format=opened.FORMAT, origin="o/main", audit="", size=3, first=1, last=2, disclose="both", sealed=False
)
words = st.text(st.characters(codec="utf-8"), max_size=20)


def entry(who: Who, whom: Whom) -> tuple[bytes, Side, Side]:
    """A true stub and both its sides, shown."""
    a, b = stub.who_bytes(who), stub.whom_bytes(whom)
    one, two = stub.digest(b"a" * 16, a), stub.digest(b"b" * 16, b)
    data = stub.encode(
        stub.Stub(
            c=stub.pack(stub.commitment(one, two)), g="", i=1, k="read", n="n1", r=stub.pack(bytes(16)), t=1
        )
    )
    return data, Side(digest=one, text=a, salt=b"a" * 16), Side(digest=two, text=b, salt=b"b" * 16)


def parts(line: bytes) -> dict[str, Any]:
    """A line read back."""
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    found: dict[str, Any] = json.loads(line)
    return found


@given(words, words, words, st.integers(0, 2**53 - 1), st.sets(st.sampled_from(["who", "whom"])))
def test_a_line_gives_back_the_exact_bytes(
    actor: str, case: str, detail: str, bits: int, shown: set[str]
) -> None:
    """Whatever the text, its side hashes to the digest; a side that is withheld is its digest alone."""
    show_who, show_whom = "who" in shown, "whom" in shown
    data, who, whom = entry(
        Who(actor=actor, role="r", purpose="p", clear=bits), Whom(case=case, detail=detail)
    )
    said = parts(
        opened.line(
            9,
            data,
            who if show_who else Side(digest=who.digest),
            whom if show_whom else Side(digest=whom.digest),
        )
    )
    assert list(said) == [
        "index", "who", "who_salt", "who_digest", "whom", "whom_salt", "whom_digest",
    ]  # fmt: skip
    assert (digest(said, "who"), digest(said, "whom")) == (who.digest, whom.digest)
    assert (said["who"] is not None, said["whom"] is not None) == (show_who, show_whom)
    if show_whom:
        assert json.loads(said["whom"])["case"] == case


def test_a_sealed_line_tells_its_index_alone() -> None:
    """The rest is in the box, which opens to the line in clear."""
    data, who, whom = entry(Who(actor="p-1", role="r", purpose="p"), Whom(subject="s-1"))
    said = parts(opened.line(4, data, who, whom, Boxes(b"k" * 32, "o/main", "au-1")))
    inside = unboxed({"origin": "o/main", "audit": "au-1"}, said, b"k" * 32)
    assert inside == parts(opened.line(4, data, who, whom))
    assert b"p-1" not in raw(said["box"])


def test_a_line_that_proves_nothing_is_not_written() -> None:
    """Sides of another entry are an integrity failure, at the entry's index."""
    data, who, whom = entry(Who(actor="p-1", role="r", purpose="p"), Whom())
    with pytest.raises(Tampered) as caught:
        opened.line(4, data, who, Side(digest=bytes(32)))
    assert caught.value.index == 4
    with pytest.raises(Tampered):
        opened.line(4, data, whom, who)


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """While it is written and after a failure there is nothing of its name, nor a draft; mode 0600."""
    path = tmp_path / "b.jsonl"
    with pytest.raises(Tampered), opened.bodies_file(path, HEADER) as file:
        file.write(opened.line(1, b"no stub", Side(digest=bytes(32)), Side(digest=bytes(32))))
    assert list(tmp_path.iterdir()) == []
    with opened.bodies_file(path, HEADER) as file:
        file.write(b"line\n")
        assert not path.exists()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["b.jsonl"]
    head, line = path.read_bytes().splitlines()
    assert list(json.loads(head)) == [
        "format", "origin", "audit", "size", "first", "last", "disclose", "sealed",
    ]  # fmt: skip
    assert line == b"line"
    with pytest.raises(Unavailable), opened.bodies_file(tmp_path / "none" / "b", HEADER):
        pass


VECTORS = Path(__file__).parents[2] / "vectors"


@pytest.mark.parametrize("disclose", ["who", "whom", "both"])
def test_vectors(disclose: str) -> None:
    """Each line is byte for byte the published one."""
    entries = json.loads((VECTORS / "log-entry.json").read_bytes())["entries"]
    lines = json.loads((VECTORS / "audit-bodies.json").read_bytes())["lines"][disclose]
    for index, (one, expected) in enumerate(zip(entries, lines, strict=True)):
        sides = {}
        for side in ("who", "whom"):
            shown = disclose in {side, "both"}
            sides[side] = Side(
                digest=bytes.fromhex(one[f"{side}_digest"]),
                text=one[f"{side}_bytes"].encode() if shown else None,
                salt=bytes.fromhex(one[f"{side}_salt"]) if shown else None,
            )
        made = opened.line(index, one["stub"].encode(), sides["who"], sides["whom"])
        assert made.decode() == expected + "\n"


def test_the_sealed_vector() -> None:
    """The key follows from the private key, tenant and audit; the box opens to the published line."""
    case = json.loads((VECTORS / "audit-bodies.json").read_bytes())["sealed"]
    key = audit_key(bytes.fromhex(case["audit_private"]), case["tenant"], case["audit"])
    assert key.hex() == case["audit_key"]
    assert unboxed(case, json.loads(case["line"]), key) == json.loads(case["opens_to"])
