"""`cvault-verify report`: every access in it is true, and with the log none is left out."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from auditkit import (
    ABOUT,
    MINE,
    TAGGED,
    TAGGED_SIZE,
    Auditor,
    Subject,
    Witness,
    b64u,
    entry,
    exported,
    made,
    page_of,
    report,
    report_document,
    signed,
)
from logs import KEY, ORIGIN, VKEY

from vault.ledger import checkpoint
from vault.ledger.checkpoint import Checkpoint

DOCUMENT = report_document(TAGGED, MINE, ABOUT)
KEY_LINE = VKEY.text() + "\n"


def beside(folder: Path, text: str) -> Path:
    """A report with the log's key beside it."""
    (folder / "log.vkey").write_text(KEY_LINE, "ascii")
    (folder / "report.html").write_text(text, "utf-8")
    return folder / "report.html"


def test_a_true_report_holds_alone_and_against_the_log(
    auditor: Auditor, tagged: Path, tmp_path: Path
) -> None:
    """Alone it proves what it lists; with the log, that it lists everything, were it nothing."""
    page = beside(tmp_path, report(DOCUMENT))
    alone = auditor("report", page).json
    assert (alone["accesses"], alone["who"], alone["whom"]) == (5, 5, 0)
    assert any("--tree" in note for note in alone["notes"])
    whole = auditor("report", page, "--tree", tagged).json
    assert (whole["accesses"], whole["size"]) == (5, TAGGED_SIZE)
    assert not any("--tree" in note for note in whole["notes"])
    nothing = beside(tmp_path, report(report_document(TAGGED, Subject(9), ())))
    assert auditor("report", nothing, "--tree", tagged).json["accesses"] == 0


def test_a_report_cannot_keep_the_auditor_waiting(auditor: Auditor, tmp_path: Path) -> None:
    """A log that claims 2^62 entries and a report from number 2^40 on: refused, not counted to."""
    document = copy.deepcopy(report_document(TAGGED, MINE, ()))
    point = Checkpoint(origin=ORIGIN, size=1 << 62, root=bytes(32))
    document["checkpoint"] = checkpoint.sign(point, KEY)
    document["series"][0] |= {"first": 1 << 40, "count": 1 << 40}
    assert auditor("report", beside(tmp_path, report(document))).fault == (5, None)


def test_a_report_holds_against_a_later_export(auditor: Auditor, tmp_path: Path) -> None:
    """The log went on; it must begin with what the report was made of, and end no sooner."""
    page = beside(tmp_path, report(DOCUMENT))
    later = exported(tmp_path / "later", [one.stub for one in made(ABOUT, TAGGED_SIZE + 30)])
    sooner = exported(tmp_path / "sooner", [one.stub for one in TAGGED[:299]])
    rewritten = exported(tmp_path / "rewritten", [one.stub for one in made(ABOUT[1:])])
    assert auditor("report", page, "--tree", later).code == 0
    assert auditor("report", page, "--tree", sooner).fault == (5, 299)
    assert auditor("report", page, "--tree", rewritten).code == 5


def test_a_report_of_a_pruned_log_begins_with_what_is_there(auditor: Auditor, tmp_path: Path) -> None:
    """`first` names the number it begins with; a log that still has earlier ones refutes it."""
    document = copy.deepcopy(DOCUMENT)
    document["entries"] = document["entries"][3:]
    document["series"][0]["first"] = 3
    page, pruned = (
        beside(tmp_path, report(document)),
        exported(tmp_path / "log", [one.stub for one in TAGGED]),
    )
    assert any("pruned" in note for note in auditor("report", page).json["notes"])
    assert auditor("report", page, "--tree", pruned).fault == (5, ABOUT[0])
    (pruned / "tile/entries/000").unlink()
    assert auditor("report", page, "--tree", pruned, "--minimum", 256).json["accesses"] == 2
    for first in (2, 4, -1, 10**15):
        document["series"][0]["first"] = first
        assert auditor("report", beside(tmp_path, report(document))).code == 5


@pytest.mark.parametrize("about", [ABOUT[:-1], ABOUT[:2], ()])
def test_an_access_left_out_is_found_in_the_log(
    auditor: Auditor, tagged: Path, tmp_path: Path, about: tuple[int, ...]
) -> None:
    """A report that ends too soon is true in itself; with the log, the first access left out is named."""
    page = beside(tmp_path, report(report_document(TAGGED, MINE, about)))
    assert auditor("report", page).code == 0
    assert auditor("report", page, "--tree", tagged).fault == (5, ABOUT[len(about)])


def test_a_number_skipped_by_the_log_is_found(auditor: Auditor, tmp_path: Path) -> None:
    """An access whose entry was dropped from the log leaves the next number behind."""
    entries = [entry(0, MINE.tag(0)), entry(1, MINE.tag(2))]
    log = exported(tmp_path / "log", [one.stub for one in entries])
    page = beside(tmp_path, report(report_document(entries, MINE, (0,))))
    assert auditor("report", page, "--tree", log).fault == (5, 1)


def test_a_tag_that_stands_twice_is_found(auditor: Auditor, tmp_path: Path) -> None:
    """Two accesses under one number: the report can show only one of them."""
    entries = [entry(0, MINE.tag(0)), entry(1, MINE.tag(0))]
    log = exported(tmp_path / "log", [one.stub for one in entries])
    page = beside(tmp_path, report(report_document(entries, MINE, (0,))))
    assert auditor("report", page, "--tree", log).fault == (5, 1)


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    """A report, truly signed, of a document that isn't true."""
    document = copy.deepcopy(DOCUMENT)
    change(document)
    return report(document)


FIRST, SECOND = DOCUMENT["entries"][:2]
OLDER = signed([one.stub for one in TAGGED[:299]])
SEAL = '<pre id="cvault-signature" hidden>{}</pre></body></html>\n'
FALSE_REPORTS: dict[str, tuple[str, int | None]] = {
    "another entry's stub": (changed(lambda d: d["entries"][0].update(stub=SECOND["stub"])), 3),
    "another index": (changed(lambda d: d["entries"][0].update(index=4)), 4),
    "an index beyond": (changed(lambda d: d["entries"][0].update(index=TAGGED_SIZE)), TAGGED_SIZE),
    "an index below": (changed(lambda d: d["entries"][0].update(index=-1)), -1),
    "a hash of the path": (changed(lambda d: d["entries"][0]["path"].__setitem__(0, FIRST["path"][1])), 3),
    "a path too short": (changed(lambda d: d["entries"][0]["path"].pop()), 3),
    "a path too long": (changed(lambda d: d["entries"][0]["path"].append(FIRST["path"][0])), 3),
    "a path of numbers": (changed(lambda d: d["entries"][0].update(path=[1, 2])), None),
    "another actor": (changed(lambda d: d["entries"][0].update(who=SECOND["who"])), 3),
    "another number": (changed(lambda d: d["entries"][0].update(number=1)), 3),
    "a number that can't be": (changed(lambda d: d["entries"][0].update(number=-1)), 3),
    "another series": (changed(lambda d: d["entries"][0].update(series=1)), 3),
    "an entry twice": (changed(lambda d: d["entries"].insert(1, FIRST)), 3),
    "an entry left out": (changed(lambda d: d["entries"].pop(1)), None),
    "the last left out, the count kept": (changed(lambda d: d["entries"].pop()), None),
    "another count": (changed(lambda d: d["series"][0].update(count=10**15)), None),
    "another key": (changed(lambda d: d["series"][0].update(key=b64u(bytes(32)))), 3),
    "another origin": (changed(lambda d: d.update(origin="x")), None),
    "another format": (changed(lambda d: d.update(format="cvault/report/v2")), None),
    "a checkpoint of nobody": (changed(lambda d: d.update(checkpoint="\ud800")), None),
    "an older checkpoint": (changed(lambda d: d.update(checkpoint=OLDER)), 3),
    "another page": (report(DOCUMENT).replace("访问", "訪問"), None),
    "something behind it": (report(DOCUMENT) + "<p>", None),
    "a second proof": (report(DOCUMENT).replace("<p>", '<pre id="cvault-proof" hidden>AA==</pre><p>'), None),
    "a second proof, signed": (report(DOCUMENT, human='<pre id="cvault-proof" hidden>AA==</pre>'), None),
    "no proof": (report(DOCUMENT).replace("cvault-proof", "cvault-prove"), None),
    "no signature": (page_of(DOCUMENT), None),
    "a checkpoint for a signature": (
        page_of(DOCUMENT) + SEAL.format(DOCUMENT["checkpoint"]), None,
    ),
    "somebody else's signature": (report(DOCUMENT, name="other.example/log"), None),
}  # fmt: skip


@pytest.mark.parametrize("name", FALSE_REPORTS)
def test_a_false_report_is_refused(auditor: Auditor, tmp_path: Path, name: str) -> None:
    """Every part of the proof, and every byte of the page, is held; a false access is named."""
    text, index = FALSE_REPORTS[name]
    assert auditor("report", beside(tmp_path, text)).fault == (5, index)


def test_a_report_may_show_a_witness(auditor: Auditor, tmp_path: Path) -> None:
    """The checkpoint inside keeps its cosignatures, and a policy may demand them."""
    witness = Witness(1)
    page = beside(
        tmp_path, changed(lambda d: d.update(checkpoint=witness.cosign(d["checkpoint"], 1_700_000_000)))
    )
    (tmp_path / "policy").write_text(f"witness w {witness.vkey}\nquorum w\n", "utf-8")
    command = ("--policy", tmp_path / "policy")
    assert auditor("report", page, *command).json["cosigned"] == {witness.name: 1_700_000_000}
    assert auditor("report", beside(tmp_path, report(DOCUMENT)), *command).code == 5
