"""What is said of audits, bodies files, receipts and samples; part of `cli.messages`."""

from __future__ import annotations

from typing import Final

from cli import messages_prune

TEXTS: Final[dict[str, tuple[str, str]]] = messages_prune.TEXTS | {
    "column.audit": ("audit", "审计"),
    "column.disclose": ("discloses", "披露范围"),
    "column.ends": ("ends", "截止日"),
    "column.range_ends": ("until", "结束时间"),
    "audit.state.running": ("running", "进行中"),
    "audit.state.ended": ("ended", "已结束"),
    "audit.state.closed": ("closed", "已关闭"),
    "audit.opened": (
        "{audit} runs until {ends}. Its principal takes the key: cvault audit key {audit} --out FILE",
        "审计 {audit} 有效期至 {ends}。由审计人本人领取密钥：cvault audit key {audit} --out FILE",
    ),
    "audit.closed": (
        "{audit} is closed: no key and no file of it is given out again. What was stays with its holder.",
        "审计 {audit} 已关闭，不再提供密钥或文件；此前已交付的仍由持有人保管。",
    ),
    "audit.key": (
        "Key of {audit}: {file}. It opens the files sealed to this audit, and nothing else.",
        "审计 {audit} 的密钥：{file}。仅能打开为本次审计加密的文件。",
    ),
    "bodies.sealed": (
        "{count} entries ({disclose}) written to {file}, sealed to {audit}.",
        "已将 {count} 条记录（{disclose}）写入 {file}，加密给审计 {audit}。",
    ),
    "bodies.plain": (
        "!! {file} holds {count} entries ({disclose}) IN CLEAR. Whoever has the file can read it, for good.",
        "！！{file} 以明文保存 {count} 条记录（{disclose}），任何持有该文件的人都能永久读取。",
    ),
    "log.refreshed": (
        "{file} proves its entry in the log of {size} entries",
        "{file} 已更新至 {size} 条的日志",
    ),
    "log.receipts": ("{count} receipts written to {directory}", "已将 {count} 份回执写入 {directory}"),
    "sample.drawn": (
        "{count} entries drawn from the first {size}; whoever has the checkpoint draws the same.",
        "从前 {size} 条中抽取 {count} 条；持有同一检查点的任何人都能复算。",
    ),
    "sample.alone": (
        "The log alone signed this checkpoint ({signers}): its operator could have tried many of them.",
        "该检查点仅有日志自身签名（{signers}）：运营方可能反复试选。",
    ),
    "sample.cosigned": (
        "Signed by: {signers}. Check those signatures yourself: the sample follows from them too.",
        "签名者：{signers}。请自行核验这些签名；样本由其共同决定。",
    ),
    "sample.gone": (
        "{count} more were drawn below {first}, where the log's retention has let the entries go.",
        "另有 {count} 条抽中序号小于 {first}，相应记录已按日志保存规则清除。",
    ),
    "sample.sheet": ("Review sheet: {file}", "复核表：{file}"),
    "sheet.stratum": ("stratum", "分层"),
    "sheet.index": ("index", "序号"),
    "sheet.time": ("time", "时间"),
    "sheet.kind": ("kind", "类别"),
    "sheet.actor": ("actor", "操作主体"),
    "sheet.actor_name": ("actor_name", "操作人"),
    "sheet.role": ("role", "角色"),
    "sheet.purpose": ("purpose", "目的"),
    "sheet.about": ("about", "记录类型"),
    "sheet.case": ("case", "案件"),
    "sheet.record": ("record", "记录"),
    "sheet.outcome": ("outcome", "结果"),
    "sheet.reason": ("reason", "原因"),
    "sheet.fields": ("fields", "字段"),
    "sheet.leaf": ("leaf", "叶哈希"),
    "sheet.verdict": ("verdict", "结论"),
    "sheet.remark": ("remark", "备注"),
}
