"""What the commands about power say to people: principals, agencies, requests, break-glass, what is owed."""

from __future__ import annotations

from typing import Final

from cli import messages_alarm, messages_report, messages_witness

_OTHERS: Final = messages_witness.TEXTS | messages_report.TEXTS | messages_alarm.TEXTS

TEXTS: Final[dict[str, tuple[str, str]]] = _OTHERS | {
    "hint.attestation_expired": (
        "have it renewed: cvault principal attest; cvault principal list marks what is over",
        "请补签或重新培训后登记：cvault principal attest；过期项见 cvault principal list",
    ),
    "hint.contact_state": (
        "what is on file of the person rules it out, such as a death; ask the data protection officer",
        "当事人的登记状态（如已故）不允许此操作；请联系个人信息保护负责人",
    ),
    "hint.contact_refused": (
        "the person wants no contact, and that stands; ask the data protection officer",
        "当事人已拒绝联系，应予遵守；请联系个人信息保护负责人",
    ),
    "hint.quiet_hours": (
        "come back in the hours that policy allows: cvault policy explain",
        "请在策略允许的时段操作：cvault policy explain",
    ),
    "yes": ("yes", "是"),
    "overdue": ("(overdue)", "（逾期）"),
    "column.added": ("added", "添加时间"),
    "column.agency": ("agency", "委外机构"),
    "column.approvals": ("approvals", "批准人数"),
    "column.attested": ("attested until", "保密与培训有效期"),
    "column.by": ("by", "添加人"),
    "column.contract": ("contract", "合同"),
    "column.days_left": ("days left", "剩余天数"),
    "column.disabled": ("disabled", "已停用"),
    "column.due": ("due", "期限"),
    "column.finding": ("finding", "复核结论"),
    "column.glass": ("glass", "编号"),
    "column.left": ("left", "剩余时间"),
    "column.name": ("name", "名称"),
    "column.owes": ("owes", "待办"),
    "column.people": ("people", "人数"),
    "column.principal": ("principal", "主体"),
    "column.purpose": ("purpose", "目的"),
    "column.purposes": ("purposes", "目的"),
    "column.request": ("request", "申请"),
    "column.review": ("open review", "待复核"),
    "column.reviewer": ("reviewer", "复核人"),
    "column.role": ("role", "角色"),
    "column.roles": ("roles", "角色"),
    "column.rows": ("rows", "条数"),
    "column.since": ("since", "开始时间"),
    "column.sort": ("sort", "类别"),
    "column.staff_no": ("staff number", "有工号"),
    "column.state": ("state", "状态"),
    "column.waiting": ("waits for your yes", "待你批准"),
    "column.what": ("what", "事项"),
    "column.who": ("who", "何人"),
    "column.why": ("why", "理由"),
    "sort.person": ("person", "人员"),
    "sort.service": ("service", "系统"),
    "sort.agency": ("agency", "机构"),
    "attestation.confidentiality": ("confidentiality", "保密承诺"),
    "attestation.training": ("training", "年度培训"),
    "attested.over": ("expired", "已过期"),
    "principal.attested": (
        "Attested for {principal} until {until}.",
        "已登记 {principal} 的承诺与培训，有效期至 {until}。",
    ),
    "principal.granted": ("{principal} holds the role {role}.", "已授予 {principal} 角色 {role}。"),
    "principal.identified": (
        "{principal} has a staff number on file, as a keyed handle",
        "{principal} 已登记工号（仅存密钥化摘要）",
    ),
    "principal.withdrawn": (
        "{principal} no longer holds {role}; its tokens are refused from now on.",
        "已收回 {principal} 的角色 {role}，其令牌即刻失效。",
    ),
    "principal.rotated": (
        "The key of {principal} is a new one, in {file}; the old file opens nothing any more.",
        "{principal} 已换用新密钥：{file}；旧文件不再有效。",
    ),
    "principal.replaced": (
        "The key of {principal} is the new one that its owner made.",
        "{principal} 已换用其本人生成的新密钥。",
    ),
    "agency.state.none": ("no contract", "无合同"),
    "agency.state.coming": ("coming", "未生效"),
    "agency.state.in_force": ("in force", "生效中"),
    "agency.state.ending": ("ending", "即将到期"),
    "agency.state.sealed": ("sealed off", "已封禁"),
    "agency.state.ended": ("ended", "已终止"),
    "agency.returned": ("returned or deleted, attested {day}", "已于 {day} 书面确认返还或删除"),
    "agency.due": (
        "attestation that all was returned or deleted, due {day}",
        "返还或删除确认书，期限 {day}",
    ),
    "agency.overdue": (
        "OVERDUE since {day}: attestation that all was returned or deleted",
        "已逾期（期限 {day}）：返还或删除确认书",
    ),
    "agency.contracted": (
        "{agency} works under a contract from {starts} to {ends}.",
        "已登记 {agency} 的合同：{starts} 至 {ends}。",
    ),
    "agency.ends": (
        "The contract of {agency} ends on {ends}; then its tokens die, and an attestation is due.",
        "{agency} 的合同于 {ends} 终止，其令牌同日失效，并须提交返还或删除确认书。",
    ),
    "agency.sealed": (
        "{agency} is sealed off: nobody of it gets anything from now on.",
        "{agency} 已封禁：其人员即刻无法取得任何数据。",
    ),
    "agency.unsealed": ("{agency} may go on.", "{agency} 已解除封禁。"),
    "agency.attested": (
        "The attestation of {agency} is recorded.",
        "已登记 {agency} 的返还或删除确认书。",
    ),
    "request.opened": (
        "{quorum} of {of} must say yes: cvault approve {request} --as FILE",
        "须由 {quorum} 名 {of} 批准：cvault approve {request} --as FILE",
    ),
    "request.refused": ("{request} is refused.", "申请 {request} 已被拒绝。"),
    "request.same": (
        "{request} asks for exactly this. Approve it with: cvault approve {request}",
        "申请 {request} 的内容与所给完全一致。批准请执行 cvault approve {request}",
    ),
    "request.other": (
        "{request} asks for something else than this: don't approve it before you know why",
        "申请 {request} 的内容与所给不一致：查明原因之前请勿批准",
    ),
    "request.state.waiting": ("waiting", "待批准"),
    "request.state.approved": ("approved", "已批准"),
    "request.state.refused": ("refused", "已拒绝"),
    "request.state.expired": ("expired", "已过期"),
    "request.state.used": ("used", "已使用"),
    "left.hours": ("{days} d {hours} h", "{days} 天 {hours} 小时"),
    "left.minutes": ("{minutes} min", "{minutes} 分钟"),
    "glass.broken": (
        "!! GLASS BROKEN: {role} for {purpose} until {until}.",
        "！！已紧急破窗：{role}（{purpose}），有效期至 {until}。",
    ),
    "glass.alarm": (
        "!! An alarm is in the log under your name. A review by somebody else is owed by {due}.",
        "！！日志已以你的名义记录告警；须由他人在 {due} 前完成复核。",
    ),
    "glass.token": (
        "Token: {file}. The review: cvault glass review {glass} --justified --finding T --as FILE",
        "令牌：{file}。复核：cvault glass review {glass} --justified --finding T --as FILE",
    ),
    "glass.reviewed": ("{glass}: {state}", "{glass}：{state}"),
    "glass.state.open": ("review open", "待复核"),
    "glass.state.overdue": ("review OVERDUE", "复核已逾期"),
    "glass.state.justified": ("justified", "理由成立"),
    "glass.state.unjustified": ("not justified", "理由不成立"),
    "owed.title": ("owed", "待办"),
    "owed.policy": ("approval of the policy file", "策略文件待批准"),
    "owed.request": ("answer to a request", "申请待批准"),
    "owed.review": ("review of a broken glass", "紧急破窗待复核"),
    "owed.return": ("attestation of return or deletion", "返还或删除确认书"),
    "owed.attestation": ("renewal", "即将到期"),
    "policy.applied": ("The policy {policy} is in force.", "策略 {policy} 已生效。"),
    "policy.in_force": ("The policy {policy} was in force already.", "策略 {policy} 此前已生效。"),
    "hold.unrestricted": ("{count} records may be used again.", "已对 {count} 条记录解除封存。"),
    "subject.noted": ("Noted for {count} records.", "已对 {count} 条记录登记。"),
}
