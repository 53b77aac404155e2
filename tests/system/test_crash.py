"""Killed at any step, the vault is whole when it is opened again: nothing half-done, nothing lost."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import IO, Any, Final

import msgspec
import pytest
from kit import Made, borrowers, make_vault, reopen, shown, sql, values
from system.crasher import Task

from vault.access.tokens import Credential, Limits
from vault.errors import Unavailable
from vault.ledger.certificate import open_certificate
from vault.model import Hold

OLD: Final = borrowers(3)
NEW: Final = [OLD[0] | {"手机": "13955500001"}, *borrowers(2, first=30)]
HERE: Final = Path(__file__).parent
KILLED: Final = -9
LONG: Final = Limits(ttl_us=12 * 3_600_000_000)


class Crasher:
    """The process that forks and dies for us, and the vault that is put back before each death."""

    def __init__(self, made: Made, pipe: tuple[IO[bytes], IO[bytes]]) -> None:
        self.made = made
        self.pipe = pipe
        self.kept = made.outside / "kept"
        made.vault.close()
        shutil.copytree(made.folder, self.kept)

    def die(self, do: str, token: Credential, args: list[str], at: int) -> tuple[Made, list[str], int]:
        """Put the vault back, do the task up to the step, open the vault; what was said, and how it ended."""
        shutil.rmtree(self.made.folder)
        shutil.copytree(self.kept, self.made.folder)
        out = self.made.outside / "out.txt"
        out.unlink(missing_ok=True)
        task = Task(
            folder=str(self.made.folder), now=self.made.clock.now, do=do, token=token.to_json().decode(),
            args=args, die=at, out=str(out),
        )  # fmt: skip
        self.pipe[0].write(msgspec.json.encode(task) + b"\n")
        self.pipe[0].flush()
        ended = int(self.pipe[1].readline())
        return reopen(self.made), out.read_text().splitlines(), ended

    def points(self, do: str, token: Credential, args: list[str]) -> list[str]:
        """The names of the steps of a task that isn't killed."""
        made, said, ended = self.die(do, token, args, 1 << 30)
        made.vault.close()
        assert (ended, said[-1]) == (0, "done")
        return [line.removeprefix("step ") for line in said if line.startswith("step ")]


@pytest.fixture(scope="module")
def pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The forking process's stdin and stdout."""
    env = os.environ | {"PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE.parents[1]}"}
    command = [sys.executable, str(HERE / "crasher.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdin, process.stdout


def everything(made: Made) -> list[tuple[str, Any]]:
    """All that a person's request may see, without ids: kind, ref and values, sorted."""
    token, found = made.token("dpo", "subject_request"), []
    for kind in ("borrower", "loan", "contact_person"):
        page = made.vault.reading().list_records(token, kind=kind, limit=1000)
        assert page.errors == []
        found += [(kind, sorted(values(item).items(), key=str)) for item in page.items]
    return sorted(found, key=str)


def rows(made: Made) -> dict[str, int]:
    """How many rows the stores hold of what must not pile up."""
    counted = {
        "latest": "keys", "subjects": "keys", "payloads": "records", "facts": "records", "blind": "index",
        "attributes": "index",
    }  # fmt: skip
    found = {t: int(sql(made, store, f"SELECT count(*) FROM {t}")[0][0]) for t, store in counted.items()}
    found["records"] = int(sql(made, "records", "SELECT count(DISTINCT record) FROM facts")[0][0])
    return found


def loaded(made: Made) -> None:
    """Import the new rows; where a dead writer still holds its place, after its time is over."""
    try:
        made.load(NEW)
    except Unavailable:
        made.clock.advance(seconds=31)
        made.load(NEW)


def whole_after_import(crasher: Crasher, token: Credential, at: int, goal: list[tuple[str, Any]]) -> None:
    """Die at a step of the import and check what is left, before and after importing again."""
    before, after = everything_before(crasher), goal
    path = crasher.made.file(NEW, "new.csv")
    made, said, ended = crasher.die("import", token, [str(path)], at)
    made = replace(made, clock=crasher.made.clock)
    assert ended in {KILLED, 0}
    made.vault.auditing().walk()
    assert everything(made) in (before, after), said
    loaded(made)
    assert everything(made) == after, said
    made.clock.advance(seconds=31)
    made.vault.writing().sweep()
    again = made.load(NEW)
    assert (again.stored, again.rejected) == ({}, 0), said
    assert everything(made) == after, said
    for row in NEW:
        found = made.vault.reading().find(made.token("legal"), field="phone", value=row["手机"])
        assert len(found.items) == 1, said
    assert made.vault.reading().find(made.token("legal"), field="phone", value=OLD[0]["手机"]).items == []
    assert sql(made, "keys", "SELECT count(*) FROM secrets WHERE status='pending'") == [(0,)]
    made.vault.auditing().walk()
    made.vault.close()


def everything_before(crasher: Crasher) -> list[tuple[str, Any]]:
    """What the vault shows before the task; read from a copy, so that it stays as it was."""
    shutil.rmtree(crasher.made.folder)
    shutil.copytree(crasher.kept, crasher.made.folder)
    made = reopen(crasher.made)
    found = everything(made)
    made.vault.close()
    return found


def importing(tmp_path: Path, pipe: tuple[IO[bytes], IO[bytes]]) -> tuple[Crasher, Credential, int, Any]:
    """A vault ready to import, how many steps that takes, and what it shows afterwards."""
    made = make_vault(tmp_path)
    made.load(OLD)
    token = made.token("importer", limits=LONG)
    crasher = Crasher(made, pipe)
    steps = crasher.points("import", token, [str(made.file(NEW, "new.csv"))])
    assert {"keys.put_pending", "ledger.commit", "records.insert", "index.put", "keys.confirm"} <= set(steps)
    done = reopen(made)
    goal = everything(done)
    done.vault.close()
    return crasher, token, len(steps), goal


def test_a_killed_import_leaves_rows_whole_or_absent(
    tmp_path: Path, pipe: tuple[IO[bytes], IO[bytes]]
) -> None:
    """At every step: no half of a row is seen, and importing again comes to the same end."""
    crasher, token, steps, goal = importing(tmp_path, pipe)
    for at in range(steps + 1):
        whole_after_import(crasher, token, at, goal)


def test_a_killed_import_can_be_killed_again(tmp_path: Path, pipe: tuple[IO[bytes], IO[bytes]]) -> None:
    """Two deaths in a row, the second while repeating the first, still come to the same end."""
    crasher, token, steps, goal = importing(tmp_path, pipe)
    kept = crasher.kept
    for first in (steps - 3, steps - 1):
        made, _, _ = crasher.die("import", token, [str(crasher.made.file(NEW, "new.csv"))], first)
        made.vault.close()
        crasher.kept = tmp_path / f"died-{first}"
        shutil.copytree(crasher.made.folder, crasher.kept)
        crasher.made.clock.advance(seconds=31)
        second, _, _ = crasher.die("import", token, [str(crasher.made.file(NEW, "new.csv"))], steps - 2)
        second.vault.auditing().walk()
        loaded(second)
        assert everything(second) == goal
        second.vault.close()
        crasher.kept = kept


def test_every_disclosure_that_left_has_its_entry(tmp_path: Path, pipe: tuple[IO[bytes], IO[bytes]]) -> None:
    """A reader killed at any commit: what it had released stands in the log, which verifies."""
    made = make_vault(tmp_path)
    made.load(OLD)
    ids, token = made.ids(OLD), made.token("legal")
    crasher = Crasher(made, pipe)
    steps, left = crasher.points("read", token, ids), 0
    assert steps.count("ledger.commit") == len(steps) == 4
    for at in range(len(steps) + 1):
        again, said, _ = crasher.die("read", token, ids, at)
        released = {int(line.removeprefix("out ")) for line in said if line.startswith("out ")}
        again.vault.auditing().walk()
        read = {int(idx) for (idx,) in sql(again, "ledger", "SELECT idx FROM entries WHERE kind='read'")}
        assert released <= read
        assert len(again.vault.reading().read(token, ids).items) == 3
        left += len(released)
        again.vault.close()
    assert left > 6


def test_a_killed_hold_stands_or_does_not(tmp_path: Path, pipe: tuple[IO[bytes], IO[bytes]]) -> None:
    """At every step: the facts are valid, the hold is there or not, and a second try places it."""
    made = make_vault(tmp_path)
    made.load(OLD)
    ids, token = made.ids(OLD), made.token("dpo")
    crasher = Crasher(made, pipe)
    steps = crasher.points("hold", token, ids)
    assert {"keys.pend_facts", "records.put_facts", "keys.confirm_facts"} <= set(steps)
    for at in range(len(steps) + 1):
        again, said, _ = crasher.die("hold", token, ids, at)
        room = again.vault.erasing()
        assert {h.record for h in room.holds(again.token("dpo"))} in (set(), set(ids)), said
        room.release_hold(again.token("dpo"), ids, "H-9")
        room.add_hold(again.token("dpo"), ids, Hold(number="H-9", authority="法院", until="2050-01-01"))
        assert {h.record for h in room.holds(again.token("dpo"))} == set(ids), said
        assert len(again.vault.reading().read(again.token("legal"), ids).items) == 3
        again.vault.auditing().walk()
        again.vault.close()


def purging(tmp_path: Path, pipe: tuple[IO[bytes], IO[bytes]], count: int) -> tuple[Crasher, Credential, Any]:
    """A vault with an approved-to-be plan: all is due but one record on hold; its plan and who is who."""
    made = make_vault(tmp_path)
    all_rows = borrowers(count)
    made.load(all_rows)
    token = made.token("dpo", limits=LONG)
    ids = made.ids(all_rows)
    hold = Hold(number="H-1", authority="法院", until="2050-01-01")
    made.vault.erasing().add_hold(token, ids[:1], hold)
    plan = made.vault.erasing().plan(token, as_of=date(2032, 1, 1))
    return Crasher(made, pipe), token, (plan.id, ids)


def whole_after_purge(crasher: Crasher, token: Credential, about: Any, at: int) -> dict[str, object]:
    """Die at a step of the purge, check what is left, finish it; what the certificate says of the counts."""
    plan, ids = about
    made, said, _ = crasher.die("purge", token, [plan], at)
    made.vault.auditing().walk()
    found = made.vault.reading().read(made.token("legal"), ids)
    assert {e.code for e in found.errors} <= {"not_found", "restricted"}, said
    assert ids[0] in {item.record for item in found.items}, said
    room = made.vault.erasing()
    done = room.execute(made.token("dpo"), plan, yes=True)
    assert room.execute(made.token("dpo"), plan, yes=True) == done, said
    left = made.vault.reading().read(made.token("legal"), ids)
    assert shown(left).record == ids[0], said
    assert {e.code for e in left.errors} == {"not_found"}, said
    made.clock.advance(minutes=1)
    made.vault.writing().sweep()  # what the dead process had begun to write
    counted = rows(made)
    listed = 2 * (len(ids) - 1) + len(ids)  # ID number and number of who is gone, telephones of contacts
    assert (counted["latest"], counted["records"]) == (1 + listed, 1 + listed), said
    assert shown(left).state == "RESTRICTED"
    assert [e.code for e in made.vault.reading().read(made.token("collector"), ids[:1]).errors] == [
        "restricted"
    ]
    made.vault.auditing().walk()
    certified = open_certificate(done.certificate, made.vault.vkey())
    made.vault.close()
    return {name: certified[name] for name in ("erased", "restricted", "remaining", "digest")}


def test_a_killed_purge_is_finished_by_running_it_again(
    tmp_path: Path, pipe: tuple[IO[bytes], IO[bytes]]
) -> None:
    """At every step: survivors open, the rest is gone or going, and the second run certifies the same."""
    crasher, token, about = purging(tmp_path, pipe, 2)
    steps = crasher.points("purge", token, [about[0]])
    wanted = {"keys.rewrap", "index.delete", "records.delete", "keys.raise_generation", "keys.move_shelf"}
    assert wanted <= set(steps), steps
    certified = [whole_after_purge(crasher, token, about, at) for at in range(len(steps) + 1)]
    assert all(one == certified[-1] for one in certified)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_two_hundred_random_deaths(
    tmp_path: Path, pipe: tuple[IO[bytes], IO[bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Imports and purges of more records, killed at two hundred random steps."""
    dice = random.Random(os.environ.get("CVAULT_SEED", "1"))  # noqa: S311 - chooses where to die
    (tmp_path / "i").mkdir()
    (tmp_path / "p").mkdir()
    imports, token, steps, goal = importing(tmp_path / "i", pipe)
    purges, dpo, about = purging(tmp_path / "p", pipe, 40)
    purge_steps = len(purges.points("purge", dpo, [about[0]]))
    for _ in range(100):
        whole_after_import(imports, token, dice.randrange(steps + 1), goal)
        whole_after_purge(purges, dpo, about, dice.randrange(purge_steps + 1))
    with capsys.disabled():
        sys.stdout.write(f"\n200 deaths survived: {steps} steps of an import, {purge_steps} of a purge\n")
