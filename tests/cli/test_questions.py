"""Questions about the access log on the command line, and a month's summary as a page."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
import stat
import xml.etree.ElementTree as ET
from contextlib import closing
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from commands import CANARIES, PHONE, Ran, Run, run

from cli import log_list, log_rows
from cli.context import Call
from cli.exporting import STDOUT
from cli.log_rows import Form

QUESTIONS = ("refusals", "top", "off-hours", "no-case")


@pytest.fixture
def asked(cv: Run) -> Run:
    """The sandbox with a find, a read and a refusal in its log."""
    record = cv("find", "--field", "phone", "--json", stdin=PHONE).json["items"][0]["record"]
    assert cv("read", record).code == 0
    assert cv("read", record, "--fields", "id_number").code == 3
    return cv


def table(ran: Ran) -> list[dict[str, str]]:
    """A CSV answer's rows."""
    return list(csv.DictReader(io.StringIO(ran.out, newline="")))


def test_a_list_without_limit_comes_in_every_form(asked: Run) -> None:
    """The same lines as one document, as lines and as CSV; none of them is cut."""
    document = asked("log", "list", "--all", "--until", "2999-01-01", "--json").json
    assert document["after"] is None
    count = len(document["items"])
    lines = [json.loads(line) for line in asked("log", "list", "--all", "--jsonl").out.splitlines()]
    rows = table(asked("log", "list", "--all", "--csv", "-"))
    assert lines[:count] == document["items"]
    assert (len(lines), len(rows)) == (count + 2, count + 4)  # each question is an entry, and so is its token
    assert [row["index"] for row in rows] == [str(n) for n in range(count + 4)]
    assert "first principal" in asked("log", "list", "--all").out


def test_the_new_filters(asked: Run) -> None:
    """By role, view, node, token and case; each is joined with the others."""

    def found(*filters: str) -> list[dict[str, object]]:
        items: list[dict[str, object]] = asked("log", "list", "--json", *filters).json["items"]
        return items

    reads = found("--kind", "read")
    token = str(reads[0]["token"])
    assert found("--role", "collector", "--kind", "read") == reads == found("--kind", "read", "--node", "n1")
    assert found("--token-prefix", token[:9].upper(), "--kind", "read") == [
        r for r in reads if r["token"] == token
    ]
    assert found("--view", "masked", "--kind", "read") == reads
    assert (
        found("--view", "clear") == found("--clear") == found("--node", "n2") == found("--case", "none") == []
    )
    for wrong in (("--role", "x"), ("--view", "x"), ("--token-prefix", "xyz"), ("--token-prefix", "")):
        assert asked("log", "list", *wrong).code == 2


def test_only_one_form_goes_to_stdout(asked: Run) -> None:
    """Two are a usage error, before anything is asked and logged."""
    size = len(asked("log", "list", "--all", "--jsonl").out.splitlines())
    for wrong in (("--csv", "-", "--jsonl"), ("--json", "--csv", "-"), ("--json", "--jsonl"), ("--bom",)):
        assert asked("log", "list", *wrong).code == 2
    assert len(asked("log", "list", "--all", "--jsonl").out.splitlines()) == size + 2


def test_csv_has_titles_in_the_readers_language(asked: Run) -> None:
    """Chinese where people read Chinese; the byte order mark only where it was asked for."""
    said = asked("log", "list", "--csv", "-", LC_ALL="zh_CN.UTF-8")
    assert said.out.startswith("序号,时间（UTC）,种类,")
    for name in QUESTIONS:
        assert not asked("log", name, "--csv", "-").out.startswith("\ufeff")
        assert asked("log", name, "--csv", "-", "--bom").out.startswith("\ufeff")


def test_a_csv_file_is_the_auditors_own(asked: Run, tmp_path: Path) -> None:
    """0600, with the mark that tells Excel it is UTF-8, never over another, and as long as the answer."""
    path = tmp_path / "log.csv"
    said = asked("log", "list", "--all", "--csv", path, "--json").json
    rows = path.read_bytes().decode("utf-8-sig").splitlines()
    assert said == {"file": str(path), "rows": len(rows) - 1}
    assert path.read_bytes().startswith("\ufeff".encode())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert asked("log", "list", "--csv", path).code == 2
    assert len(path.read_bytes().decode("utf-8-sig").splitlines()) == len(rows)
    assert str(tmp_path / "top.csv") in asked("log", "top", "--csv", tmp_path / "top.csv").err


def test_a_table_names_fields_by_view_and_breaks_between_words(asked: Run) -> None:
    """CLEAR comes first, four fields of a view are named and the rest counted; nothing found is said."""
    seen = {"a": "MASKED", "b": "CLEAR", "c": "MASKED", "d": "MASKED", "e": "MASKED", "f": "MASKED"}
    assert log_list._views(seen) == "CLEAR: b; MASKED: a, c, d, e +1"
    shown = asked("log", "list", "--kind", "read").out
    assert "MASKED: " in shown
    assert "T0" not in shown.splitlines()[3]
    assert "No entry fits." in asked("log", "list", "--node", "n2").err
    assert "No principal has this" in asked("log", "list", "--actor", "misspelt").err
    assert "No principal has this" not in asked("log", "list", "--actor", "first principal").err


def test_no_cell_runs_in_a_spreadsheet(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """A principal may be called anything: what would be a formula or a number is quoted, a count isn't."""
    names = ["=1+1", "+8613800000000", "-2", "@SUM(A1)", "01234567", "2026-03-01"]
    rows = [(name, 7) for name in names]
    log_rows.write(Call({}), Form("csv", STDOUT), ("name", "count"), rows, lambda row: row)
    said = capfdbinary.readouterr().out.decode().split("\r\n")
    assert said[1:-1] == [f"'{name},7" for name in names]


def test_a_value_that_was_looked_up(asked: Run) -> None:
    """Who, on which day, how often, with a hit; a value nobody looked up; a value that is none."""
    (line,) = asked("log", "looked-up", "--field", "phone", "--json", stdin=PHONE).json["items"]
    assert (line["name"], line["times"], line["hit"]) == ("first principal", 1, 1)
    (row,) = table(asked("log", "looked-up", "--field", "phone", "--csv", "-", stdin=PHONE))
    assert (row["times"], row["entries"]) == ("1", str(line["entries"][0]))
    none = asked("log", "looked-up", "--field", "borrower.phone", stdin="13000000000")
    assert "No search" in none.err
    assert asked("log", "looked-up", "--field", "phone", stdin="x").code == 2
    assert asked("log", "looked-up", "--field", "phone", stdin="").code == 2


def test_counts(asked: Run) -> None:
    """Refusals by what is asked, readers by number of reads, and different people on demand."""
    (refused,) = asked("log", "refusals", "--json").json["items"]
    assert (refused["word"], refused["outcome"], refused["count"]) == ("field_denied", "denied", 1)
    (top,) = asked("log", "top", "--distinct", "--json").json["items"]
    assert (top["name"], top["count"], top["people"]) == ("first principal", 2, 1)
    assert [row["reads"] for row in table(asked("log", "top", "--by", "purpose", "--csv", "-"))] == ["2"]
    assert asked("log", "top", "--by", "reason").code == asked("log", "refusals", "--by", "x").code == 2
    assert asked("log", "top", "--since", "2999-01-01", "--json").json == {"items": [], "after": None}
    assert asked("log", "off-hours", "--json").json["reads"] == 2
    assert "outside working hours" in asked("log", "off-hours").err


def test_marked_reads(asked: Run, sandbox: Path) -> None:
    """Those that carry the mark, as lines of the log."""
    assert "before such marks" in asked("log", "no-case").err
    (index,) = [i["index"] for i in asked("log", "list", "--kind", "read", "--json").json["items"]][:1]
    with closing(sqlite3.connect(sandbox / "ledger.db")) as ledger, ledger:
        ledger.execute("INSERT INTO marks VALUES ('main', 'no_case', ?)", (index,))
    assert [line["index"] for line in asked("log", "no-case", "--json").json["items"]] == [index]


def test_verify_holds_the_counts_against_the_log(asked: Run, sandbox: Path) -> None:
    """Changed counts are an integrity failure, and counting again mends them."""
    asked("log", "top")
    assert asked("log", "verify", "--json").json["tallied"] > 0
    with closing(sqlite3.connect(sandbox / "ledger.db")) as ledger, ledger:
        ledger.execute("UPDATE tallies SET n = 7 WHERE kind = 'read'")
    failed = asked("log", "verify", "--json")
    assert (failed.code, failed.error["remedy"]) == (5, "cvault log verify --retally")
    assert asked("log", "verify", "--retally").code == asked("log", "verify").code == 0
    assert run("--vault", sandbox, "log", "verify", "--retally").code == 2


class Page(HTMLParser):
    """What a page asks a browser to do."""

    def __init__(self, text: str) -> None:
        """Read it."""
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


@pytest.mark.parametrize("locale", ["C.UTF-8", "zh_CN.UTF-8"])
def test_a_month_as_a_page(asked: Run, tmp_path: Path, locale: str) -> None:
    """A private file without scripts, outside resources or borrowers' data, in the locale's language."""
    path = tmp_path / "m.html"
    done = asked("log", "summary", "--out", path, "--json", LC_ALL=locale)
    assert done.json["file"] == str(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text("utf-8")
    page = Page(text)
    assert page.tags.isdisjoint({"script", "link", "img", "iframe", "object", "image", "use", "base"})
    assert not [v for n, v in page.attributes if n.startswith("on") or n in {"src", "href", "xlink:href"}]
    assert "url(" not in text
    assert "@import" not in text
    assert not [canary for canary in CANARIES if canary in text]
    assert ("访问日志月度摘要" in text) == (locale != "C.UTF-8")
    assert asked("log", "summary", "--out", path).code == 2
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawings) >= 4
    for drawing in drawings:
        root = ET.fromstring(drawing)  # noqa: S314 - our own page
        kinds = [element.tag.rpartition("}")[2] for element in root]
        assert kinds[:2] == ["title", "desc"]
        assert all(root[n].text for n in (0, 1))


def test_the_same_month_is_the_same_page(asked: Run, sandbox: Path, tmp_path: Path) -> None:
    """Byte for byte but for the line that says when it was made."""
    month = (datetime.now(UTC) - timedelta(days=40)).strftime("%Y-%m")
    made = []
    for name in ("a", "b"):
        assert asked("log", "summary", "--month", month, "--out", tmp_path / name).code == 0
        made.append((tmp_path / name).read_text("utf-8").splitlines())
        asked("log", "top")
    assert len(made[0]) == len(made[1])
    differing = [line for line, other in zip(*made, strict=True) if line != other]
    assert all(line.startswith("Made at") for line in differing)


def test_a_summary_as_tables_and_as_json(asked: Run) -> None:
    """The figures of the page, for people and for programs."""
    said = asked("log", "summary")
    assert said.code == 0
    assert "field_denied" in said.out
    assert "isn't over" in said.err
    found = asked("log", "summary", "--json").json
    assert (found["reads"], found["readers"], found["complete"]) == (2, 1, False)
    assert asked("log", "summary", "--month", "2999-01").code == 2
