"""What a report of accesses says in plain words, in Chinese and in English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "read": ("查看", "looked at"),
    "search": ("检索命中", "found by a search"),
    "verify": ("核对某个值是否一致", "a value compared"),
    "write": ("写入或更正", "written or corrected"),
    "import": ("导入", "taken in from a file"),
    "export": ("导出或提供文件", "given out as a file"),
    "deny": ("访问被拒绝", "an attempt, refused"),
    "login": ("登录", "signing in"),
    "token": ("签发令牌", "a permission issued"),
    "reserve": ("取得联系方式以便联系", "a number or address obtained, to reach you"),
    "confirm": ("登记联系结果", "the result of reaching you"),
    "restrict": ("封存或解除封存", "sealed off, or no longer"),
    "erase_begin": ("开始删除", "erasure begun"),
    "erase_done": ("删除完成", "erasure done"),
    "hold": ("依法保留或解除", "kept for a legal reason, or no longer"),
    "approve": ("批准", "an approval"),
    "request": ("申请", "a request"),
    "key": ("密钥事项", "about keys"),
    "policy": ("策略变更", "a change of policy"),
    "principal": ("人员权限事项", "about staff's powers"),
    "config": ("系统设置", "a setting"),
    "alarm": ("告警", "an alarm"),
    "incident": ("安全事件", "an incident"),
    "anchor": ("时间锚定", "an anchor in time"),
    "open": ("启用日志", "the log begun"),
}
ROLES: Final[Mapping[str, tuple[str, str]]] = {
    "collector": ("催收员", "collector"),
    "agency_collector": ("委外催收员", "agency's collector"),
    "case_desk": ("案件管理员", "case desk"),
    "dialer": ("外呼系统", "dialling system"),
    "legal": ("法务", "legal staff"),
    "fraud_desk": ("反欺诈岗", "fraud desk"),
    "qa_reviewer": ("质检员", "quality reviewer"),
    "importer": ("导入系统", "import system"),
    "approver": ("审批人", "approver"),
    "auditor": ("审计员", "auditor"),
    "dpo": ("个人信息保护负责人", "data protection officer"),
    "regulator": ("监管检查人员", "regulator"),
    "admin": ("系统管理员", "administrator"),
}
PURPOSES: Final[Mapping[str, tuple[str, str]]] = {
    "repayment_reminder": ("还款提醒", "to remind of repayment"),
    "phone_collection": ("电话催收", "to collect by telephone"),
    "negotiation": ("协商还款", "to agree on repayment"),
    "contact_repair": ("失联修复", "to find lost contact again"),
    "dispute": ("异议处理", "to answer an objection"),
    "complaint": ("投诉处理", "to answer a complaint"),
    "legal_action": ("诉讼仲裁", "legal action"),
    "settlement": ("结清减免", "to settle or waive"),
    "quality_review": ("质检", "to review the quality of work"),
    "fraud_check": ("反欺诈核查", "to check for fraud"),
    "modelling": ("建模分析", "modelling"),
    "subject_request": ("个人权利请求", "to answer a person's request"),
    "regulator": ("监管检查", "a regulator's inspection"),
    "security": ("安全事件", "a security incident"),
    "audit": ("合规审计", "a compliance audit"),
    "import": ("数据导入", "to take data in"),
    "administration": ("运行管理", "to run the system"),
}
REASONS: Final[Mapping[str, tuple[str, str]]] = {
    "token_expired": ("令牌已过期", "the permission had expired"),
    "token_revoked": ("令牌已吊销", "the permission was revoked"),
    "token_invalid": ("令牌或身份无效", "the permission was not valid"),
    "uses_spent": ("次数已用完", "the permission was used up"),
    "role_denied": ("角色无此权限", "the role may not"),
    "purpose_denied": ("目的不允许", "the purpose does not allow it"),
    "field_denied": ("不允许查看所求字段", "a field asked for may not be seen"),
    "audience_denied": ("该节点不提供", "not served there"),
    "restricted": ("信息已封存", "the data is sealed off"),
    "approval_required": ("缺少另一人的批准", "another person's approval was missing"),
    "quiet_hours": ("处于禁止联系时段", "within quiet hours"),
    "call_cap": ("通话次数已达上限", "the day's calls were used up"),
    "attempt_cap": ("拨打次数已达上限", "the day's attempts were used up"),
    "lookup_cap": ("查询次数已达上限", "the day's look-ups were used up"),
    "contact_state": ("当前状态不允许联系", "the person may not be contacted now"),
    "contact_refused": ("本人已拒绝联系", "contact was refused"),
    "contract_ended": ("委托合同已终止", "the contract had ended"),
    "attestation_expired": ("保密承诺或培训已过期", "confidentiality or training not current"),
    "log_unavailable": ("日志不可用", "the log was not available"),
    "previously_erased": ("此前已删除", "erased before"),
    "case_closed": ("案件已关闭", "the case was closed"),
    "consent_withdrawn": ("已撤回同意", "consent was withdrawn"),
    "region_denied": ("所在地区不允许", "not from that region"),
    "delegation_denied": ("不得转授", "may not be handed on"),
    "late": ("登记较晚", "recorded late"),
}
OUTCOMES: Final[Mapping[str, tuple[str, str]]] = {
    "ok": ("已完成", "done"),
    "denied": ("已拒绝，未提供信息", "refused; nothing was shown"),
    "not_found": ("未找到，未提供信息", "not found; nothing was shown"),
    "failed": ("失败，未提供信息", "failed; nothing was shown"),
}
HOUSES: Final[Mapping[str, tuple[str, str]]] = {
    "lender": ("贷款机构", "the lender"),
    "agency": ("催收机构（本库运营方）", "the collection agency that runs this vault"),
}
"""What the house is called whose own staff acted, by whose duties apply to it."""

PHRASES: Final[Mapping[str, tuple[str, str]]] = {
    "title": ("个人信息访问报告", "Report on accesses to your personal information"),
    "sandbox": ("本报告出自学习用保险库，不作实际用途。", "Made by a learning vault: not for real use."),
    "intro": (
        (
            "本报告列出与你有关的全部访问记录：何时、何种岗位、为何目的、查看了哪些信息、结果如何；被拒"
            "绝的尝试也在其中。提供本报告，是为回应你查阅、复制个人信息的请求（个人信息保护法第44条、第"
            "45条）。"
        ),
        (
            "This report lists every entry that the access log has about you: when, in which role, for"
            " which purpose, what was shown and with what result; refused attempts too. It answers your"
            " right to know about and to copy what is held about you (Personal Information Protection"
            " Law, articles 44 and 45)."
        ),
    ),
    "proof": ("它证明什么", "What it proves"),
    "proof.1": (
        "每条记录都在签名的访问日志之中，自写入之后未被改动。",
        "Each entry stands in a signed access log and was not changed since it was written there.",
    ),
    "proof.2": (
        "与你有关的记录逐条编号，所列编号没有缺号；对照整份日志，还可看出其后再无你的记录。",
        (
            "Your entries are numbered, and no number is missing. Against the whole log it also shows"
            " that none follows."
        ),
    ),
    "proof.3": (
        "报告作出之后的访问不在其中；再次索取即可得到之后的部分。",
        "What comes after this report is not in it; ask again for the rest.",
    ),
    "check": ("如何核验", "How to check it"),
    "check.1": (
        "无须联网，也无须信任提供者。保存本文件，向提供者或监管部门索取日志的公钥，然后执行：",
        (
            "Offline, and without trusting whoever sent it. Keep this file, ask the sender or a"
            " regulator for the log's public key, and run:"
        ),
    ),
    "check.2": (
        "有整份日志的导出时，加上 --tree 目录：可证明整份日志中，所列系列再无其他记录。",
        (
            "With an export of the whole log add --tree DIR: it shows that the log has no other entry"
            " in the series listed."
        ),
    ),
    "not": ("它没有说明什么", "What it does not say"),
    "not.1": (
        "没有写入日志的查看，日志无从显示；保险库在记录写入之前不提供任何信息。",
        "A look that was never logged is in no log; the vault shows nothing before its entry is written.",
    ),
    "not.2": (
        "编号系列由提供者给出；是否另有系列，由审计方用整份日志核对（cvault log balance）。",
        (
            "Which series are yours is said by the sender; that there is no other, an auditor checks"
            " against the whole log (cvault log balance)."
        ),
    ),
    "not.3": (
        "为保护他人与员工，案件、票据等内容未予公开，仅附其摘要；员工以短代号表示，不列姓名。",
        (
            "To protect others, cases, tickets and the like are withheld and stand as digests; staff"
            " appear under a short handle, not by name."
        ),
    ),
    "not.3.with": (
        "本份另含案件、票据等内容，仅供监管与审计使用，不得外传。",
        (
            "This copy also holds cases, tickets and the like: for a regulator's or an auditor's eyes,"
            " not to be passed on."
        ),
    ),
    "not.4": (
        "本文件含可识别你的记录的密钥：请勿转交不应知晓这些访问的人。",
        (
            "This file holds keys by which your entries are known: hand it to nobody who should not"
            " know of them."
        ),
    ),
    "not.5": (
        "所列字段是当时可以看到的字段；其中有的可能没有填写。",
        "The fields listed are those that could be seen then; some of them may have been empty.",
    ),
    "summary": ("概要", "Summary"),
    "total": ("记录总数", "Entries"),
    "refused": ("其中被拒绝或未成的", "of which refused or without result"),
    "clear": ("其中显示过完整内容的", "of which showed something in full"),
    "first": ("最早", "First"),
    "last": ("最近", "Last"),
    "byrole": ("按岗位", "By role"),
    "gone": ("已按日志保存期限删除的更早记录", "Older entries, deleted when the log's retention ended"),
    "list": ("逐条记录", "Every entry"),
    "none": ("没有", "none"),
    "number": ("序号", "Entry"),
    "time": ("时间（北京时间）", "Time (Shanghai)"),
    "what": ("事项", "What happened"),
    "who": ("何人", "Who"),
    "why": ("目的与依据", "Why, and on what basis"),
    "shown": ("涉及的信息", "What was shown"),
    "outcome": ("结果", "Result"),
    "whom": ("案件与票据", "Case and ticket"),
    "count": ("条数", "Entries"),
    "role": ("岗位", "Role"),
    "of": ("{org}，代号 {staff}", "{org}, handle {staff}"),
    "masked": ("脱敏", "masked"),
    "full": ("完整", "in full"),
    "shown.as": ("{view}：{titles}", "{view}: {titles}"),
    "nothing": ("未显示内容", "nothing was shown"),
    "basis": ("个人信息保护法第13条第1款第{item}项：{text}", "PIPL 13 ¶1({item}): {text}"),
    "agency": ("委外机构 {name}", "agency {name}"),
    "made": ("制作时间", "Made"),
    "log": ("日志", "Log"),
    "size": ("日志条数", "Size of the log"),
    "root": ("日志根摘要", "Root of the log"),
    "own": (
        "制作本报告本身也是一条记录，列在最后。",
        "Making this report is an entry too: the last one listed.",
    ),
}


class Words:
    """The words of one language, "zh" or "en"."""

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self._at = 0 if lang == "zh" else 1

    @property
    def html_lang(self) -> str:
        """The language as HTML names it (BCP 47)."""
        return "en" if self._at else "zh-CN"

    def __call__(self, key: str, **parts: object) -> str:
        """A phrase, its parts put in."""
        return PHRASES[key][self._at].format(**parts)

    def of(self, words: Mapping[str, tuple[str, str]], key: str) -> str:
        """A closed word in plain words; itself where it is none of the list."""
        return words[key][self._at] if key in words else key.replace("_", " ")

    def pick(self, pair: tuple[str, str]) -> str:
        """One of a Chinese and an English text."""
        return pair[self._at]
