"""`cvault-verify bodies`: what is said of entries is what they committed to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from auditkit import (
    TAGGED,
    TAGGED_SIZE,
    Auditor,
    b64u,
    body_lines,
    exported,
    head_of,
    json_lines,
    sealed,
)
from logs import ORIGIN

KEY = bytes(range(32))
KEY_FILE = {
    "format": "cvault/audit-key/v1",
    "origin": ORIGIN,
    "audit": "a-1",
    "key": b64u(KEY),
    "ends": "2026-12-31",
}


@pytest.mark.parametrize("shown", [("who", "whom"), ("who",), ("whom",), ()])
@pytest.mark.parametrize(("first", "last"), [(0, TAGGED_SIZE), (250, 260), (256, 257), (7, 7)])
def test_true_bodies_open_their_commitments(
    auditor: Auditor, tagged: Path, tmp_path: Path, shown: tuple[str, ...], first: int, last: int
) -> None:
    """Either side may be withheld; what was shown is counted."""
    lines = body_lines(TAGGED, first, last, shown)
    (tmp_path / "bodies").write_text(json_lines(head_of(TAGGED_SIZE, first, last), *lines), "utf-8")
    said = auditor("bodies", tagged, tmp_path / "bodies").json
    count = last - first
    assert (said["entries"], said["who"], said["whom"]) == (
        count,
        count * ("who" in shown),
        count * ("whom" in shown),
    )


def test_sealed_bodies_open_under_the_audits_key_alone(
    auditor: Auditor, tagged: Path, tmp_path: Path
) -> None:
    """Without a key nothing is said: 2; under another audit's, another entry's or another key: 5."""
    lines = [sealed(line, KEY, "a-1") for line in body_lines(TAGGED, 250, 260, ["who"])]
    head = head_of(TAGGED_SIZE, 250, 260, sealed=True, audit="a-1", disclose="who")
    (tmp_path / "bodies").write_text(json_lines(head, *lines), "utf-8")
    (tmp_path / "key").write_text(json.dumps(KEY_FILE), "utf-8")
    command = ("bodies", tagged, tmp_path / "bodies")
    assert auditor(*command).fault == (2, None)
    assert auditor(*command, "--key", tmp_path / "key").json["who"] == 10
    for change in (
        {"key": b64u(bytes(32))},
        {"audit": "a-2"},
        {"origin": "x"},
        {"format": "y"},
        {"key": b64u(KEY[1:])},
    ):
        (tmp_path / "key").write_text(json.dumps(KEY_FILE | change), "utf-8")
        assert auditor(*command, "--key", tmp_path / "key").code == 5
    (tmp_path / "key").write_text(json.dumps(KEY_FILE), "utf-8")
    moved = [lines[0], {**lines[2], "index": 251}, *lines[2:]]
    (tmp_path / "bodies").write_text(json_lines(head, *moved), "utf-8")
    assert auditor(*command, "--key", tmp_path / "key").fault == (5, 251)


LINE = body_lines(TAGGED, 12, 13, ["who"])[0]
WHO = TAGGED[12].who.decode()
PARTS = ("", "_salt", "_digest")
CHANGED = {"index": 12} | {
    b + part: LINE[a + part] for a, b in (("who", "whom"), ("whom", "who")) for part in PARTS
}
FALSE_LINES: dict[str, dict[str, Any]] = {
    "another actor": {**LINE, "who": WHO.replace("p-12", "p-13")},
    "another spelling": {**LINE, "who": WHO.replace(":", ": ", 1)},
    "another salt": {**LINE, "who_salt": b64u(bytes(16))},
    "a shorter salt": {**LINE, "who_salt": b64u(bytes(15))},
    "another digest": {**LINE, "whom_digest": b64u(bytes(32))},
    "a shorter digest": {**LINE, "whom_digest": b64u(bytes(31))},
    "the sides changed": CHANGED,
    "text without salt": {**LINE, "who_salt": None},
    "text and digest": {**LINE, "who_digest": b64u(TAGGED[12].digests[0])},
    "nothing": {**LINE, "whom_digest": None},
    "half a character": {**LINE, "who": "\ud800"},
    "another index": {**LINE, "index": 13},
    "an index that is true": {**LINE, "index": True},
    "a number for a text": {**LINE, "who": 7},
    "a field more": {**LINE, "note": ""},
    "a field less": {k: v for k, v in LINE.items() if k != "whom"},
}  # fmt: skip


@pytest.mark.parametrize("name", FALSE_LINES)
def test_a_false_line_is_named_by_its_entry(
    auditor: Auditor, tagged: Path, tmp_path: Path, name: str
) -> None:
    """Whatever is said otherwise than it was committed to, or in another form: 5, with the index."""
    lines = body_lines(TAGGED, 10, 20, ["who"])
    lines[2] = FALSE_LINES[name]
    text = json.dumps(head_of(TAGGED_SIZE, 10, 20)) + "\n" + "".join(json.dumps(one) + "\n" for one in lines)
    (tmp_path / "bodies").write_text(text, "utf-8")
    assert auditor("bodies", tagged, tmp_path / "bodies").fault == (5, 12)


def test_every_entry_has_a_line_in_order(auditor: Auditor, tagged: Path, tmp_path: Path) -> None:
    """A line left out, twice, swapped or too many is named; so is a name that stands twice in a line."""
    lines = body_lines(TAGGED, 10, 20, ["who"])
    for changed, index in ((lines[:5] + lines[6:], 15), (lines[:3] + lines[2:], 13), (lines[:-1], 19),
                           ([lines[1], lines[0], *lines[2:]], 10), ([*lines, lines[-1]], None)):  # fmt: skip
        (tmp_path / "bodies").write_text(json_lines(head_of(TAGGED_SIZE, 10, 20), *changed), "utf-8")
        assert auditor("bodies", tagged, tmp_path / "bodies").fault == (5, index)
    twice = json_lines(head_of(TAGGED_SIZE, 10, 20), *lines).replace(
        '{"index": 10,', '{"index": 10, "index": 10,'
    )
    (tmp_path / "bodies").write_text(twice, "utf-8")
    assert auditor("bodies", tagged, tmp_path / "bodies").fault == (5, 10)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "cvault/bodies/v2"},
        {"origin": "x"},
        {"disclose": "all"},
        {"size": TAGGED_SIZE + 1, "last": TAGGED_SIZE + 1},
        {"first": -1},
        {"first": 5, "last": 4},
        {"size": 10, "last": 11},
        {"sealed": 0},
        {"first": 1.0},
        {"more": ""},
    ],
)
def test_a_header_that_cant_be_is_refused(
    auditor: Auditor, tagged: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    """Another format, another log, or entries that the log hasn't got."""
    head = head_of(TAGGED_SIZE, 0, 1) | change
    (tmp_path / "bodies").write_text(json_lines(head, *body_lines(TAGGED, 0, 1, ["who"])), "utf-8")
    assert auditor("bodies", tagged, tmp_path / "bodies").code == 5


def test_bodies_of_pruned_entries_are_refused(auditor: Auditor, tmp_path: Path) -> None:
    """A line whose stub is gone proves nothing; those behind it still do."""
    log = exported(tmp_path / "log", [one.stub for one in TAGGED])
    for name in ("tile/entries/000", "tile/0/000"):
        (log / name).unlink()
    for first, last, fault in ((250, 260, 250), (250, 256, 250), (256, 300, None)):
        lines = json_lines(head_of(TAGGED_SIZE, first, last), *body_lines(TAGGED, first, last, ["who"]))
        (tmp_path / "bodies").write_text(lines, "utf-8")
        told = auditor("bodies", log, tmp_path / "bodies", "--minimum", 256)
        assert told.code == 0 if fault is None else told.fault == (5, fault)


def test_what_steers_a_terminal_is_not_printed(auditor: Auditor, tagged: Path, tmp_path: Path) -> None:
    """A name that a file brings along stays on its line and colours nothing."""
    head = head_of(TAGGED_SIZE, 0, 1, audit="a\u009b31m\u001b[31m\nVERIFIED")
    (tmp_path / "bodies").write_text(json_lines(head, *body_lines(TAGGED, 0, 1, ["who"])), "utf-8")
    said = auditor.plain("bodies", tagged, tmp_path / "bodies").out
    assert "a?31m?[31m?VERIFIED" in said
    assert said.count("\nVERIFIED") == 0
