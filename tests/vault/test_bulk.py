"""Bulk: the half of an import that runs in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kit import Made, borrowers, make_vault

from vault.bulk import Built, Bulk
from vault.config import Clock
from vault.errors import Unavailable
from vault.model import Disclosure
from vault.taking import Imported, ImportOptions

ROWS = borrowers(40)
BAD = [row | {"证件号": "110101199003070000"} for row in borrowers(2)]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """An empty sandbox."""
    return make_vault(tmp_path)


def load(made: Made, processes: int, rows: list[dict[str, str]]) -> Imported:
    """Import rows with so many processes."""
    return made.vault.writing().import_file(
        made.token("importer"), made.file(rows), kind="borrower", report=made.folder / f"{processes}.jsonl",
        options=ImportOptions(processes=processes),
    )  # fmt: skip


def shown(made: Made) -> Disclosure:
    """What the importer's rows read back as."""
    return made.vault.reading().read(made.token("dpo", "subject_request"), made.ids(ROWS))


def test_two_processes_end_where_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows built beside the writer are stored, refused and read back as those built by it."""
    monkeypatch.setattr("vault.taking.CHUNK_ROWS", 7)
    ends = []
    for processes in (1, 2):
        made = make_vault(tmp_path / str(processes))
        done = load(made, processes, [*ROWS[:20], *BAD, *ROWS[20:]])
        fields = [item.fields for item in shown(made).items]
        report = (made.folder / f"{processes}.jsonl").read_bytes()
        ends.append((done.rows, done.stored, done.rejected, fields, report))
    assert ends[0] == ends[1]
    assert ends[0][2] == 2


def test_rows_made_ready_in_vain_are_made_again(made: Made) -> None:
    """A row whose borrower is stored already changes nothing, or makes a version under the old ids."""
    load(made, 2, ROWS)
    before = made.ids(ROWS)
    done = load(made, 2, [ROWS[0] | {"手机": "13911112222"}, *ROWS[1:]])
    assert (done.stored, done.unchanged) == ({"borrower": 1}, 3 * len(ROWS) - 1)
    assert made.ids(ROWS) == before


def test_a_process_that_dies_stops_the_import(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The import ends with an error, what was stored stands whole, and running it again finishes it."""
    monkeypatch.setattr("vault.taking.CHUNK_ROWS", 5)
    started = subprocess.Popen

    def remember(*given: object, **more: object) -> subprocess.Popen[bytes]:
        process = started(*given, **more)  # type: ignore[call-overload]
        os.kill(process.pid, signal.SIGKILL)
        return process  # type: ignore[no-any-return]

    monkeypatch.setattr("vault.bulk.subprocess.Popen", remember)
    with pytest.raises(Unavailable):
        load(made, 2, ROWS)
    monkeypatch.undo()
    assert load(made, 2, ROWS).rejected == 0
    assert len(shown(made).items) == len(ROWS)


def test_the_other_process_is_told_nothing_on_its_command_line(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys and rows go through the pipe alone: arguments and environment can be seen by others."""
    started, seen = subprocess.Popen, []

    def remember(command: list[str], **more: object) -> subprocess.Popen[bytes]:
        seen.append(repr((command, more.get("env"))))
        return started(command, **more)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr("vault.bulk.subprocess.Popen", remember)
    load(made, 2, ROWS)
    values = {value for row in ROWS for value in row.values() if len(value) > 5}
    assert len(seen) == 1
    assert not [value for value in values if value in seen[0]]


def test_rows_that_seem_stored_are_not_made_ready(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind rows that were all known none is made ready; new ones among them are stored all the same."""
    monkeypatch.setattr("vault.taking.CHUNK_ROWS", 5)
    load(made, 2, ROWS[:20])
    readied = []
    chunks = Bulk.chunks

    def watch(self: Bulk, size: int, clock: Clock) -> Iterator[list[Built]]:
        for chunk in chunks(self, size, clock):
            readied.append(all(row.ready for row in chunk))
            yield chunk

    monkeypatch.setattr(Bulk, "chunks", watch)
    done = load(made, 2, ROWS)
    assert (done.stored["borrower"], done.unchanged) == (20, 60)
    assert len(shown(made).items) == len(ROWS)
    assert (readied[0], readied[3], readied[-1]) == (True, False, True)


def test_a_helper_process_gets_no_password_of_the_environment(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the environment it is told paths and language: a source's password stays behind."""
    monkeypatch.setenv("CVAULT_SOURCE_PASSWORD", "sesame99")
    started, seen = subprocess.Popen, []

    def remember(command: list[str], **more: object) -> subprocess.Popen[bytes]:
        seen.append(more["env"])
        return started(command, **more)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr("vault.bulk.subprocess.Popen", remember)
    load(made, 2, ROWS[:3])
    assert len(seen) == 1
    assert "sesame99" not in repr(seen)
