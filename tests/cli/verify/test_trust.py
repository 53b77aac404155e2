"""`cvault-verify`: whose keys and witnesses count, and files that are none."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
from pathlib import Path

import pytest
from auditkit import (
    DAMAGED,
    NOTE,
    OTHER,
    Auditor,
    Witness,
)
from logs import KEY, ORIGIN, VKEY

from vault.ledger import checkpoint, note
from vault.ledger.checkpoint import Checkpoint
from vault.ledger.note import VKey


def test_after_a_rotation_the_key_file_holds_both_keys(auditor: Auditor, log: Path, tmp_path: Path) -> None:
    """A checkpoint under either key of the log opens; one under neither doesn't."""
    new = VKey(name=ORIGIN, public=OTHER.public)
    (tmp_path / "keys").write_text(f"{new.text()}\n{VKEY.text()}\n", "ascii")
    (tmp_path / "new").write_text(new.text(), "ascii")
    assert auditor("tree", log, "--vkey", tmp_path / "keys").code == 0
    assert auditor("tree", log, "--vkey", tmp_path / "new").fault == (5, None)


W = [Witness(number) for number in range(1, 5)]
LINES = "".join(f"witness w{n} {w.vkey} https://w{n}.example/\n" for n, w in enumerate(W, 1))
QUORUM = f"# 2 of 3, and the fourth\n{LINES}group some 2 w1 w2 w3\n\tgroup\tboth all some w4\n\nquorum both\n"


@pytest.mark.parametrize(
    ("policy", "who", "code"),
    [
        (QUORUM, (0, 1, 3), 0),
        (QUORUM, (0, 1, 2, 3), 0),
        (QUORUM, (0, 3), 5),
        (QUORUM, (0, 1, 2), 5),
        (QUORUM, (), 5),
        (f"{LINES}group one any w1 w2\nquorum one\n", (1,), 0),
        (f"{LINES}quorum w4\n", (0, 1, 2), 5),
        (f"log {VKEY.text()}\nquorum none\n", (), 0),
    ],
)
def test_a_policys_quorum_is_demanded(
    auditor: Auditor, copy: Path, tmp_path: Path, policy: str, who: tuple[int, ...], code: int
) -> None:
    """c2sp.org/tlog-policy: groups of groups, `any`, `all` and numbers; the witnesses' times are shown."""
    text = NOTE
    for number in who:
        text = W[number].cosign(text, 1_700_000_000 + number)
    (copy / "checkpoint").write_text(text, "utf-8")
    (tmp_path / "policy").write_text(policy, "utf-8")
    told = auditor("tree", copy, "--policy", tmp_path / "policy")
    assert told.code == code
    if not code and "w1" in policy:
        seen = {W[number].name: 1_700_000_000 + number for number in who}
        assert told.json["cosigned"] == seen


def test_a_bad_cosignature_of_a_known_witness_spoils_the_note(
    auditor: Auditor, copy: Path, tmp_path: Path
) -> None:
    """Even where the quorum is reached without it; an unknown witness is passed over."""
    (tmp_path / "policy").write_text(f"{LINES}quorum none\n", "utf-8")
    (copy / "checkpoint").write_text(Witness(9).cosign(NOTE), "utf-8")
    assert auditor("tree", copy, "--policy", tmp_path / "policy").code == 0
    good = W[0].cosign(NOTE, 1_700_000_000)
    late = W[0].cosign(NOTE, 1_700_000_001)
    mixed = good[:-40] + late[-40:]
    (copy / "checkpoint").write_text(mixed, "utf-8")
    assert auditor("tree", copy, "--policy", tmp_path / "policy").code == 5


def test_a_witnesss_time_is_below_2_63(auditor: Auditor, copy: Path, tmp_path: Path) -> None:
    """c2sp.org/tlog-cosignature: from 1; the greatest time is shown as it stands, one more is refused."""
    (tmp_path / "policy").write_text(f"witness w {W[0].vkey}\nquorum w\n", "utf-8")
    for time, code in ((2**63 - 1, 0), (2**63, 5), (1, 0), (0, 5)):
        (copy / "checkpoint").write_text(W[0].cosign(NOTE, time), "utf-8")
        assert auditor("tree", copy, "--policy", tmp_path / "policy").code == code
    (copy / "checkpoint").write_text(W[0].cosign(NOTE, 2**63 - 1), "utf-8")
    assert str(2**63 - 1) in auditor.plain("tree", copy, "--policy", tmp_path / "policy").out


@pytest.mark.parametrize(("lines", "code"), [(100, 0), (101, 5)])
def test_a_note_has_at_most_100_signatures(auditor: Auditor, copy: Path, lines: int, code: int) -> None:
    """docs/formats/checkpoint.md, "A reader MUST" 1."""
    (copy / "checkpoint").write_text(NOTE + NOTE.split("\n\n")[1] * (lines - 1), "utf-8")
    assert auditor("tree", copy).code == code


@pytest.mark.parametrize(
    "policy",
    [
        "",
        "quorum none\nquorum none\n",
        "quorum w1\n",
        f"quorum w1\n{LINES}",
        f"{LINES}{LINES}quorum none\n",
        f"{LINES}group g 4 w1 w2\nquorum g\n",
        f"{LINES}group g 0 w1\nquorum g\n",
        f"{LINES}group g any none\nquorum g\n",
        f"{LINES}group g any w1\ngroup h any w1\nquorum g\n",
        f"{LINES}group w1 any w2\nquorum w1\n",
        "quorum none\r\n",
        f"witness none {W[0].vkey}\nquorum none\n",
        f"log {W[0].vkey}\nquorum none\n",
        "quorum none\nwitnes x y\n",
        f"witness w1 {VKEY.text()}\nquorum none\n",
        f"witness a {W[0].vkey}\nwitness b {W[0].vkey}\nquorum none\n",
    ],
)
def test_a_policy_that_says_something_else_than_it_seems_is_refused(
    auditor: Auditor, log: Path, tmp_path: Path, policy: str
) -> None:
    """Two quorums, a name or member twice, what comes later, what can't be reached: a slip, 2."""
    (tmp_path / "policy").write_bytes(policy.encode())
    assert auditor("tree", log, "--policy", tmp_path / "policy").fault == (2, None)


def test_a_log_is_no_witness_of_its_own(auditor: Auditor, copy: Path, tmp_path: Path) -> None:
    """A policy that lists the log's key as a witness's is refused, wherever the log's key comes from."""
    raw = b"\x04" + VKEY.public
    key_id = hashlib.sha256(f"{ORIGIN}\n".encode() + raw).digest()[:4]
    own = f"{ORIGIN}+{key_id.hex()}+{base64.b64encode(raw).decode()}"
    text, _ = note.split(NOTE)
    signature = KEY.sign(f"cosignature/v1\ntime 9\n{text}".encode())
    line = base64.b64encode(key_id + (9).to_bytes(8, "big") + signature).decode()
    (copy / "checkpoint").write_text(f"{NOTE}— {ORIGIN} {line}\n", "utf-8")
    for log in ("", f"log {VKEY.text()}\n"):
        (tmp_path / "policy").write_text(f"{log}witness w {own}\nquorum w\n", "utf-8")
        assert auditor("tree", copy, "--policy", tmp_path / "policy").fault == (2, None)


def test_a_quorum_of_none_is_said_to_be_none(auditor: Auditor, log: Path, tmp_path: Path) -> None:
    """It asks for nobody, so that nothing is known of what others are shown; a note says so."""
    (tmp_path / "policy").write_text(f"log {VKEY.text()}\n{LINES}quorum none\n", "utf-8")
    notes = auditor("tree", log, "--policy", tmp_path / "policy").json["notes"]
    assert any("quorum is none" in one for one in notes)


def test_a_key_the_policy_doesnt_know_is_none(auditor: Auditor, log: Path, tmp_path: Path) -> None:
    """Where both are given, a log's key must be in both."""
    other = VKey(name=ORIGIN, public=OTHER.public).text()
    (tmp_path / "policy").write_text(f"log {other}\nquorum none\n", "utf-8")
    key = ("--vkey", log / "log.vkey")
    assert auditor("tree", log, "--policy", tmp_path / "policy", *key).fault == (2, None)
    assert auditor("tree", log, "--policy", tmp_path / "policy").fault == (5, None)


def test_missing_and_unreadable_files_are_2(auditor: Auditor, log: Path, tmp_path: Path) -> None:
    """A folder, a pipe, a loop of links, nothing at all: 2, at once, and never a traceback."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in (tmp_path, tmp_path / "pipe", tmp_path / "loop", tmp_path / "none", "a\0b"):
        for command in (
            ("tree", log, "--vkey", name),
            ("proof", name),
            ("extends", name, log),
            ("report", name),
            ("bodies", log, name),
            ("tree", log, "--policy", name),
        ):
            assert auditor(*command).fault == (2, None), command
    assert auditor("tree", tmp_path).fault == (2, None)


@pytest.mark.parametrize("size", [2**63 - 1, 2**40])
def test_a_size_that_nothing_can_have_ends_at_once(auditor: Auditor, copy: Path, size: int) -> None:
    """A log that claims more than it has is refused at its first missing file."""
    huge = Checkpoint(origin=ORIGIN, size=size, root=bytes(32))
    (copy / "checkpoint").write_text(checkpoint.sign(huge, KEY), "utf-8")
    assert auditor("tree", copy).code == 5


@pytest.mark.parametrize("number", range(len(DAMAGED)))
def test_damaged_files_are_refused_without_a_traceback(
    auditor: Auditor, log: Path, copy: Path, tmp_path: Path, number: int
) -> None:
    """Random bytes, deep JSON and huge numbers in any file: 2 or 5."""
    (tmp_path / "bad").write_bytes(DAMAGED[number])
    bad, key = tmp_path / "bad", ("--vkey", log / "log.vkey")
    for command in (("proof", bad, *key), ("extends", bad, log), ("report", bad, *key), ("bodies", log, bad),
                    ("tree", log, "--policy", bad), ("tree", log, "--vkey", bad)):  # fmt: skip
        assert auditor(*command).code in (2, 5), command
    for name in ("checkpoint", "tile/0/000", "tile/1/000.p/2", "tile/entries/001"):
        shutil.copy(bad, copy / name)
        assert auditor("tree", copy).code == 5, name
        shutil.copy(log / name, copy / name)
