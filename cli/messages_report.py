"""What the command line says of reports and of the log's balance, in English and in Chinese."""

from __future__ import annotations

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "column.entries": ("entries", "条目数"),
    "column.pruned": ("pruned", "已按期删除"),
    "column.without_subject": ("about nobody", "不涉及个人"),
    "column.explained": ("explained", "已对应"),
    "column.orphans_declared": ("declared orphans", "已声明的孤立记录"),
    "column.unexplained": ("unexplained", "无法对应"),
    "column.missing": ("missing", "缺失"),
    "report.written": (
        "{entries} entries, the last being this report's own: {file}. Hand it to nobody but that person.",
        "共 {entries} 条，最后一条为本报告本身：{file}。请仅交给其本人。",
    ),
    "report.check": (
        "It is checked offline: cvault-verify report FILE --vkey KEY",
        "可离线核验：cvault-verify report FILE --vkey KEY",
    ),
    "report.whom": (
        "This copy names cases and tickets: it is not for the person it is about.",
        "本份含案件与票据：不可交给当事人。",
    ),
    "balance.even": ("The log is even: every entry is accounted for.", "日志平衡：每条记录均有对应。"),
}
