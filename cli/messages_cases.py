"""What the command line says of cases, and the titles of tables; part of `cli.messages`."""

from __future__ import annotations

from typing import Final

from cli import messages_reach

TEXTS: Final[dict[str, tuple[str, str]]] = messages_reach.TEXTS | {
    "init.sandbox": (
        "This is a sandbox: a place to learn in. It says so for ever in its log and certificates.",
        "这是练习用的沙箱库，其日志与证明会永久标明。",
    ),
    "handover.requested": (
        "Asked for as {request}: somebody else approves it, then cvault handover make --request {request}",
        "已申请：{request}。由他人批准后执行 cvault handover make --request {request}",
    ),
    "handover.made": (
        "{records} records of {cases} cases in {file}, for use until {expires}; each is an entry",
        "已移交 {cases} 个案件共 {records} 条记录：{file}，使用期限至 {expires}；每条均已留痕",
    ),
    "column.action": ("what to do", "处理办法"),
    "column.allowed": ("allowed", "是否允许"),
    "column.at": ("at", "时间"),
    "column.attempts_left": ("attempts left", "剩余拨打次数"),
    "column.authority": ("authority", "机关"),
    "column.calls_left": ("calls left", "剩余通话次数"),
    "column.cases": ("cases", "案件数"),
    "column.changed": ("changed", "变更时间"),
    "column.channel": ("channel", "渠道"),
    "column.channels": ("channels", "渠道"),
    "column.code": ("code", "代码"),
    "column.expires": ("expires", "到期"),
    "column.field": ("field", "字段"),
    "column.handover": ("handover", "移交"),
    "column.holder": ("holder", "持有人"),
    "column.id": ("id", "编号"),
    "column.kind": ("kind", "种类"),
    "column.mark": ("mark", "依据标记"),
    "column.number": ("number", "号码"),
    "column.open_cases": ("open cases", "未结案件"),
    "column.opened": ("opened", "开启时间"),
    "column.priority": ("priority", "优先级"),
    "column.reason": ("reason", "理由"),
    "column.record": ("record", "记录"),
    "column.records": ("records", "记录数"),
    "column.ref": ("ref", "外部编号"),
    "column.reservation": ("reservation", "预约"),
    "column.rests_on": ("rests on", "依据"),
    "column.rule": ("rule", "规则"),
    "column.says": ("says", "内容"),
    "column.until": ("until", "有效至"),
    "column.value": ("value", "值"),
    "column.view": ("view", "可见程度"),
    "token.written": ("Token until {expires}: {file}", "令牌有效期至 {expires}：{file}"),
    "hint.case_closed": (
        "it is closed, or isn't yours; the case desk opens or assigns it",
        "案件已关闭，或未分派给你；请由案件管理员重新开启或分派",
    ),
    "no": ("no", "否"),
    "state.case.open": ("open", "未结"),
    "state.case.closed": ("closed", "已关闭"),
    "case.opened": (
        "{changed} cases opened, {unchanged} open already",
        "开立案件 {changed} 件，{unchanged} 件原已开立",
    ),
    "case.assigned": (
        "{changed} cases assigned, {unchanged} as they were",
        "分派案件 {changed} 件，{unchanged} 件未变",
    ),
    "case.recalled": (
        "{changed} cases taken back, {unchanged} were nobody's",
        "收回案件 {changed} 件，{unchanged} 件原本未分派",
    ),
    "case.closed": (
        "{changed} cases closed, {unchanged} closed already",
        "关闭案件 {changed} 件，{unchanged} 件原已关闭",
    ),
    "case.more": ("More may follow: --after {after}", "可能还有更多：--after {after}"),
    "case.exported": ("{count} cases written to {file}", "已将 {count} 件案件写入 {file}"),
    "case.shared": (
        "{placed} cases placed; {unplaced} are still nobody's",
        "已分派 {placed} 件；仍有 {unplaced} 件无人负责",
    ),
    "case.dry": ("Dry run: nothing was assigned.", "试运行：未作任何分派。"),
}
