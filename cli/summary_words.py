"""The words of a month's summary, in Chinese and English; by the locale, as all that is said to people."""

from __future__ import annotations

from typing import Final

from cli import messages

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "title": ("Access log: summary of {month}", "访问日志月度摘要：{month}"),
    "running": ("The month isn't over; this is how it stands.", "本月尚未结束，以下为当前情况。"),
    "tenant": ("Tenant", "租户"),
    "origin": ("Log", "日志"),
    "range": ("Entries of the month", "本月留痕序号"),
    "range.of": ("{first} to {last} ({count})", "{first} 至 {last}（共 {count} 条）"),
    "range.none": ("none", "无"),
    "made": ("Made at", "生成时间"),
    "zone": ("Days and hours are those of Asia/Shanghai.", "日期与时段均为北京时间。"),
    "figures": ("The month in figures", "本月概况"),
    "reads": ("Reads", "读取"),
    "masked": ("of them with masked values at most", "其中仅显示脱敏值"),
    "clear": ("of them with values in clear", "其中显示明文"),
    "readers": ("Principals who read", "读取主体数"),
    "off": ("Reads outside 08:00-22:00 on weekdays", "工作日 8:00 至 22:00 之外的读取"),
    "off_people": ("of them by people, not services", "其中由人员（非系统）读取"),
    "share": ("{count} ({share})", "{count}（{share}）"),
    "no_case": ("Reads by people without an open case (as marked)", "无在办案件人员的读取（按标记）"),
    "refused": ("Refused, not found or failed", "被拒绝、未找到或失败"),
    "alarms": ("Alarms", "告警"),
    "glass": ("of them break-glass", "其中紧急启用权限"),
    "request": ("Requests for another's yes", "审批申请"),
    "approve": ("Approvals", "批准"),
    "export": ("Exports and handovers", "导出与移交"),
    "erase_begin": ("Erasures begun", "开始的删除"),
    "erase_done": ("Erasures done", "完成的删除"),
    "hold": ("Legal holds set or lifted", "保全的设置与解除"),
    "days": ("Reads by day", "每日读取"),
    "days.said": (
        "{total} reads in {days} days; the most on {day}: {most}. Dark: with values in clear.",
        "{days} 天共读取 {total} 次；最多为 {day}：{most} 次。深色为显示明文的读取。",
    ),
    "day": ("Day", "日期"),
    "purposes": ("Reads by purpose", "按目的"),
    "roles": ("Reads by role", "按角色"),
    "fields": ("Entries that showed a field in clear", "显示明文的字段"),
    "refusals": ("Refusals by reason", "拒绝原因"),
    "actors": ("Who read the most", "读取最多的主体"),
    "actors.note": ("{shown} of {all}.", "共 {all} 个，列出 {shown} 个。"),
    "nothing": ("None.", "无。"),
    "chart.said": ("{count} bars; the longest: {word}, {most}.", "共 {count} 条；最长为 {word}：{most}。"),
    "count": ("Entries", "条数"),
    "outcome.denied": ("denied", "拒绝"),
    "outcome.not_found": ("not found", "未找到"),
    "outcome.failed": ("failed", "失败"),
    "off.column": ("Off hours", "非工作时段"),
    "sort": ("Sort", "类别"),
    "vouched": ("What vouches for this", "凭据"),
    "checkpoint": ("Checkpoint that covers the month", "覆盖本月的日志检查点"),
    "checkpoint.of": ("size {size}, root {root}", "规模 {size}，根 {root}"),
    "checkpoint.none": ("none: the log had not begun", "无：日志尚未开始"),
    "witnesses": ("Witnessed by", "见证方"),
    "witnesses.of": ("{witness} ({time})", "{witness}（{time}）"),
    "witnesses.none": (
        "nobody on record: compare the checkpoint with one that was kept outside",
        "无记录：请与在外部留存的检查点比对",
    ),
    "check": ("Check the log itself: cvault log verify", "核验日志本身：cvault log verify"),
    "sign": ("Reviewed by (name, date, signature)", "审阅人（姓名、日期、签名）"),
}


def word(key: str, **parts: object) -> str:
    """One word or sentence, in the language of the locale."""
    return _WORDS[key][messages.chinese()].format(**parts)


def language() -> str:
    """The page's language."""
    return "zh" if messages.chinese() else "en"


def named(text: str, zh: str) -> str:
    """A word of the log: with its Chinese title where people read Chinese."""
    return f"{zh}（{text}）" if messages.chinese() and zh not in {"", text} else text


def refusal(reason: str, outcome: str) -> str:
    """Why something was refused, in words; what has no reason is told by how it ended."""
    known = f"outcome.{outcome}"
    ended = word(known) if known in _WORDS else outcome
    return messages.of_code(reason, reason) if reason else ended


def sort(text: str) -> str:
    """What sort of principal."""
    return messages.text(f"sort.{text}") if text else ""
