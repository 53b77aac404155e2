"""Killed at any step of a recovery: nothing is served before it is finished, and running it again does."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path
from typing import IO, Final

import pytest
from kit import Made, borrowers, make_vault, reopen, sql
from system.test_crash import Crasher, pipe

from vault.access.tokens import Credential
from vault.errors import Tampered

__all__ = ["pipe"]  # the fixture that the tests here ask for too

ROWS: Final = borrowers(2)


def put_back(tmp_path: Path, *, purged: bool) -> tuple[Made, list[str], Credential]:
    """A vault whose ledger, or other stores from before a purge, were put back; its records, a token."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    ids, token = made.ids(ROWS), made.token("legal")
    made.vault.close()
    stores = ("keys", "records", "index") if purged else ("ledger",)
    (tmp_path / "old").mkdir()
    for name in stores:
        shutil.copy(made.folder / f"{name}.db", tmp_path / "old")
    made = reopen(made)
    if purged:
        plan = made.vault.erasing().plan(made.token("dpo"), as_of=date(2032, 1, 1))
        made.vault.erasing().execute(made.token("dpo"), plan.id, yes=True)
    made.vault.reading().read(made.token("legal"), ids)
    made.vault.close()
    for name in stores:
        for path in made.folder.glob(f"{name}.db*"):
            path.unlink()
        shutil.copy(tmp_path / "old" / f"{name}.db", made.folder)
    return made, ids, token


@pytest.mark.parametrize("purged", [False, True], ids=["ledger", "purged"])
def test_a_killed_recovery_is_finished_by_running_it_again(
    tmp_path: Path, pipe: tuple[IO[bytes], IO[bytes]], *, purged: bool
) -> None:
    """At every step: refused until the second run, which comes to the same end with one new log."""
    made, ids, token = put_back(tmp_path, purged=purged)
    crasher, evidence = Crasher(made, pipe), tmp_path / "evidence"
    args = [json.dumps({"principal": made.identity.principal, "key": made.identity.key}), str(evidence)]
    steps = crasher.points("recover", token, args)
    assert {"file", "evidence", "ledger.commit", "provider.replace_tenant", "pin", "mark gone"} <= set(steps)
    assert ("keys.raise_generation" in steps) is purged
    erasing = [at for at, step in enumerate(steps) if step.startswith(("keys.", "provider.", "records."))]
    for at in erasing if purged else range(len(steps)):  # the rest is the same for both
        shutil.rmtree(evidence, ignore_errors=True)
        again, said, _ = crasher.die("recover", token, args, at)
        if steps[at] != "mark gone":
            with pytest.raises(Tampered):
                again.vault.reading().read(again.token("legal"), ids)
            again.vault.auditing().recover(again.identity, reason="put back", evidence=evidence)
        again.clock.advance(seconds=2)
        again = again.reopened()
        found = again.vault.reading().read(again.token("legal"), ids)
        assert len(found.items) == (0 if purged else 2), said
        again.vault.auditing().walk()
        assert again.vault.vkey().name.endswith("/2"), said
        archived = sql(again, "ledger", "SELECT DISTINCT tenant FROM entries ORDER BY tenant")
        assert archived == [("main",), ("main~1",)], said
        assert (evidence / "checkpoint").exists(), said
        again.vault.close()
