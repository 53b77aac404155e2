"""What is printed can't steer a terminal, and JSON is one document."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import msgspec
import pytest

from cli.output import Output, plain


def test_control_characters_stay_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences in a value are shown as a mark, in lines and in tables."""
    out = Output(json=False)
    out.line("a\x1b[2Jb")
    out.table(("x",), [("c\x1b]0;d\x07",)], title="e\x9b")
    printed = capsys.readouterr().out
    assert "a\ufffd[2Jb" in printed
    assert not {"\x1b", "\x07", "\x9b"} & set(printed)


def test_markup_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    """What looks like markup is printed as it is."""
    Output(json=False).table(("x",), [("[bold]甲[/bold]",)])
    assert "[bold]甲[/bold]" in capsys.readouterr().out


IDENT = "p-017bz5x3q8a7ymrxx9khv7qes6"
PEOPLE = ("principal", "name", "roles", "agency", "attested until", "added")
SUN = (IDENT, "sun 孙", "agency_collector", "", "confidentiality 2027-11-24", "2026-11-24T00:19:06Z")


def test_narrow_terminal_gets_a_block_for_each_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an id would be folded a row stands upright: the id in one piece, empty cells left out."""
    monkeypatch.setenv("COLUMNS", "80")
    Output(json=False).table(PEOPLE, [SUN, SUN], title="all")
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    block = [f"principal       {IDENT}", "name            sun 孙", "roles           agency_collector"]
    block += ["attested until  confidentiality 2027-11-24", "added           2026-11-24T00:19:06Z", ""]
    assert lines == ["all", *block, *block]


def test_table_stays_one_where_that_is_shorter(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short id is kept in one piece by folding the other cells once, and twenty cases aren't 160 lines."""
    monkeypatch.setenv("COLUMNS", "80")
    titles = ("number", "state", "holder", "priority", "opened", "changed", "reason")
    at = "2026-11-24T00:20:56Z"
    rows = [(f"AJ2600002{n}", "open", "恒信委外", 0, at, at, "agencies: assigned") for n in range(10, 30)]
    Output(json=False).table(titles, rows)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < len(rows) * len(titles)
    assert all(any(row[0] in line for line in lines) for row in rows)


def test_table_stays_one_where_ids_fit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other cells may be folded; what a row is known by may not."""
    monkeypatch.setenv("COLUMNS", "150")
    Output(json=False).table(PEOPLE, [SUN])
    shown = capsys.readouterr().out
    assert "┏" in shown
    assert IDENT in shown


def test_json_keeps_quiet_beside_its_document(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json notes are not printed and no bar is shown."""
    out = Output(json=True)
    out.note("read.none")
    with out.progress("x") as progress:
        assert progress is None
    out.document({"值": msgspec.Raw(b'"v"')})
    captured = capsys.readouterr()
    assert (json.loads(captured.out), captured.err) == ({"值": "v"}, "")
    assert plain(msgspec.Raw(b'"v"')) == "v"
    assert plain(None) is None


def on_a_terminal(**env: str) -> bytes:
    """What a table looks like on a terminal of its own."""
    ours, theirs = os.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    code = "from cli.output import Output; Output(json=False).table(('head',), [('cell',)], title='title')"
    subprocess.run(
        [sys.executable, "-c", code], stdout=theirs, check=True, env=kept | {"TERM": "xterm-256color"} | env
    )
    os.close(theirs)
    seen = os.read(ours, 65536)
    os.close(ours)
    return seen


def test_no_color_is_honoured_on_a_terminal() -> None:
    """With NO_COLOR not a single escape sequence is printed; without it, or empty, tables are styled."""
    plainly = on_a_terminal(NO_COLOR="1")
    assert b"cell" in plainly
    assert b"\x1b" not in plainly
    assert b"\x1b[" in on_a_terminal()
    assert b"\x1b[" in on_a_terminal(NO_COLOR="")


def test_progress_tells_rate_and_time_left() -> None:
    """On a terminal: rows a second where rows are counted, else what is done, and the time left."""
    ours, theirs = os.openpty()
    code = (
        "import time; from cli.output import Output\n"
        "with Output(json=False).progress('import') as bar:\n"
        "    bar(10, 1000); time.sleep(0.2); bar(500, 1000); bar.count(5000); time.sleep(0.2)"
    )
    subprocess.run(
        [sys.executable, "-c", code], stderr=theirs, check=True,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    os.close(theirs)
    seen = os.read(ours, 65536).decode()
    os.close(ours)
    assert "rows/s" in seen
    assert re.search(r"0:00:\d\d", seen)
    assert "50%" in seen
