"""What the command line says of questions about the access log; part of `cli.messages`."""

from __future__ import annotations

from typing import Final

from cli import messages_powers

TEXTS: Final[dict[str, tuple[str, str]]] = messages_powers.TEXTS | {
    "verify.size": ("entries", "条目数"),
    "verify.root": ("root", "根哈希"),
    "verify.signed": ("signed checkpoints", "签名检查点"),
    "verify.first": ("first", "最早"),
    "verify.last": ("last", "最晚"),
    "ask.counting": ("Counting new entries", "统计新增留痕"),
    "log.more_newest": (
        "There may be older ones: a higher --limit, or --all",
        "可能还有更早的：请增大 --limit，或用 --all",
    ),
    "ask.nobody": (
        "No principal has this id or name: cvault principal list",
        "没有此编号或名称的主体：cvault principal list",
    ),
    "ask.none": ("No entry fits.", "没有符合条件的留痕。"),
    "ask.written": ("{rows} rows in {file}", "已写入 {rows} 行：{file}"),
    "ask.off": (
        "{off} of {reads} reads ({share}) outside working hours: {night} at night, {weekend} on weekends.",
        "共 {reads} 次读取，其中非工作时段 {off} 次（{share}）：夜间 {night} 次，周末 {weekend} 次。",
    ),
    "ask.unmarked": (
        "An empty answer says nothing of reads from before such marks were kept.",
        "标记启用之前的读取不在此列。",
    ),
    "ask.looked": (
        "The value was looked up on {days} day(s) by {people} principal(s).",
        "该值共在 {days} 天被 {people} 个主体查询。",
    ),
    "ask.not_looked": (
        "No search for this value is on record, refused ones aside, which keep no value.",
        "没有查询该值的记录；被拒绝的查询不留存所查的值，不在此列。",
    ),
    "ask.tallied": ("The counts of {entries} entries agree.", "已计入统计的 {entries} 条留痕与日志一致。"),
    "ask.retallied": ("Counted {entries} entries again.", "已重新统计 {entries} 条留痕。"),
    "summary.written": ("Summary of {month} in {file}", "{month} 月度摘要：{file}"),
    "summary.running": (
        "{month} isn't over: this says what was so when it was made.",
        "{month} 尚未结束，摘要仅反映生成时的情况。",
    ),
    "column.about": ("about", "对象"),
    "column.actor": ("actor id", "主体编号"),
    "column.actor_name": ("actor", "操作人"),
    "column.case": ("case", "案件"),
    "column.count": ("count", "次数"),
    "column.day": ("day", "日期"),
    "column.detail": ("detail", "详情"),
    "column.for": ("role, purpose", "角色、目的"),
    "column.indices": ("entries", "留痕序号"),
    "column.fields": ("fields", "字段"),
    "column.first": ("first", "首次"),
    "column.hit": ("hit", "查到次数"),
    "column.hour": ("hour", "时段"),
    "column.index": ("index", "序号"),
    "column.last": ("last", "末次"),
    "column.outcome": ("outcome", "结果"),
    "column.policy": ("policy", "策略"),
    "column.reads": ("reads", "读取次数"),
    "column.subject": ("subject", "个人"),
    "column.time": ("time", "时间（UTC）"),
    "column.times": ("times", "查询次数"),
    "column.token": ("token", "令牌"),
    "column.unknown": ("unknown", "无法识别"),
    "column.weekend": ("weekend", "周末"),
    "column.word": ("id", "编号"),
}
