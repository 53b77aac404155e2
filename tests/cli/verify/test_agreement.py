"""The auditor's tool and the vault's own reader are written apart: on whatever they are given, they agree."""

from __future__ import annotations

import base64
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from auditkit import DAMAGED, ENTRIES, NOTE, OTHER, Auditor, Witness, pin, receipt, signed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs import KEY, ORIGIN, SALT, VKEY, WHOM, root_of, row

from cli import verify
from vault.errors import Tampered
from vault.ledger import note, proof
from vault.ledger.tiles import pack_entries
from vault.ledger.verify import Row, Verified
from vault.ledger.verify import verify as walk
from vault.merkle import leaf_hash

TRUST = verify.Trust([verify.vkey(VKEY.text(), 1)], {}, [], [])
MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FEW = settings(MANY, max_examples=80)
SMALL = ENTRIES[:5]
MARKS = [
    *(one.encode() for one in ("\n", "\n\n", " ", "=", "+", "/", "-", "A", "0", "9", "\0", "\r", "\x7f")),
    *(one.encode() for one in ("\x85", "\xa0", "— ", "é", "１", '"', "extra ", "index ")),
    b"\xff",
]


@st.composite
def mutated(draw: st.DrawFn, corpus: list[bytes], marks: list[bytes]) -> bytes:
    """Something true with up to three bytes or lines changed, taken away, doubled, moved or put in."""
    data = draw(st.sampled_from(corpus))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        lines = data.split(b"\n")
        line = draw(st.integers(0, len(lines) - 1))
        mark = draw(st.sampled_from(marks) | st.binary(min_size=1, max_size=2))
        kept, after = lines[:line], lines[line + 1 :]
        by_byte = [
            data[:at] + mark + data[at:],
            data[:at] + mark + data[at + 1 :],
            data[:at] + data[at + 1 :],
        ]
        by_line = [[*kept, *after], [*lines[: line + 1], *lines[line:]], [*kept, *after, lines[line]]]
        data = draw(st.sampled_from([*by_byte, data[:at], *map(b"\n".join, by_line)]))
    return data


def verdict(check: Callable[[], object]) -> object:
    """What a check gives, or None if it refuses."""
    try:
        return check()
    except (verify.Refused, Tampered, UnicodeDecodeError):
        return None


ROOT = NOTE.split("\n")[2]
BODIES = (
    "a\n\nb\n",
    "x\n",
    NOTE.split("\n\n")[0] + "\nextension\n",
    f"other.example/log\n1\n{ROOT}\n",
    f"{ORIGIN}\n0\n{ROOT}\n",
    f"{ORIGIN}\n01\n{ROOT}\n",
    f"{ORIGIN}\n{2**63}\n{ROOT}\n",
)
"""What the log's key might be made to sign that isn't this log's checkpoint, or barely."""

NOTES = [
    text.encode()
    for text in (
        NOTE,
        signed(SMALL),
        signed([]),
        Witness(1).cosign(NOTE),
        note.countersign(NOTE, "other.example/log", OTHER),
        note.countersign(NOTE, ORIGIN, KEY),
        NOTE.replace("\n\n", "\nextension\n\n"),
        NOTE + NOTE.split("\n\n")[1] * 99,
        *(note.sign(body, ORIGIN, KEY) for body in BODIES),
    )
]


@MANY
@given(mutated(NOTES, MARKS))
def test_notes_and_checkpoints(data: bytes) -> None:
    """Both open a note, or both refuse it; what they read out of it is the same."""
    mine = verdict(lambda: verify.open_note(data, TRUST.logs)[0])
    assert mine == verdict(lambda: note.open_note(data.decode(), [VKEY]))
    seen = verdict(lambda: verify.open_checkpoint(data, TRUST)[:3])
    point = verdict(lambda: proof.open_checkpoint(data.decode(), VKEY))
    assert seen == (point and (point.origin, point.size, point.root))  # type: ignore[attr-defined]


RECEIPTS = [receipt(SMALL, at, extra).encode() for at in range(5) for extra in (b"", b"\0more")]


@MANY
@given(mutated(RECEIPTS, MARKS), st.sampled_from(SMALL))
def test_receipts(data: bytes, entry: bytes) -> None:
    """Both take a receipt for an entry, or neither does."""

    def mine() -> tuple[object, ...]:
        found = verify.receipt(data, entry, TRUST)
        return found["origin"], found["size"], found["root"]

    point = verdict(lambda: proof.check(data.decode(), entry, VKEY))
    said = point and (point.origin, point.size, base64.b64encode(point.root).decode())  # type: ignore[attr-defined]
    assert verdict(mine) == said


def tail(stub: bytes, at: int, mark: bytes, cut: int) -> bytes:
    """A stub changed behind its commitment."""
    at = 49 + at % (len(stub) - 49)
    return stub[:at] + mark + stub[at + cut :]


@st.composite
def histories(draw: st.DrawFn) -> list[bytes]:
    """Entries of which some are changed, left out, doubled or moved."""
    stubs = list(ENTRIES[: draw(st.integers(1, 6))])
    for _ in range(draw(st.integers(0, 2))):
        at, other = draw(st.integers(0, len(stubs) - 1)), draw(st.integers(0, len(stubs) - 1))
        change = draw(st.integers(0, 5))
        if change == 0 and len(stubs) > 1:
            del stubs[at]
        elif change == 1:
            stubs.insert(other, stubs[at])
        elif change == 2:
            stubs[at], stubs[other] = stubs[other], stubs[at]
        elif change == 3:
            word = draw(st.sampled_from(["read", "deny", "config", "raed", "open"]))
            stubs[at] = stubs[at].replace(b"read", word.encode())
        elif change == 4:
            value = draw(st.sampled_from([0, 1, 2, 1_000_000, 2**53 - 1, 2**53, 10**16]) | st.integers(0, 10))
            name = draw(st.sampled_from([b'"i":', b'"t":']))
            stubs[at] = stubs[at].replace(
                name, name + str(value).encode() + draw(st.sampled_from([b"", b","])), 1
            )
        else:
            mark = draw(
                st.sampled_from([b"", b" ", b"0", b"1", b"n", b"_", b"-", b".", b"\n", b"\\u0041", b"\xff"])
            )
            stubs[at] = tail(stubs[at], draw(st.integers(0, 300)), mark, draw(st.integers(0, 2)))
    return stubs


def built(folder: Path, stubs: list[bytes]) -> Path:
    """An export of these entries, whatever they are: tree and signature are true."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in (("tile/0", b"".join(map(leaf_hash, stubs))), ("tile/entries", pack_entries(stubs))):
        (folder / name / "000.p").mkdir(parents=True)
        (folder / name / "000.p" / str(len(stubs))).write_bytes(data)
    (folder / "checkpoint").write_text(signed(stubs), "utf-8")
    return folder


def told(check: Callable[[], object]) -> object:
    """What was found, or the index of the first fault."""
    try:
        return check()
    except (verify.Refused, Tampered) as fault:
        return fault.index


@FEW
@given(histories())
def test_histories(tmp_path: Path, stubs: list[bytes]) -> None:
    """Both find a history in order and count the same kinds, or both name the same first entry at fault."""
    folder = built(tmp_path / "log", stubs)

    def mine() -> tuple[object, ...]:
        found = verify.Walk(str(folder), TRUST).run([])
        return found["size"], found["kinds"], found["last"]

    def theirs() -> tuple[object, ...]:
        rows = [
            Row(idx=at, stub=one, who=_who(one), who_salt=SALT, whom_digest=WHOM)
            for at, one in enumerate(stubs)
        ]
        done: Verified = walk(rows, head_size=len(stubs), head_root=root_of(stubs), checkpoints=[], vkey=VKEY)
        return done.size, done.kinds, done.last_t

    assert told(mine) == told(theirs)


def _who(stub: bytes) -> object:
    """The open columns that the stub's commitment was made of."""
    return next(row(at).who for at, one in enumerate(ENTRIES[:6]) if one[:49] == stub[:49])


FILES = [
    "checkpoint",
    "tile/0/000",
    "tile/0/002.p/88",
    "tile/1/000.p/2",
    "tile/entries/000",
    "tile/entries/002.p/88",
]


@FEW
@given(st.sampled_from(FILES), st.integers(0, 1 << 20), st.binary(max_size=3), st.integers(0, 3))
def test_no_byte_of_an_export_can_be_changed(
    copy: Path, log: Path, name: str, at: int, new: bytes, cut: int
) -> None:
    """Any change of any file is refused; a checkpoint that still says the same is no change."""
    old = (log / name).read_bytes()
    at %= len(old) + 1
    data = old[:at] + new + old[at + cut :]
    (copy / name).write_bytes(data)
    found = verdict(lambda: verify.Walk(str(copy), TRUST).run([]))
    (copy / name).write_bytes(old)
    assert (found is not None) == (data == old)


@FEW
@given(
    data=st.binary(max_size=200)
    | st.sampled_from(DAMAGED)
    | mutated([*NOTES[:3], *RECEIPTS[:2], pin(SMALL).encode()], MARKS)
)
def test_anything_at_all_ends_in_a_verdict(
    capsysbinary: pytest.CaptureFixture[bytes], log: Path, data: bytes
) -> None:
    """Whatever a file holds, the tool ends with 0, 2 or 5 and says why; it never falls over."""
    auditor = Auditor(capsysbinary)
    with tempfile.TemporaryDirectory() as folder:
        bad = Path(folder) / "bad"
        bad.write_bytes(data)
        key = ("--vkey", log / "log.vkey")
        commands = (
            ("proof", bad, *key),
            ("extends", bad, log),
            ("report", bad, *key),
            ("bodies", log, bad, "--key", bad),
            ("tree", folder, *key),
            ("tree", log, "--policy", bad),
            ("tree", log, "--vkey", bad),
        )
        for command in commands:
            assert auditor(*command).code in (0, 2, 5)
