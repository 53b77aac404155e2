"""Taking files in: each row is stored whole or refused with its reason, whatever stands in it.

What the builder makes of a file is put into a plain list beside the vault, by the rules of docs/import.md;
the vault must hold exactly that, refuse exactly the same rows, and come to the same again.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from kit import Made, borrower, id_number, make_vault, values
from samples import FILES, typed

from vault.access.tokens import Limits
from vault.errors import Invalid
from vault.intake import open_export
from vault.intake.headers import LAYOUTS
from vault.intake.layouts import type_of
from vault.intake.source import MAX_CELL
from vault.model import Draft
from vault.schema import builtin
from vault.writing import Imported, ImportOptions

Row = dict[str, str]
PEOPLE: Final = 3
FOLLOWS: Final = {
    "overdue_since": {"overdue_days"}, "birth_date": {"id_number"}, "outstanding_band": {"outstanding"},
    "instalments_left": {"instalments", "instalments_paid"}, "attempted_at": {"moment", "started_at"},
    "visited_on": {"moment", "started_at"}, "started_at": {"moment", "attempted_at", "visited_on"},
    "taken_on": {"moment", "taken_at"}, "taken_at": {"moment", "taken_on"},
}  # fmt: skip
"""Fields that columns give which are not theirs: where one of these is there, the field is spoken of."""
KINDS: Final = sorted({part.partition(".")[0] for parts in LAYOUTS.values() for part in parts})
OWN: Final = {"contact_person", "guarantor"}
_modest: Final = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking would outlast the test's time limit
)


# --- the plain list -------------------------------------------------------------------------------------


@dataclass
class Stored:
    """One record as it must stand."""

    kind: str
    ref: str | None
    content: bytes
    subject: int
    values: dict[str, str]
    cases: set[str] = field(default_factory=set)
    changes: int = 1


class Refused(Exception):
    """The row must not be taken."""


class Ledger:
    """Records in a plain list, taken in row by row."""

    def __init__(self) -> None:
        self.records: list[Stored] = []
        self._subjects = 0

    def take(self, drafts: Sequence[Draft], covers: Mapping[str, AbstractSet[str]]) -> tuple[int, int]:
        """Take a row; how many records it changes, and how many it leaves as they are.

        Raises:
            Refused: And then none of its records is another than before.
        """
        olds = [self._old(draft) for draft in drafts]
        owner = self._owner(drafts, olds)
        for draft, old in zip(drafts, olds, strict=True):
            if old is not None and draft.kind not in OWN and old.subject != owner:
                raise Refused
        drafts = [named(draft, old) for draft, old in zip(drafts, olds, strict=True)]
        changed = [
            self._put(draft, old, owner, covers[draft.kind]) for draft, old in zip(drafts, olds, strict=True)
        ]
        return sum(changed), len(changed) - sum(changed)

    def _one(self, kind: str, **wanted: Any) -> Stored | None:
        found = [
            r for r in self.records if r.kind == kind and all(getattr(r, n) == v for n, v in wanted.items())
        ]
        assert len(found) < 2, "two records under one number"
        return found[0] if found else None

    def _old(self, draft: Draft) -> Stored | None:
        if draft.ref is None:
            return self._one(draft.kind, content=draft.content)
        by_ref = self._one(draft.kind, ref=draft.ref)
        number = draft.values.get("id_number")
        if draft.kind != "borrower" or number is None:
            return by_ref
        same = [r for r in self.records if r.kind == "borrower" and r.values.get("id_number") == number]
        assert len(same) < 2, "one ID number in two records"
        if by_ref is not None and same != [by_ref] and (same or "id_number" in by_ref.values):
            raise Refused
        return same[0] if same else by_ref

    def _owner(self, drafts: Sequence[Draft], olds: Sequence[Stored | None]) -> int:
        if drafts[0].kind == "borrower":
            if olds[0] is not None:
                return olds[0].subject
            self._subjects += 1
            return self._subjects
        loan = self._one("loan", ref=drafts[0].cases[0])
        if loan is None:
            raise Refused
        return loan.subject

    def _put(self, draft: Draft, old: Stored | None, owner: int, covered: AbstractSet[str]) -> bool:
        if old is None:
            self.records.append(
                Stored(draft.kind, draft.ref, draft.content, owner, draft.values, set(draft.cases))
            )
            return True
        old.cases |= set(draft.cases)
        unsaid = {n for n in old.values if not ({n} | FOLLOWS.get(n, set())) & covered}
        values = {n: old.values[n] for n in unsaid} | draft.values
        if (old.ref, old.values) == (draft.ref, values):
            return False
        old.ref, old.values, old.changes = draft.ref, values, old.changes + 1
        return True

    def state(self, made: Made) -> list[str]:
        """What the vault must show, sorted."""
        handle = made.vault.tenancy().keys.case_handle
        return sorted(
            shown(r.kind, r.ref, r.values, [handle(case) for case in r.cases], r.changes)
            for r in self.records
        )


def named(draft: Draft, old: Stored | None) -> Draft:
    """Under the number its record has, if a case number only stands in for a customer number."""
    stands_in = draft.kind == "borrower" and draft.ref in draft.cases
    return msgspec.structs.replace(draft, ref=old.ref) if old and stands_in else draft


def shown(kind: str, ref: str | None, found: Mapping[str, object], cases: Sequence[str], version: int) -> str:
    """One record as text to compare."""
    return json.dumps([kind, ref, found, sorted(cases), version], sort_keys=True, ensure_ascii=False)


# --- the vault ------------------------------------------------------------------------------------------


@contextmanager
def fresh() -> Iterator[Made]:
    """An empty sandbox for one example."""
    folder = Path(tempfile.mkdtemp(prefix="cvault"))
    made = make_vault(folder)
    try:
        yield made
    finally:
        made.vault.close()
        shutil.rmtree(folder)


def state(made: Made) -> list[str]:
    """Every live record, opened for the person it is about, with its cases' handles."""
    t, token, found = made.vault.tenancy(), made.token("dpo", "subject_request"), []
    records = t.stores.keys.records("main", "", 1000)
    held = t.keeping.fetch(records)
    page = made.vault.reading().read(token, records) if records else None
    assert page is None or page.errors == []
    for item in page.items if page else []:
        given_ = {name: value for name, value in values(item).items() if value is not None}
        cases = held[item.record].facts.cases
        found.append(shown(item.kind, item.ref, given_, cases, item.version))
    return sorted(found)


def written(made: Made, rows: Sequence[Row], titles: Sequence[str] | None = None) -> Path:
    """Rows as a file, those without a column empty in it."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(titles or dict.fromkeys(t for row in rows for t in row)), restval="")
    writer.writeheader()
    writer.writerows(rows)
    path = made.outside / "in.csv"
    path.write_text(text.getvalue(), "utf-8")
    return path


def load(made: Made, path: Path, kind: str) -> tuple[Imported, dict[int, set[str]]]:
    """Import a file in either way; what it did, and the codes of each row refused."""
    report = made.outside / "report.jsonl"
    done = made.vault.writing().import_file(
        made.token("importer"), path, kind=kind, report=report, options=ImportOptions(processes=1)
    )
    refused: dict[int, set[str]] = {}
    for line in report.read_text("utf-8").splitlines()[1:]:
        fault = json.loads(line)
        assert fault["remedy"]
        assert fault["message"]
        refused.setdefault(fault["row"], set()).add(fault["code"])
    return done, refused


def taken_in(made: Made, ledger: Ledger, path: Path, kind: str) -> None:
    """Import a file into both, and compare all that is there afterwards."""
    export = open_export(path, builtin(), kind=kind, today=made.vault.tenancy().today())
    expected: dict[int, set[str]] = {}
    changed = kept = rows = 0
    for row in export.rows():
        rows += 1
        assert bool(row.drafts) != bool(row.rejections)
        if row.rejections:
            expected[row.number] = {r.code for r in row.rejections}
            continue
        try:
            new, old = ledger.take(row.drafts, export.layout.covers())
        except Refused:
            expected[row.number] = {"invalid_ref"}
        else:
            changed, kept = changed + new, kept + old
    done, refused = load(made, path, kind)
    assert refused == expected
    assert (done.rows, done.rejected) == (rows, len(expected))
    assert (sum(done.stored.values()), done.unchanged) == (changed, kept)
    assert state(made) == ledger.state(made)


# --- rows -----------------------------------------------------------------------------------------------


def wide(text: str) -> str:
    """In full-width characters, as an input method leaves them."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


LATER: Final = id_number("51010719870605432")
"""An ID number that nobody has at first."""
NASTY: Final = (
    "", " ", "无", "=1+1", "+8613812345678", "@SUM(A1:A9)", "-2+3", '=HYPERLINK("http://x")', "'=1+1",
    wide("=1+1"), "𠮷野家㐂䶮", "王\ue863", "🀄😀👨\u200d👩\u200d👧", "a\u0301", "甲\r\n乙", "甲\t乙",
    '"引号","逗号"', "\x07bell", "\u202e倒", "\ufffd", "长" * 257, "x" * MAX_CELL, "x" * (MAX_CELL + 1),
    "1.10105E+17", "2026-02-30", "{}", "null",
)  # fmt: skip
"""What stands in cells."""
TEXTS: Final = (
    "客户姓名", "手机", "备用电话", "电子邮箱", "户籍地址", "单位名称", "欠款余额", "紧急联系人",
    "联系人电话", "与本人关系", "产品",
)  # fmt: skip
"""Columns any of it may stand in."""
NUMBERS: Final = ("案件编号", "客户编号", "证件号")


@st.composite
def borrower_rows(draw: st.DrawFn) -> Row:
    """A row of one of a few borrowers: as it was, mixed up with another's numbers, or with nonsense in it."""
    row = borrower(draw(st.integers(0, PEOPLE - 1)))
    other = borrower(draw(st.integers(0, PEOPLE)))
    for title in draw(st.sets(st.sampled_from(("案件编号", "客户编号", "证件号")), max_size=2)):
        row[title] = draw(
            st.sampled_from((other[title], "", LATER if title == "证件号" else "", wide(row[title])))
        )
    if draw(st.booleans()):
        row["手机"] = draw(st.sampled_from((f"+86 {row['手机']}", wide(row["手机"]), "13912345678")))
    if draw(st.integers(0, 3)) == 0:
        for title in ("紧急联系人", "联系人电话", "与本人关系"):
            row[title] = ""
    if draw(st.integers(0, 2)) == 0:
        row[draw(st.sampled_from(TEXTS))] = draw(st.sampled_from(NASTY))
    return row


@settings(_modest, max_examples=30)
@given(files=st.lists(st.lists(borrower_rows(), min_size=1, max_size=5), min_size=1, max_size=3))
def test_a_row_is_stored_whole_or_refused(files: list[list[Row]]) -> None:
    """Borrowers in any mixture: what stands is what the rows say, in turn, twice as well as once."""
    with fresh() as made:
        ledger = Ledger()
        for rows in files:
            path = written(made, rows)
            taken_in(made, ledger, path, "borrower")
            taken_in(made, ledger, path, "borrower")


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """An empty sandbox."""
    made = make_vault(tmp_path)
    yield made
    made.vault.close()


def test_one_record_met_by_two_numbers_in_one_file(made: Made) -> None:
    """One row names the customer, another the ID number of the same record: both count, in their order."""
    ledger, row = Ledger(), borrower(0)
    by_number = row | {"证件号": "", "手机": "13900000001"}
    by_id = row | {"客户编号": "KH-8", "案件编号": "AJ-8", "手机": "13900000002"}
    taken_in(made, ledger, written(made, [row]), "borrower")
    taken_in(made, ledger, written(made, [row | {"手机": "13900000003"}, by_id, by_number]), "borrower")
    taken_in(made, ledger, written(made, [by_number, by_id]), "borrower")


def test_no_number_comes_to_two_borrowers(made: Made) -> None:
    """A row with one borrower's ID number and another's customer number is refused."""
    ledger, rows = Ledger(), [borrower(0), borrower(1) | {"证件号": ""}, borrower(2)]
    taken_in(made, ledger, written(made, rows), "borrower")
    mixed = [rows[0] | {"客户编号": row["客户编号"]} for row in rows[1:]]
    done, refused = load(made, written(made, mixed), "borrower")
    assert (done.stored, refused) == ({}, {1: {"invalid_ref"}, 2: {"invalid_ref"}})
    assert state(made) == ledger.state(made)


def test_a_refused_row_joins_no_case(made: Made) -> None:
    """A row that names another borrower's case is refused whole: its borrower comes into no case's scope."""
    ledger, rows = Ledger(), [borrower(0), borrower(1)]
    taken_in(made, ledger, written(made, rows), "borrower")
    taken_in(made, ledger, written(made, [rows[0] | {"案件编号": rows[1]["案件编号"]}]), "borrower")
    limits = Limits(cases=frozenset({rows[1]["案件编号"]}))
    token = made.token("legal", limits=limits)
    found = made.vault.reading().read(token, made.ids(rows))
    assert [error.code for error in found.errors] == ["not_found"]


def test_a_file_with_nul_is_refused_whole(made: Made) -> None:
    """NUL characters say that it is no text: nothing of it is stored, not even the rows before."""
    path = written(made, [borrower(0), borrower(1) | {"单位名称": "甲\0乙"}])
    with pytest.raises(Invalid) as refusal:
        load(made, path, "borrower")
    assert refusal.value.code == "invalid_file"
    assert state(made) == []


@settings(_modest, max_examples=8)
@given(
    rows=st.lists(st.sampled_from(range(12)), min_size=2, max_size=6, unique=True),
    bad=st.sets(st.integers(0, 11), max_size=2),
    dice=st.randoms(use_true_random=False),
)
def test_the_order_of_rows_does_not_matter(rows: list[int], bad: set[int], dice: Any) -> None:
    """Where no two rows are about one record, the file in another order comes to the same."""
    file = [borrower(n) | ({"手机": "123"} if n in bad else {}) for n in rows]
    ends = []
    for _ in range(2):
        with fresh() as made:
            done, refused = load(made, written(made, file), "borrower")
            plain = state_of(made)
            ends.append((done.stored, done.rejected, sorted(c for r in refused.values() for c in r), plain))
        dice.shuffle(file)
    assert ends[0] == ends[1]


def state_of(made: Made) -> list[str]:
    """As `state`, without the handles, which are another vault's."""
    return [json.dumps(json.loads(line)[:3], sort_keys=True) for line in state(made)]


CASES: Final = ("AJ-1", "AJ-2", "AJ-404")
"""Two that are stored, and one that nobody has."""


def based(made: Made, ledger: Ledger) -> None:
    """Take in the two cases."""
    header, row = next(csv.reader([FILES["borrower"].split("\n")[0]])), FILES["borrower"].split("\n")[1]
    first = dict(zip(header, next(csv.reader([row])), strict=True))
    second = first | {"案件编号": "AJ-2", "证件号": borrower(1)["证件号"]}
    taken_in(made, ledger, written(made, [first, second]), "borrower")


@st.composite
def layout_rows(draw: st.DrawFn) -> tuple[str, list[Row]]:
    """Rows of any other layout: samples with other cases, cells of their type, or anything in a cell."""
    kind = draw(st.sampled_from(sorted(set(FILES) - {"borrower"})))
    titles, *lines = csv.reader(FILES[kind].splitlines())
    targets = TARGETS[kind]
    rows = []
    for _ in range(draw(st.integers(1, 5))):
        row = dict(zip(titles, draw(st.sampled_from(lines)), strict=True))
        row["案件编号"] = draw(st.sampled_from(CASES))
        for title in draw(st.sets(st.sampled_from(titles), max_size=2)) - {"案件编号"}:
            fits = typed(type_of(builtin(), targets[title])).filter(lambda text: "\0" not in text)
            row[title] = draw(st.one_of(fits, st.sampled_from(NASTY)))
        rows.append(row)
    return kind, rows + [dict(row) for row in rows[: draw(st.integers(0, 2))]]


def _targets(kind: str) -> dict[str, str]:
    """Each title of a sample file with the field it goes to."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.csv"
        path.write_text(FILES[kind], "utf-8")
        columns = open_export(path, builtin(), kind=kind, today=date(2026, 3, 16)).columns
    return {title: target for title, target in columns if target}


TARGETS: Final = {kind: _targets(kind) for kind in FILES}


@settings(_modest, max_examples=30)
@given(files=st.lists(layout_rows(), min_size=1, max_size=3))
def test_what_hangs_on_a_case_is_stored_or_refused(files: list[tuple[str, list[Row]]]) -> None:
    """Calls, visits, repayments, contact persons and the rest: as the rows say, twice as well as once."""
    with fresh() as made:
        ledger = Ledger()
        based(made, ledger)
        for kind, rows in files:
            path = written(made, rows)
            taken_in(made, ledger, path, kind)
            taken_in(made, ledger, path, kind)
