"""The demo's last acts: a purge with four eyes, and an old backup that cannot undo it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec

from cli.demo_stage import ENDED, Stage, copy_database, copy_vault, count, demand, refusal_of
from vault.crypto.provider import write_private
from vault.ledger.certificate import open_certificate
from vault.ledger.registry import Plan
from vault.model import MAIN, Word
from vault.vault import Vault

_SEALED: Final = "SELECT count(*) FROM payloads WHERE tenant = ?"
_SECRETS: Final = "SELECT count(*) FROM secrets WHERE tenant = ?"
_BATCH: Final = 500


class Purged(Word):
    """What the purge did.

    Attributes:
        contract_denied: The code with which a read was refused after the contract's end.
        plan, counts: The plan's id and its records by action.
        unapproved: The code with which the plan was refused before anyone had approved it.
        erased: Records erased. remaining: Records of the plan that were not.
        certificate: Absolute path of the certificate, whose signature was checked.
        epoch_dies: When the epoch of old copies of the key store is destroyed; ISO 8601, UTC.
    """

    contract_denied: str
    plan: str
    counts: dict[str, int]
    unapproved: str
    erased: int
    remaining: int
    certificate: str
    epoch_dies: str | None


class Restored(Word):
    """What an old backup of the records gave back after the purge.

    Attributes:
        living: How many records of the living borrower opened.
        sealed: Sealed values of purged records that are physically there again.
        tried: Purged records that were asked for by a role that reaches even restricted ones.
        opened: How many of those came back: promised to be none.
        codes: Why not, by error code.
        secrets: Wrapped record secrets left for that tenant in `keys`.
        living_secrets: The same for the living tenant.
    """

    living: int
    sealed: int
    tried: int
    opened: int
    codes: dict[str, int]
    secrets: int
    living_secrets: int


def purge(stage: Stage) -> Purged:
    """The second creditor's contract has ended yesterday: all of its records must go (PIPL 21 ¶2)."""
    story, erasing = stage.story, stage.vault.erasing(ENDED)
    with story.chapter("purge", f"A contract ends: purging {ENDED}", f"委托合同终止: 清除 {ENDED}"):
        known = next(_records(stage.folder / "records.db", ENDED))
        stage.contract(stage.today - timedelta(days=1))
        collector, dpo = stage.token(ENDED, "collector"), stage.token(ENDED, "dpo")
        contract_denied = refusal_of(lambda: stage.vault.reading(ENDED).read(collector, known))
        story.say(
            f"{ENDED}'s contract ended yesterday. Its collector reads: {contract_denied}.",
            f"{ENDED} 的委托合同昨日终止。其催收员读取: {contract_denied}。",
        )
        with story.progress("plan", "计划") as progress:
            plan = erasing.plan(dpo, progress=progress)
        _tell_plan(stage, plan)
        unapproved = refusal_of(lambda: erasing.execute(dpo, plan.id))
        stage.vault.granting(ENDED).approve(stage.people[ENDED, "approver"], plan.id)
        with story.progress("erase", "清除") as progress:
            done = erasing.execute(dpo, plan.id, progress=progress)
        path, dies = _certify(stage, plan.id, done.certificate)
        story.say(
            f"Executing alone: {unapproved}. A second person approved; {done.erased} records were erased.",
            f"单人执行: {unapproved}。经第二人批准后, 清除 {done.erased} 条记录。",
        )
        story.say(
            f"Certificate, its signature checked with the public key: {path}",
            f"清除证明 (已用公钥验签): {path}",
        )
    return Purged(
        contract_denied=contract_denied, plan=plan.id, counts=plan.counts, unapproved=unapproved,
        erased=done.erased, remaining=done.remaining, certificate=str(path), epoch_dies=dies,
    )  # fmt: skip


def _tell_plan(stage: Stage, plan: Plan) -> None:
    pick = stage.story.pick
    titles = {
        "rule": pick("rule", "规则"),
        "action": pick("action", "处理"),
        "count": pick("records", "条数"),
        "status": pick("certainty", "确定程度"),
        "source": pick("source", "依据"),
    }
    stage.story.table(tuple(titles.values()), ([str(row[name]) for name in titles] for row in plan.by_rule))


def _certify(stage: Stage, plan: str, text: str) -> tuple[Path, str | None]:
    """Check a certificate, write it where `retention execute` does, and say when the old epoch dies."""
    said = open_certificate(text, stage.vault.vkey(ENDED))
    path = stage.folder / "certificates" / f"{plan}.json"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_private(path, text.encode())
    epochs = msgspec.convert(said["epochs"], list[dict[str, int | str | None]])
    dies = max((str(e["destroyed"] or e["destroy_after"]) for e in epochs), default=None)
    return path, dies


def restore(stage: Stage, backup: Path, living: Sequence[str], purged: Purged) -> Restored:
    """In a copy of the vault, put the old backup of the records back and try to read what was purged."""
    story, copy = stage.story, stage.extras / "restored"
    with story.chapter("restored", "An old backup of the records comes back", "旧的数据备份被恢复"):
        copy_vault(stage.folder, copy)
        (copy / "records.db").unlink()
        copy_database(backup, copy / "records.db")
        lives, dead = stage.token(MAIN, "legal"), stage.token(ENDED, "legal")
        codes: Counter[str] = Counter()
        opened = tried = 0
        with Vault.open(copy) as vault:
            alive = len(vault.reading(MAIN).read(lives, living).items)
            for ids in _records(copy / "records.db", ENDED):
                got = vault.reading(ENDED).read(dead, ids)
                tried, opened = tried + len(ids), opened + len(got.items)
                codes.update(error.code for error in got.errors)
        found = Restored(
            living=alive,
            sealed=count(copy / "records.db", _SEALED, ENDED),
            tried=tried,
            opened=opened,
            codes=dict(codes),
            secrets=count(copy / "keys.db", _SECRETS, ENDED),
            living_secrets=count(copy / "keys.db", _SECRETS, MAIN),
        )
        demand(alive == len(living), "the living borrower opens")
        demand(found.sealed > 0 and opened == found.secrets == 0, "purged records stay closed")
        _tell_restored(stage, found, purged)
    return found


def _tell_restored(stage: Stage, found: Restored, purged: Purged) -> None:
    story = stage.story
    story.say(
        f"The living borrower reads as before ({found.living} records).",
        f"在库借款人照常读取 ({found.living} 条记录)。",
    )
    why = ", ".join(f"{code} {n}" for code, n in found.codes.items())
    story.say(
        f"Of {ENDED}, {found.sealed} sealed values are physically there again; of {found.tried} records"
        f" {found.opened} open ({why}).",
        f"{ENDED} 的 {found.sealed} 个密文又在库中; 逐一读取 {found.tried} 条记录,"
        f" 打开 {found.opened} 条 ({why})。",
    )
    story.say(
        f"Their keys are gone: {found.secrets} wrapped secrets are left ({MAIN} has {found.living_secrets}).",
        f"密钥已不存在: 剩余记录密钥 {found.secrets} 个 ({MAIN} 有 {found.living_secrets} 个)。",
    )
    story.say(
        f"A copy of the key store from before dies with its epoch: {purged.epoch_dies}.",
        f"此前的密钥库副本随其密钥期销毁而失效: {purged.epoch_dies}。",
    )


def _records(database: Path, tenant: str) -> Iterator[list[str]]:
    """Every record id of a tenant that has sealed values in a database, read past the vault; in batches."""
    query = "SELECT DISTINCT record FROM payloads WHERE tenant = ? ORDER BY record"
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(query, (tenant,))
        while batch := rows.fetchmany(_BATCH):
            yield [record for (record,) in batch]
