"""What the command line says to people, in English and, where the locale is Chinese, in Chinese.

Error codes, field names and JSON are for machines too and are never translated.
"""

from __future__ import annotations

import os
from typing import Final

from cli.messages_codes import CODES
from cli.messages_pack import TEXTS

_TEXTS: Final[dict[str, tuple[str, str]]] = TEXTS | {
    "error": ("error", "错误"),
    "hint": ("hint", "提示"),
    "hint.not_found": (
        "check the id; missing, erased and out of scope look alike",
        "请核对编号；不存在、已删除与超出范围一律如此显示",
    ),
    "hint.path": ("check the path, its permissions and the free space", "请检查路径、权限与剩余空间"),
    "hint.other": ("cvault --help; cvault doctor", "cvault --help；cvault doctor"),
    "hint.token_expired": (
        "get a new one: cvault token issue; --ttl says how long it lives",
        "请重新签发：cvault token issue，有效期由 --ttl 设定",
    ),
    "hint.token_revoked": (
        "ask an admin why; if you may go on: cvault token issue",
        "请向管理员了解原因；如可继续，请重新签发：cvault token issue",
    ),
    "hint.uses_spent": (
        "get a new one: cvault token issue; --max-uses says how many requests it serves",
        "请重新签发：cvault token issue，次数由 --max-uses 设定",
    ),
    "hint.role_denied": (
        "cvault policy explain ROLE PURPOSE says what a role may do; ask someone who holds the right one",
        "用 cvault policy explain ROLE PURPOSE 查看角色权限；请由具备该角色的人操作",
    ),
    "hint.purpose_denied": (
        "get a token for a purpose of this role, bound by --cases if policy asks: cvault token issue",
        "请按该角色的目的签发令牌，策略要求时用 --cases 限定案件：cvault token issue",
    ),
    "hint.field_denied": (
        "cvault policy explain ROLE PURPOSE lists a role's fields, cvault token show a narrowed token's",
        "用 cvault policy explain ROLE PURPOSE 查看角色可用字段，用 cvault token show 查看缩小后的令牌",
    ),
    "hint.audience_denied": (
        "ask a node that serves it, or issue a token for this one: cvault token issue --audience",
        "请改向提供该服务的节点请求，或签发适用于此节点的令牌：cvault token issue --audience",
    ),
    "hint.restricted": (
        "it is kept only because it must be (PIPL 47), and not used; ask the data protection officer",
        "依法仅存储保护、停止其他处理（个人信息保护法第47条）；请联系个人信息保护负责人",
    ),
    "hint.approval_required": (
        "someone other than the one who asked approves it: cvault approve REQUEST --as FILE",
        "请由申请人以外的人批准：cvault approve REQUEST --as FILE",
    ),
    "hint.lookup_cap": (
        "go on tomorrow (Beijing time); values looked up today may be looked up again",
        "请于次日（北京时间）继续；当日已查询过的值仍可再查",
    ),
    "hint.contract_ended": (
        "renewed? cvault tenant contract, of an agency cvault agency contract; else: cvault retention plan",
        "如已续约：cvault tenant contract，委外机构：cvault agency contract；否则：cvault retention plan",
    ),
    "hint.consent_withdrawn": (
        "ask the person anew, or act for a purpose that rests on something else: cvault policy explain",
        "请重新取得个人同意，或改用另有合法性基础的目的：cvault policy explain",
    ),
    "hint.region_denied": (
        "act from a region that the policy names: cvault policy explain",
        "请在策略允许的地区操作：cvault policy explain",
    ),
    "hint.delegation_denied": (
        "a power is passed on by who holds it, and never wider: cvault token show",
        "权限只能由持有人转授，且不得扩大：cvault token show",
    ),
    "unexpected": ("something unexpected failed; nothing more was done", "发生意外故障，操作已停止"),
    "init.done": ("A vault was made in {vault}", "已建立保险库：{vault}"),
    "init.principal": (
        "Its first principal's key is in {file}: keep it safe, it can't be made again.",
        "首个主体的密钥在 {file}：请妥善保管，无法重新生成。",
    ),
    "init.next": ("Next:", "下一步："),
    "import.done": (
        "{rows} rows read, {stored} records stored, {unchanged} unchanged, {rejected} rows rejected",
        "读入 {rows} 行，存入 {stored} 条记录，{unchanged} 条未变，拒收 {rejected} 行",
    ),
    "import.report": ("What was rejected and why: {report}", "拒收原因见：{report}"),
    "import.unknown": ("Columns not stored: {columns}", "未存储的列：{columns}"),
    "import.dry": ("Dry run: nothing was stored.", "试运行：未存储任何数据。"),
    "check.format": ("format", "格式"),
    "check.encoding": ("encoding", "编码"),
    "check.delimiter": ("delimiter", "分隔符"),
    "check.rows": ("rows", "行数"),
    "check.looked": ("looked at", "已查看"),
    "check.refused": ("refused", "将拒收"),
    "check.many": ("many", "很多"),
    "check.column": ("column", "列"),
    "check.title": ("title", "表头"),
    "check.field": ("field", "字段"),
    "check.how": ("known by", "依据"),
    "check.filled": ("filled", "有值"),
    "check.valid": ("valid", "有效"),
    "check.samples": ("masked samples", "脱敏样例"),
    "check.note": ("note", "说明"),
    "check.code": ("code", "代码"),
    "check.count": ("count", "次数"),
    "check.problem": ("problem", "问题"),
    "check.remedy": ("remedy", "处理办法"),
    "check.by.comma": ("comma", "逗号"),
    "check.by.tab": ("tab", "制表符"),
    "check.by.semicolon": ("semicolon", "分号"),
    "check.by.bar": ("bar", "竖线"),
    "check.how.exact": ("exact title", "字段名"),
    "check.how.alias": ("alias", "常用表头"),
    "check.how.map": ("map", "映射文件"),
    "check.how.content": ("content (a guess)", "内容（猜测）"),
    "check.why.unknown": ("not stored: unknown", "不存储：未知列"),
    "check.why.left_out": ("not stored: left out by the map", "不存储：映射文件排除"),
    "check.why.never_stored": (
        "never stored: C3 data or an address book",
        "禁止存储：C3 类信息或通讯录",
    ),
    "check.why.computed_only": ("not stored: computed by the vault", "不存储：由保险库计算"),
    "check.why.used_only": ("used for computing, not stored", "仅用于计算，不存储"),
    "check.proposed": ("by its content perhaps {fields}", "按内容可能是 {fields}"),
    "check.looks": ("its content looks like {type}", "内容像{type}"),
    "check.type.mobile": ("mobile numbers", "手机号码"),
    "check.type.landline": ("landline numbers", "固定电话"),
    "check.type.phone": ("telephone numbers", "电话号码"),
    "check.type.id_number": ("ID numbers", "居民身份证号码"),
    "check.type.bank_card": ("bank card numbers", "银行卡号"),
    "check.type.date": ("dates", "日期"),
    "check.type.money": ("amounts", "金额"),
    "check.type.email": ("e-mail addresses", "电子邮箱"),
    "check.type.name": ("names", "姓名"),
    "check.type.ref": ("the rows' own numbers", "各行自己的编号"),
    "check.shape.digits": ("{count} digits", "{count} 位数字"),
    "check.shape.chars": ("{count} characters", "{count} 个字符"),
    "check.shape.han": ("Chinese text, {count} characters", "中文 {count} 字"),
    "check.shape.latin": ("Latin letters", "拉丁字母"),
    "check.shape.email": ("like an e-mail address", "形似邮箱"),
    "check.shape.date": ("like a date", "形似日期"),
    "check.shape.number": ("like an amount", "形似金额"),
    "check.shape.lost_digits": ("digits lost in a spreadsheet", "数字被电子表格破坏"),
    "check.shape.masked": ("already masked", "已脱敏"),
    "check.shape.long": ("long text", "长文本"),
    "check.and": ("; ", "；"),
    "check.missing": ("No column gives: {fields}", "缺少必需的列：{fields}"),
    "check.yes": (
        "It could be imported as it is ({looked} rows looked at; nothing was stored).",
        "可以直接导入（已查看 {looked} 行；未存储任何数据）。",
    ),
    "check.partly": (
        "It could be imported; of {looked} rows looked at {refused} would be refused. Nothing was stored.",
        "可以导入，但已查看的 {looked} 行中有 {refused} 行将被拒收。未存储任何数据。",
    ),
    "check.no": (
        "It can't be imported as it is: mend the file, or name its columns with --map. Nothing was stored.",
        "不能直接导入：请修改文件，或用 --map 指明各列。未存储任何数据。",
    ),
    "check.map": (
        "Map written to {file}: mend it, then give it to --map.",
        "映射文件已写入 {file}：修改后用 --map 指定。",
    ),
    "export.done": (
        "{records} records written to {file}: it holds what was released; keep it no longer than needed.",
        "已将 {records} 条记录写入 {file}：内容即所放出的数据，请勿超期保存。",
    ),
    "export.refused": ("{id}: {code}", "{id}：{code}"),
    "progress.rate": ("{rate}/s", "{rate}/秒"),
    "progress.rows": ("{rate} rows/s", "{rate} 行/秒"),
    "write.done": (
        "{stored} records stored, {unchanged} unchanged",
        "存入 {stored} 条记录，{unchanged} 条未变",
    ),
    "write.refused": ("{count} of the records were refused", "有 {count} 条记录被拒收"),
    "subject.moved": ("{count} records moved", "已移动 {count} 条记录"),
    "subject.refused": ("Noted; {count} identifiers are on the list.", "已登记；名单中新增 {count} 个标识。"),
    "read.some": ("{count} of the records could not be shown", "有 {count} 条记录无法显示"),
    "read.none": ("Nothing found.", "未找到。"),
    "list.more": ("More follow: --cursor {cursor}", "后续页：--cursor {cursor}"),
    "value.prompt": ("Value to look for", "要查找的值"),
    "token.issued": (
        "Token for {role} + {purpose} until {expires}: {file}",
        "令牌（{role} + {purpose}）有效期至 {expires}：{file}",
    ),
    "token.revoked": (
        "The token is revoked, and every one narrowed from it.",
        "令牌已吊销，由其缩小的令牌一并失效。",
    ),
    "principal.added": (
        "Principal {principal} was added; its key is in {file}",
        "已添加主体 {principal}，密钥在 {file}",
    ),
    "principal.new": (
        "Your principal file is {file}: keep it. Hand what was printed to an admin.",
        "你的主体文件是 {file}，请妥善保管；把上面打印的内容交给管理员。",
    ),
    "principal.enrolled": (
        "Principal {principal} was added; its owner alone holds the key.",
        "已添加主体 {principal}，密钥只在其本人手中。",
    ),
    "principal.disabled": ("Principal {principal} is disabled.", "主体 {principal} 已停用。"),
    "tenant.added": (
        "Tenant {tenant} was added; its first principal's key is in {file}",
        "已添加租户 {tenant}，其首个主体的密钥在 {file}",
    ),
    "tenant.contract": ("The contract is recorded.", "委托合同已登记。"),
    "approved": (
        "Your yes is on {request}: {count} of {quorum}",
        "你已批准 {request}：{count} / {quorum} 人",
    ),
    "policy.sound": ("The policy can be used.", "策略可以使用。"),
    "policy.tested": ("{passed} tests passed, {failed} failed", "{passed} 项测试通过，{failed} 项失败"),
    "policy.published": ("{purposes} purposes written to {file}", "已将 {purposes} 项处理目的写入 {file}"),
    "policy.same": ("Nothing changes for anybody.", "对任何人都没有变化。"),
    "access.written": ("the review is in {file}", "复核表已写入 {file}"),
    "schema.sound": ("The schema can be used.", "结构定义可以使用。"),
    "schema.same": ("Nothing changes.", "没有变化。"),
    "schema.kind_added": ("{name} is added, kept like {after}", "新增记录类型 {name}，保存期限同 {after}"),
    "schema.field_added": ("{name} is added, mask {after}", "新增字段 {name}，脱敏方式 {after}"),
    "schema.field_retired": ("{name} is retired: its values are erased", "停用字段 {name}：其值将被删除"),
    "schema.mask": ("{name}: mask {before} becomes {after}", "{name}：脱敏方式由 {before} 改为 {after}"),
    "schema.indexed": ("{name}: findable {before} becomes {after}", "{name}：可查找由 {before} 改为 {after}"),
    "schema.open": ("{name}: open {before} becomes {after}", "{name}：公开属性由 {before} 改为 {after}"),
    "schema.compartment": (
        "{name}: compartment {before} becomes {after}",
        "{name}：隔舱由 {before} 改为 {after}",
    ),
    "schema.records": (" ({count} records are sealed anew)", "（{count} 条记录重新封存）"),
    "schema.applied": (
        "The schema is in force; {resealed} records were sealed anew.",
        "结构定义已生效，{resealed} 条记录已重新封存。",
    ),
    "schema.held": (
        "{held} records under a legal hold keep what retired, shown to nobody; apply again once it ends.",
        "{held} 条受法律保留的记录仍存有停用字段的值，任何人不可见；保留解除后请再次执行 apply。",
    ),
    "schema.damaged": (
        "{damaged} records don't open and are as they were: cvault doctor",
        "{damaged} 条记录无法打开，保持原样：cvault doctor",
    ),
    "log.verified": (
        "{size} entries, {signed} signed checkpoints: nothing was changed, removed or back-dated.",
        "共 {size} 条，{signed} 个签名检查点：没有篡改、删除或倒签。",
    ),
    "log.exported": ("{files} files written to {directory}", "已写出 {files} 个文件到 {directory}"),
    "log.more": ("More may follow: --after {after}", "可能还有更多：--after {after}"),
    "log.receipt": ("Receipt written to {file}", "回执已写入 {file}"),
    "plan.made": (
        "Plan {plan} as of {as_of}; nothing was changed.",
        "计划 {plan}，基准日 {as_of}；尚未更改任何数据。",
    ),
    "plan.lack.keep": ("{count} records lack {anchor}: kept", "有 {count} 条记录缺少 {anchor}：保留"),
    "plan.lack.restrict": (
        "{count} records lack {anchor}: restricted until it is entered",
        "有 {count} 条记录缺少 {anchor}：封存，直至补录",
    ),
    "plan.lack.erase": (
        "{count} records lack {anchor}: erased, counted from the next day that is known",
        "有 {count} 条记录缺少 {anchor}：按其后已知日期起算，删除",
    ),
    "plan.next": (
        "A second person approves it: cvault approve {plan} --as FILE; then: cvault retention execute {plan}",
        "由另一人批准（cvault approve {plan} --as FILE），然后：cvault retention execute {plan}",
    ),
    "plan.done": (
        "{erased} records erased, {restricted} restricted, {remaining} left as they were",
        "删除 {erased} 条，封存 {restricted} 条，{remaining} 条维持原状",
    ),
    "certificate.written": ("Certificate: {file}", "删除证明：{file}"),
    "certificate.good": ("The certificate is the vault's own.", "证明由本库签发，未经改动。"),
    "certificate.logged": ("The log holds the entries it names.", "日志中存在其所列条目。"),
    "certificate.alone": (
        "No vault here: the signature was checked, the log was not.",
        "此处没有保险库：只验证了签名，未核对日志。",
    ),
    "hold.added": ("Hold placed on {count} records.", "已对 {count} 条记录设置保全。"),
    "hold.released": ("Hold released on {count} records.", "已对 {count} 条记录解除保全。"),
    "keys.destroyed": ("Epochs destroyed: {epochs}", "已销毁的密钥期：{epochs}"),
    "keys.exported": (
        "A key folder for a node that serves {compartments} was written to {folder}",
        "已写出密钥目录 {folder}，其节点只能提供 {compartments}",
    ),
    "doctor.well": ("No error found.", "未发现错误。"),
    "none": ("none", "无"),
}

_FAULTS: Final = {
    "invalid_required": ("必填项为空", "请补填"),
    "invalid_digits": (
        "末位数字被电子表格破坏",
        "请将该列设为文本格式，从来源重新填写并保存",
    ),
    "invalid_row": ("行的格式有误", "请在来源中改正该行后重新导出"),
    "invalid_header": ("表头有误", "请改正表头，或用 --map 指明各列"),
    "invalid_name": ("不是有效的姓名", "请只填姓名，并核对列是否对应"),
    "invalid_id_number": ("不是有效的居民身份证号码", "请与证件逐位核对；若被电子表格改动，请按文本重新填写"),
    "invalid_mobile": ("不是有效的手机号码", "请填写 11 位大陆手机号"),
    "invalid_landline": ("不是有效的固定电话", "请填写区号、短横线与号码"),
    "invalid_phone": ("不是有效的电话号码", "请填写 11 位手机号，或带区号的固定电话"),
    "invalid_bank_card": ("不是有效的银行卡号", "请与卡面逐位核对；若被电子表格改动，请按文本重新填写"),
    "invalid_email": ("不是有效的电子邮箱", "请填写一个邮箱地址"),
    "invalid_address": ("不是有效的地址", "请缩短或改正"),
    "invalid_employer": ("不是有效的单位名称", "请缩短或改正"),
    "invalid_date": ("不是有效的日期", "请按 年-月-日 填写并与来源核对"),
    "invalid_money": ("不是有效的金额", "请以元为单位填写数字，最多两位小数"),
    "invalid_integer": ("不是有效的整数", "请只填数字"),
    "invalid_datetime": ("不是有效的时间", "请按 年-月-日 时:分 填写并与来源核对"),
    "invalid_moment": ("不是有效的日期或时间", "请按 年-月-日 或 年-月-日 时:分 填写"),
    "invalid_duration": ("不是有效的时长", "请填写数字与单位，如 90 秒"),
    "invalid_term": ("不是有效的期限", "请填写数字与单位，如 12 个月"),
    "invalid_rate": ("不是有效的利率", "请填写数字与单位，如 18 %"),
    "invalid_count": ("不是有效的数目", "请只填数字"),
    "invalid_digest": ("不是有效的摘要值", "请填写完整的 SHA-256 摘要"),
    "invalid_text": ("不是有效的文本", "请缩短或改正"),
    "invalid_relation": ("不是有效的关系", "请只填关系，如 朋友"),
    "invalid_code": ("不是有效的代码", "请使用字母、数字与 - _ . / ( )，不得含长串数字"),
    "invalid_ref": ("不是有效的编号", "请使用内部编号，不得是证件号、手机号或卡号"),
}
"""What is wrong with cells and rows, and what to do, in Chinese; for any other code the English is shown."""


def chinese() -> bool:
    """Whether people are spoken to in Chinese: LC_ALL, then LC_MESSAGES, then LANG begins with `zh`."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return value.lower().startswith("zh")
    return False


def text(key: str, **parts: object) -> str:
    """One message of the catalogue in the language of the locale."""
    return _TEXTS[key][chinese()].format(**parts)


def of_code(code: str, message: str) -> str:
    """An error's sentence; where the locale is Chinese and the catalogue knows the code, Chinese first."""
    known = CODES.get(code) if chinese() else None
    return f"{known}（{message}）" if known else message


def of_fault(code: str, message: str, remedy: str) -> tuple[str, str]:
    """What is wrong with a cell or row and what to do; where the locale is Chinese, Chinese first."""
    known = _FAULTS.get(code) if chinese() else None
    return (f"{known[0]}（{message}）", known[1]) if known else (message, remedy)


def hint(code: str, own: str) -> str:
    """What to do about an error: its own remedy; in a Chinese locale the catalogue's for its code first."""
    if not own or (chinese() and f"hint.{code}" in _TEXTS):
        return f"{remedy(code)}（{own}）" if own else remedy(code)
    return own


def titles(*names: str) -> list[str]:
    """The titles of a table's columns."""
    return [text(f"column.{name}") for name in names]


def remedy(code: str) -> str:
    """What to do about an error that brings no remedy of its own."""
    return text(f"hint.{code}" if f"hint.{code}" in _TEXTS else "hint.other")
