"""What the command line says of alarms and incidents, in English and in Chinese; part of `cli.messages`."""

from __future__ import annotations

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "column.binds": ("binds", "适用情形"),
    "column.clock": ("clock", "时限"),
    "column.handle": ("handle", "句柄"),
    "column.limit": ("limit", "限值"),
    "column.severity": ("severity", "严重程度"),
    "column.to": ("to", "报告对象"),
    "column.window": ("window", "统计窗口"),
    "off": ("off", "已停用"),
    "severity.low": ("low", "低"),
    "severity.medium": ("medium", "中"),
    "severity.high": ("high", "高"),
    "alarm.marks": (
        "None of these is a duty by law. [L-derived]: half of a statute's number. [product]: our own.",
        "以上均非法定告警义务。[L-derived]：数值为司法解释所定数量的一半。[product]：本产品自定。",
    ),
    "alarm.delivered": ("{target}: {count} alarms sent", "{target}：已发送 {count} 条告警"),
    "alarm.failed": ("{target}: not all could be sent; they wait", "{target}：未能全部发送，将留待下次"),
    "alarm.nowhere": (
        "Alarms go nowhere beside the log: [alarms] in vault.toml names a file or a web hook.",
        "除日志外未设置告警去处：请在 vault.toml 的 [alarms] 中设置文件或 webhook。",
    ),
    "alarm.nobody": ("nobody", "无"),
    "alarm.window.day": ("a day", "每日"),
    "alarm.window.hour": ("an hour", "每小时"),
    "alarm.window.night": ("a night", "每夜"),
    "alarm.window.10m": ("ten minutes", "10分钟"),
    "alarm.tested": (
        "Test alarm: entry {index}, sent to {targets}",
        "测试告警：日志第 {index} 条，发送至 {targets}",
    ),
    "honey.add": (
        "{count} added: whoever views them raises an alarm",
        "已添加 {count} 条：任何查看都会触发告警",
    ),
    "honey.remove": ("{count} taken off the list", "已移除 {count} 条"),
    "incident.none": ("No incident is on record.", "没有登记的安全事件。"),
    "incident.opened": (
        "{incident} is open. The clocks count; whether a duty binds you is for you to say.",
        "事件 {incident} 已登记。时限仅供提示，是否适用请自行判断。",
    ),
    "incident.reported": ("{incident}: {clock} noted", "{incident}：{clock} 已登记"),
    "incident.closed": ("{incident} is closed.", "事件 {incident} 已结束。"),
    "incident.state.open": ("open", "处置中"),
    "incident.state.closed": ("closed", "已结束"),
    "incident.affected": (
        "{persons} persons touched, between {first} and {last}",
        "涉及 {persons} 人，时间 {first} 至 {last}",
    ),
    "incident.kind": ("  {name}: {count} persons", "  {name}：{count} 人"),
    "incident.gone": (
        "{count} entries are about people who were erased: no longer identifiable",
        "另有 {count} 条日志涉及已删除的个人，已无法识别",
    ),
    "clock.done": ("told {at}", "已于 {at} 报告"),
    "clock.article": ("(article not noted)", "（条号未录）"),
    "clock.waits": ("from the closing", "自事件结束起算"),
    "clock.at_once": ("at once", "立即"),
    "owed.incident": ("report of an incident", "安全事件报告"),
}
