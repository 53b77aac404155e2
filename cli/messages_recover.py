"""What the command line says of a log that has to be begun anew, in English and in Chinese."""

from __future__ import annotations

from typing import Final

from cli import messages_ask

TEXTS: Final[dict[str, tuple[str, str]]] = messages_ask.TEXTS | {
    "column.check": ("check", "检查项"),
    "column.holds": ("holds", "是否通过"),
    "column.fault": ("first fault at", "首个异常序号"),
    "hint.integrity": (
        "stop, and keep what is there as evidence: docs/recover.md; cvault doctor",
        "请停止操作，原样保留证据：docs/recover.md；cvault doctor",
    ),
    "recover.title": ("access log {origin}", "访问日志 {origin}"),
    "recover.entries": ("entries", "条目数"),
    "recover.last": ("last written", "最后写入时间"),
    "recover.pinned": ("pinned outside", "库外固定的条目数"),
    "recover.missing": ("missing", "缺失"),
    "recover.good": ("as once signed, up to", "与原签名一致，截至"),
    "recover.none": ("–", "–"),
    "recover.whole": (
        "The log is whole; there is nothing to recover.",
        "日志完整，无需重建。",
    ),
    "recover.begun": (
        "A recovery was begun and isn't finished: run it again with --yes.",
        "重建已开始但尚未完成：请加 --yes 再次执行。",
    ),
    "recover.first": (
        "Put the newest ledger back first if there is one: then nothing has to be begun anew.",
        "若另有较新的账本副本，请先恢复它，则无需重建日志。",
    ),
    "recover.lost": (
        "What was decided after {last} is not in it: who was disabled, what was revoked or approved.",
        "{last} 之后的决定不在此账本中：停用、吊销、批准、策略、案件分配、触达次数、清除。",
    ),
    "recover.again": (
        "Go through it again: cvault access review, policy diff, case list, retention plan.",
        "请逐项核对：cvault access review、policy diff、case list、retention plan。",
    ),
    "recover.how": (
        "Nothing was changed. To do it: cvault log recover --yes --as FILE --reason T --evidence DIR",
        "尚未作任何更改。重建日志：cvault log recover --yes --as FILE --reason T --evidence DIR",
    ),
    "recover.done": (
        "The log {closed} is closed; {origin} goes on in its place.",
        "日志 {closed} 已封存，由 {origin} 接续。",
    ),
    "recover.key": (
        "Give its key to everybody who checks the log: {vkey}",
        "请将新公钥交给所有查验日志的人：{vkey}",
    ),
    "recover.kept": (
        "What is left of the old log: {evidence}; its rows lie in the ledger under {archive}.",
        "旧日志的留存证据：{evidence}；其条目仍在账本中，租户列为 {archive}。",
    ),
    "recover.tokens": (
        "Every token issued before is dead; open requests must be asked for again.",
        "此前签发的令牌全部失效；未办结的申请须重新提出。",
    ),
    "doctor.no_pin": (
        "{tenant}: no checkpoint is pinned yet; a ledger put back from a backup would not be noticed",
        "{tenant}：尚无固定的检查点，账本若被旧备份替换将无法察觉",
    ),
    "doctor.pin_fixed": (
        "{tenant}: the key folder can't be written, so no checkpoint is pinned there",
        "{tenant}：密钥目录不可写，无法固定检查点",
    ),
}
