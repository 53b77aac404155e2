"""Killed at any step, a change of the schema is finished by running it again: nothing lost, nothing left."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import IO, Final

import pytest
from kit import Made, borrowers, make_vault, shown, sql, values
from schemakit import DARKER, WECHAT, opening, own, payloads, without
from system.test_crash import LONG, Crasher, pipe

from vault.access.tokens import Credential
from vault.errors import ConfigError
from vault.model import Hold

__all__ = ["pipe"]

ROWS: Final = borrowers(3)
EMAILS: Final = [row["电子邮箱"].encode() for row in ROWS]
TEXT: Final = own(WECHAT, DARKER, retired=["borrower.email"])
STREETS: Final = ("浙江省杭州市西湖区新街1号", "浙江省杭州市西湖区新街2号")


def changing(tmp_path: Path, pipe: tuple[IO[bytes], IO[bytes]]) -> tuple[Crasher, Credential]:
    """Three borrowers: one with two replaced versions, one under hold; a token to change the schema."""
    made = make_vault(tmp_path)
    without(made, "email")
    made = made.reopened()
    made.load(ROWS)
    dpo, ids = made.token("dpo", "subject_request"), made.ids(ROWS)
    for street in STREETS:
        made.clock.advance(minutes=1)
        made.vault.amending().correct(dpo, ids[0], {"residence": street}, reason="letter")
    made.clock.advance(minutes=1)
    hold = Hold(number="H-1", authority="法院", until="2050-01-01")
    made.vault.erasing().add_hold(made.token("dpo"), ids[1:2], hold)
    return Crasher(made, pipe), made.token("admin", limits=LONG)


def counted(made: Made) -> dict[str, int]:
    """How many rows the stores hold of what must not pile up."""
    tables = {
        "secrets": "keys",
        "latest": "keys",
        "payloads": "records",
        "facts": "records",
        "blind": "index",
    }
    return {t: int(sql(made, store, f"SELECT count(*) FROM {t}")[0][0]) for t, store in tables.items()}


def whole_after(crasher: Crasher, token: Credential, at: int) -> dict[str, int]:
    """Die at a step, look, run it again, and look at what is left; returns the rows there are."""
    made, said, _ = crasher.die("schema", token, [TEXT], at)
    start = made.clock.now
    with suppress(ConfigError):  # a room of data, shut: the schema isn't applied yet
        assert len(made.vault.reading().read(made.token("legal"), made.ids(ROWS)).items) == 3, said
        assert made.vault.tenancy().schema.own or EMAILS[0] in opening(made, payloads(made)), said
    done = made.vault.resealing(TEXT).apply(made.token("admin"))
    assert (done.held, done.damaged) == (1, 0), said
    made = made.reopened()
    assert [email in opening(made, payloads(made)) for email in EMAILS] == [False, True, False], said
    dpo, ids, room = made.token("dpo", "subject_request"), made.ids(ROWS), made.vault.reading()
    for back, street in enumerate((STREETS[1], STREETS[0], ROWS[0]["现住址"])):
        instant = start - back * 60_000_000 - 30_000_000
        assert values(shown(room.read(dpo, ids[:1], as_of=instant)))["residence"] == street, said
    assert [values(item)["phone"] for item in room.read(dpo, ids).items] == [r["手机"] for r in ROWS], said
    assert len(room.find(made.token("legal"), field="phone", value=ROWS[2]["手机"]).items) == 1, said
    made.clock.advance(minutes=1)
    made.vault.writing().sweep()  # what the dead process had begun to write
    made.vault.auditing().walk()
    assert made.load(ROWS[1:]).unchanged == 6, said
    rows, made.clock.now = counted(made), start
    made.vault.close()
    return rows


@pytest.mark.timeout(300)
def test_a_killed_change_is_finished_by_running_it_again(
    tmp_path: Path,
    pipe: tuple[IO[bytes], IO[bytes]],
) -> None:
    """At every step: nothing half-changed is served, and the second run ends where an unkilled one does."""
    crasher, token = changing(tmp_path, pipe)
    steps = crasher.points("schema", token, [TEXT])
    wanted = {
        "keys.put_pending",
        "keys.confirm",
        "records.insert",
        "index.put",
        "keys.rewrap",
        "keys.truncate",
    }
    assert wanted <= set(steps), steps
    ended = [whole_after(crasher, token, at) for at in range(len(steps) + 1)]
    assert {str(one) for one in ended} == {str(ended[-1])}, steps
