"""`--csv`: no cell that a spreadsheet runs, every value read back as it was."""

from __future__ import annotations

import csv
import io
import stat
import tempfile
from pathlib import Path

import msgspec
import pytest
from commands import NAME, PHONE, Run, export, run
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.exporting import FORMULA, MARK, cell, encoded, rows_of
from vault.errors import Invalid
from vault.intake import normalise
from vault.intake.csvfile import inspect
from vault.intake.headers import LAYOUTS, understand
from vault.model import Receipt, Shown, ShownField
from vault.schema import TYPES, builtin

SIGNS = st.text(st.sampled_from("'=+-@＝＋－＠ \t\r\n`\"0123456789,;|eE.:/%X张a\u200b\u3000"), max_size=20)
ATTACKS = st.from_regex(r"\A[ \t\u3000\u200b]{0,2}[=+\-@＝＋－＠][!-~]{0,5}\Z")
DIGITS = st.from_regex(
    r"[0-9]{1,19}|0[0-9]{2,3}-?[1-9][0-9]{6,7}|1[3-9][0-9]{9}|[0-9]+[eE][0-9]+", fullmatch=True
)
DAYS = st.dates().map(str)
MONEY = st.decimals(0, 10**11, places=2).map(str)
MAILS = st.from_regex(r"[a-z=+'-]{1,6}@[a-z]{1,6}\.com", fullmatch=True)
TEXTS = ATTACKS | SIGNS | DIGITS | DAYS | MONEY | MAILS | st.text(max_size=20)


def read(data: bytes) -> list[list[str]]:
    """The cells of an export."""
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def shown(kind: str, values: dict[str, str], ref: str | None = "AJ-1") -> Shown:
    """A released record."""
    fields = {
        n: ShownField(view="CLEAR", value=msgspec.Raw(msgspec.json.encode(v))) for n, v in values.items()
    }
    receipt = Receipt(origin="o", index=7, leaf="")
    return Shown(record="r-1", ref=ref, kind=kind, version=1, state="ACTIVE", fields=fields, receipt=receipt)


@pytest.mark.parametrize(
    ("text", "kind", "written"),
    [
        ("=1+1", "text", "'=1+1"),
        ("  ＝cmd|' /C calc'!A0", "text", "'  ＝cmd|' /C calc'!A0"),
        ("\u200b@SUM(A1)", "text", "'\u200b@SUM(A1)"),
        ("\tx", "text", "'\tx"),
        ("-5", "integer", "'-5"),
        ("110105194912310028", "id_number", "'110105194912310028"),
        ("11010519491231002X", "id_number", "11010519491231002X"),
        ("0012", "ref", "'0012"),
        ("12E5", "ref", "'12E5"),
        ("3-1", "code", "'3-1"),
        ("010-12345678", "phone", "'010-12345678"),
        ("13812345678", "phone", "13812345678"),
        ("2026-03-01", "date", "2026-03-01"),
        ("1234.50", "money", "1234.50"),
        ("AJ-1", "ref", "AJ-1"),
        ("张三", "name", "张三"),
        ("", "text", ""),
    ],
)
def test_cells(text: str, kind: str, written: str) -> None:
    """Formulas and digits that a spreadsheet would spoil are marked; all else stands as it is."""
    assert cell(text, kind) == written


@given(kind=st.sampled_from(TYPES), text=TEXTS)
@settings(max_examples=600, deadline=None)
def test_an_export_read_back_gives_the_value(kind: str, text: str) -> None:
    """Of every type, whatever its canonical text; and no cell starts a formula."""
    try:
        value = normalise(kind, text)
    except Invalid:
        return
    written = cell(value, kind)
    assert written.lstrip()[:1] not in FORMULA
    assert normalise(kind, written) == value


@given(
    st.lists(st.lists(ATTACKS | SIGNS | st.text(max_size=9), min_size=3, max_size=3), min_size=1, max_size=5)
)
@settings(max_examples=60, deadline=None)
def test_no_cell_of_a_file_starts_a_formula(values: list[list[str]]) -> None:
    """Not even of values that no intake would have let in, in any column."""
    names = ("name", "address", "employer")
    items = [shown("borrower", dict(zip(names, row, strict=True)), ref=row[0]) for row in values]
    table = read(encoded(rows_of(builtin(), items)))
    assert len(table) == len(items) + 1
    for row in table:
        for one in row:
            assert not one[:1] or one[0] not in FORMULA
            assert not one.strip() or one.strip()[0] not in FORMULA


@given(st.lists(st.text(max_size=12), min_size=3, max_size=3))
@settings(max_examples=60, deadline=None)
def test_intake_reads_the_file_as_it_was_written(values: list[str]) -> None:
    """Encoding, delimiter and quoting are told rightly, and every canonical value comes back."""
    names, kept = ("name", "address", "employer"), {}
    for name, value in zip(names, values, strict=True):
        try:
            kept[name] = normalise(name, value)
        except Invalid:
            continue
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "e.csv"
        path.write_bytes(encoded(rows_of(builtin(), [shown("borrower", kept)])))
        source = inspect(path)
        (record,) = source.records()
        columns = understand(source.header, builtin(), "borrower")
        back = {
            (c.target or "").partition(".")[2]: record.cells[c.index] for c in columns if c.target is not None
        }
    assert {name: normalise(name, text) for name, text in back.items()} == kept


@pytest.mark.parametrize(
    "kind", sorted({name.partition(".")[0] for names in LAYOUTS.values() for name in names})
)
def test_every_title_leads_back_to_its_field(kind: str) -> None:
    """In each layout, an export's titles are understood as their own fields."""
    schema = builtin()
    fields = dict.fromkeys(schema.kind(kind).fields, "x")
    titles = rows_of(schema, [shown(kind, fields)])[0]
    layout = kind if kind in LAYOUTS else next(name for name, kinds in LAYOUTS.items() if kind in kinds)
    columns = understand(titles, schema, layout)
    assert [column.target for column in columns[:6]] == [None] * 6
    found = {column.target for column in columns} - {None}
    assert found == {f"{kind}.{name}" for name in fields if not name.endswith("_band")}


def test_hidden_fields_have_no_column(cv: Run, tmp_path: Path) -> None:
    """What a collector may not see isn't in the file, and what is masked stands there masked; mode 0600."""
    path = tmp_path / "out.csv"
    done = cv("read", "--ref", "borrower:AJ00001", "--csv", path)
    assert (done.code, done.out) == (0, "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    titles, row = read(path.read_bytes())
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert titles[:6] == [f"record.{name}" for name in ("id", "ref", "kind", "version", "state", "entry")]
    assert row[titles.index("borrower.phone (手机号码)")] == "154****0001"
    assert not [title for title in titles if title.startswith("borrower.id_number")]
    assert NAME not in path.read_text("utf-8")


def test_what_is_written_is_what_was_released_and_logged(cv: Run, tmp_path: Path) -> None:
    """Clear for whom it is clear; each record's entry stands in its row, and in the log."""
    path = tmp_path / "out.csv"
    assert cv("find", "--field", "phone", "--role", "legal", "--csv", path, stdin=PHONE).code == 0
    titles, row = read(path.read_bytes())
    assert row[titles.index("borrower.name (姓名)")] == NAME
    newest = cv("log", "list", "--kind", "read", "--newest", "--json").json["items"][0]
    assert row[titles.index("record.entry")] == str(newest["index"])


def test_an_export_can_be_imported(cv: Run, tmp_path: Path) -> None:
    """Notes full of formulas go out and come back; nothing changes."""
    text = "案件编号,联系记录编号,联系方式,联系日期,催记\nAJ00001,N-1,voice,2026-01-05,'=1+1 未接\n"
    (tmp_path / "in.csv").write_text(text, "utf-8")
    out = tmp_path / "out.csv"
    assert cv("import", tmp_path / "in.csv", "--kind", "contact_attempt", "--json").json["stored"] == {
        "contact_attempt": 1
    }
    assert cv("read", "--ref", "contact_attempt:N-1", "--role", "qa_reviewer", "--csv", out).code == 0
    assert f"{MARK}=1+1 未接" in out.read_text("utf-8-sig")
    again = cv("import", out, "--kind", "contact_attempt", "--json").json
    assert (again["stored"], again["unchanged"], again["rejected"]) == ({}, 1, 0)


def test_a_list_goes_to_stdout(cv: Run) -> None:
    """`--csv -` prints the file and nothing else; refusals and cursors go to stderr."""
    done = cv("list", "--limit", "1", "--csv", "-")
    titles, row = read(done.out.encode())
    assert (titles[0].lstrip("\ufeff"), row[2]) == ("record.id", "loan")
    assert "--cursor" in done.err
    some = cv("read", "--ref", "borrower:AJ00001", "r-nobody", "--csv", "-")
    assert (some.code, len(read(some.out.encode()))) == (6, 2)
    assert "r-nobody" in some.err


def test_json_says_where_the_file_is(cv: Run, tmp_path: Path) -> None:
    """With --json: file, number of records and refusals; both on stdout is refused."""
    said = cv("list", "--csv", tmp_path / "o.csv", "--json").json
    assert (said["file"], said["records"], said["errors"]) == (str(tmp_path / "o.csv"), 2, [])
    assert cv("list", "--csv", "-", "--json").error["code"] == "invalid_usage"


def test_a_place_that_is_taken_is_refused_before_anything_is_logged(cv: Run, tmp_path: Path) -> None:
    """No entry is made for what can't be written."""
    path = export(tmp_path)
    before = cv("log", "checkpoint", "--json").json
    for target in (path, tmp_path / "no" / "o.csv"):
        assert cv("list", "--csv", target, "--json").error["field"] == "csv"
        assert run("read", "r-1", "--csv", target, "--json").code == 2
    assert cv("log", "checkpoint", "--json").json == before
