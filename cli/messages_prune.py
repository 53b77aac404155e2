"""What the command line says of the log's retention; part of `cli.messages`."""

from __future__ import annotations

from typing import Final

from cli import messages_cases

TEXTS: Final[dict[str, tuple[str, str]]] = messages_cases.TEXTS | {
    "column.before": ("entries before", "早于"),
    "column.bodies_gone": ("bodies", "正文条数"),
    "column.entries_gone": ("entries", "整条数"),
    "column.certainty": ("certainty", "可信程度"),
    "column.source": ("source", "来源"),
    "prune.nothing": ("Nothing of the log is over its time on {as_of}.", "截至 {as_of}，日志中无到期内容。"),
    "prune.dry": (
        "Nothing was changed. To do it: cvault log prune --yes (with --request where it takes an approval)",
        "未作任何更改。执行请用 cvault log prune --yes（需审批的加 --request）",
    ),
    "prune.asked": (
        "{request} waits for another person's yes; then cvault log prune --yes --request {request}",
        "申请 {request} 待他人批准，之后执行 cvault log prune --yes --request {request}",
    ),
    "prune.done": (
        "It is gone; the tree and every later proof still hold.",
        "已删除；其后各树根与证明仍然成立。",
    ),
}
