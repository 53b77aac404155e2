"""What the command line says of witnesses, pins and time stamps; part of `cli.messages`."""

from __future__ import annotations

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "witness.count": ("witnesses", "见证方"),
    "witness.quorum": ("quorum", "所需联署"),
    "witness.size": ("witnessed up to", "已见证条数"),
    "witness.tail.title": ("unwitnessed tail", "尚未见证"),
    "witness.tail": ("{entries} entries, {seconds} seconds", "{entries} 条，{seconds} 秒"),
    "witness.none": (
        "none: nobody outside could show that the log was rewritten",
        "无：日志若被改写，外部无人能够证明",
    ),
    "witness.policy": (
        "The witness policy {digest} is in force. Next: cvault log witness run",
        "见证策略 {digest} 已生效。下一步：cvault log witness run",
    ),
    "witness.round": (
        "Checkpoint of size {size}: {cosigned} of {asked} witnesses cosigned; witnessed: {witnessed}",
        "检查点（大小 {size}）：{asked} 个见证方中 {cosigned} 个已联署；是否达到所需联署：{witnessed}",
    ),
    "witness.skipped": (
        "Nothing has happened since size {size}, which is witnessed.",
        "自大小 {size} 的检查点获见证以来，日志没有新内容。",
    ),
    "witness.retry": ("The round failed ({code}); trying again.", "本轮失败（{code}），将重试。"),
    "witness.ended": ("Ended after {rounds} rounds.", "共进行 {rounds} 轮后结束。"),
    "witness.unset": ("No witnesses are configured.", "尚未配置见证方。"),
    "pin.written": (
        "Pinned in {file}. Keep it where nobody who runs the vault can change it.",
        "已写入 {file}。请保存在系统运维人员无法改动之处。",
    ),
    "stamp.query": (
        "The query is in {file}; take the authority's reply with --reply FILE --roots PEM",
        "请求文件：{file}；取得时间戳回执后，用 --reply FILE --roots PEM 登记",
    ),
    "stamp.kept": (
        "The checkpoint of size {size} existed at {at}, says {authority}.",
        "{authority} 证明：大小 {size} 的检查点在 {at} 已经存在。",
    ),
    "stamp.written": (
        "The reply of {authority} over the checkpoint of size {size} is in {file}; above is what it stamps.",
        "{authority} 对大小 {size} 的检查点所出具的回执：{file}；上方为被加盖时间戳的内容。",
    ),
    "column.cause": ("why", "原因"),
    "column.witness": ("witness", "见证方"),
}
