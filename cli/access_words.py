"""The words of an access review, in Chinese and English: titles, states, and a sentence for each finding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from vault.config import today

if TYPE_CHECKING:
    from vault.engaging import AgencyView
    from vault.findings import Finding, Held, Holder
    from vault.reviewing import AccessReview

Language = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "title": ("权限复核", "Access review"),
    "tenant": ("租户", "Tenant"),
    "day": ("日期", "As of"),
    "policy": ("策略", "Policy"),
    "sandbox": ("沙箱保险库（仅供学习）", "a sandbox vault, to learn in"),
    "looked": (
        "最近使用情况查自 {0} 起的访问日志",
        "Last use is taken from the access log since {0}",
    ),
    "counts": (
        "有效主体 {people}，已停用 {disabled}；严重事项 {errors}，应处理 {warnings}，提示 {infos}",
        "{people} principals enabled, {disabled} disabled; urgent {errors}, due {warnings}, to note {infos}",
    ),
    "findings": ("待处理事项，最严重的在前", "To mend, worst first"),
    "nothing": ("没有需要处理的事项。", "Nothing to mend."),
    "finding": ("事项", "Finding"),
    "command": ("处理命令", "Command that mends it"),
    "level": ("程度", "Level"),
    "level.error": ("严重", "urgent"),
    "level.warning": ("应处理", "due"),
    "level.info": ("提示", "note"),
    "house": ("本机构", "The house's own"),
    "agency": ("委外机构 {0}：{1}", "Agency {0}: {1}"),
    "disabled": ("已停用", "Disabled"),
    "who": ("主体", "Who"),
    "power": ("角色与目的", "Role, purposes"),
    "granted": ("授予", "Granted"),
    "until": ("有效至", "Until"),
    "used": ("最近使用", "Last used"),
    "attested": ("保密与培训", "Attestations"),
    "decision": ("复核决定", "Decision"),
    "keep": ("☐ 保留 ☐ 收回", "☐ keep ☐ withdraw"),
    "sort.person": ("人员", "person"),
    "sort.service": ("系统", "service"),
    "sort.agency": ("机构", "agency"),
    "by": ("{0}（{1}）", "{0} by {1}"),
    "by_init": ("{0}（建库时）", "{0}, with the vault"),
    "no_purpose": ("目前不能使用", "opens nothing now"),
    "no_end": ("无期限", "no end"),
    "over": ("{0}（已到期）", "{0} (over)"),
    "never": ("从未使用", "never"),
    "not_since": ("自 {0} 起未见使用", "not since {0}"),
    "glass": ("应急取得", "break-glass"),
    "no_power": ("无任何角色", "no role"),
    "staff": ("有工号", "staff number on file"),
    "no_staff": ("无工号", "no staff number"),
    "confidentiality": ("保密", "confidentiality"),
    "training": ("培训", "training"),
    "missing": ("缺{0}证明", "{0} missing"),
    "holds": ("{0}至 {1}", "{0} until {1}"),
    "contract": ("合同 {0}，{1} 至 {2}，{3}", "contract {0}, {1} to {2}, {3}"),
    "no_contract": ("无合同", "no contract"),
    "state.none": ("无合同", "no contract"),
    "state.coming": ("未开始", "not begun"),
    "state.in force": ("履行中", "in force"),
    "state.ending": ("即将到期", "ending"),
    "state.sealed": ("已封停", "sealed off"),
    "state.ended": ("已终止", "ended"),
    "sign": ("复核签字", "Reviewed and decided"),
    "sign.name": ("复核人", "Name"),
    "sign.office": ("部门与职务", "Office"),
    "sign.day": ("日期", "Date"),
    "sign.signature": ("签字", "Signature"),
    "sign.note": (
        "本人已逐项核对上列权限，并就每项作出保留或收回的决定。",
        "I have gone through each power above and decided to keep or withdraw it.",
    ),
}
_FINDINGS: Final[dict[str, tuple[str, str]]] = {
    "glass_overdue": (
        "{name} 于 {broken} 应急取得 {role}，至今未复核，期限 {day} 已过",
        "{name} broke the glass for {role} on {broken}; its review is overdue since {day}",
    ),
    "glass_open": (
        "{name} 于 {broken} 应急取得 {role}，须在 {day} 前复核",
        "{name} broke the glass for {role} on {broken}; a review is owed by {day}",
    ),
    "return_overdue": (
        "机构 {name} 的合同已于 {ended} 终止，返还或删除证明逾期（期限 {day}）",
        "{name}: the contract ended on {ended}, and the attestation of return or deletion was due on {day}",
    ),
    "return_due": (
        "机构 {name} 的合同已于 {ended} 终止，须在 {day} 前提交返还或删除证明",
        "{name}: the contract ended on {ended}; the attestation of return or deletion is due on {day}",
    ),
    "contract_ends": ("机构 {name} 的合同将于 {day} 到期", "{name}: the contract ends on {day}"),
    "contract_none": (
        "机构 {name} 没有合同，却有 {people} 名有效人员",
        "{name} has no contract, and people enabled: {people}",
    ),
    "contract_over": (
        "机构 {name} 的合同已于 {day} 终止，仍有 {people} 名有效人员",
        "{name}: the contract ended on {day}, and people are still enabled: {people}",
    ),
    "not_a_person": (
        "{name} 是{sort_zh}，却持有应由人员担任的角色 {role}",
        "{name} is {sort_en} and holds {role}, which takes a person",
    ),
    "two_names": (
        "{name} 与 {other} 是同一人的两个主体",
        "{name} and {other} are one person under two names",
    ),
    "cases_stranded": (
        "{name} 已停用，名下仍有 {cases} 件未结案件",
        "{name} is disabled and still holds open cases: {cases}",
    ),
    "cases_of_stopped_agency": (
        "{name} 所属机构已不得作业，名下仍有 {cases} 件未结案件",
        "{name} is of an agency that may not work any more, and still holds open cases: {cases}",
    ),
    "role_ends": ("{name} 的角色 {role} 将于 {day} 到期", "{name}: the role {role} ends on {day}"),
    "role_over": ("{name} 的角色 {role} 已于 {day} 到期", "{name}: the role {role} ended on {day}"),
    "attestation_none": (
        "{name} 缺少所任角色要求的{kinds}证明",
        "{name} has no attestation of {kinds}, which a role needs",
    ),
    "attestation_over": (
        "{name} 的{kinds}证明已于 {day} 到期",
        "{name}: the attestation of {kinds} ended on {day}",
    ),
    "attestation_ends": (
        "{name} 的{kinds}证明将于 {day} 到期",
        "{name}: the attestation of {kinds} ends on {day}",
    ),
    "no_staff_number": (
        "{name} 持有 {roles}，但没有登记工号：若以另一名字再登记，无从识别",
        "{name} holds {roles} without a staff number: a second name of theirs could not be told",
    ),
    "request_waits": (
        "{name} 的申请（{what}）待批准：已有 {given}/{quorum}，由 {roles} 批准，{day} 失效",
        "{name} asked for {what}: {given} of {quorum} approved, by {roles}; it lapses on {day}",
    ),
    "never_used": (
        "{name} 自 {day} 取得角色 {role} 以来，日志中没有使用记录",
        "{name}: the log shows no use of the role {role} since it was granted on {day}",
    ),
    "unused": (
        "{name} 的角色 {role} 自 {day} 起，日志中没有使用记录",
        "{name}: the log shows no use of the role {role} since {day}",
    ),
    "unused_lately": (
        "{name} 条目甚多，只查到 {day}，其间没有角色 {role} 的使用记录",
        "{name}: no use of the role {role} in so many entries that they were looked at back to {day} only",
    ),
    "handed_over": (
        "移交给 {name} 的文件（{cases} 件案件，{records} 条记录）在 {day} 前仍可使用",
        "a file of {cases} cases and {records} records is with {name} until {day}",
    ),
    "policy": ("策略 {where}：{message}（{remedy}）", "policy {where}: {message} ({remedy})"),
}
_SORTS_EN: Final = {"service": "a service", "agency": "an agency"}


class Words(NamedTuple):
    """The words in one language."""

    language: Language

    def __call__(self, key: str, *parts: object, **named: object) -> str:
        """A fixed word."""
        return _WORDS[key][self.language == "en"].format(*parts, **named)

    def sentence(self, finding: Finding) -> str:
        """A finding as a sentence."""
        parts = dict(finding.parts)
        if "kinds" in parts:
            kinds = [self(kind) if kind in _WORDS else kind for kind in parts["kinds"].split()]
            parts["kinds"] = self.joined(kinds)
        if "sort" in parts:
            parts["sort_zh"] = _WORDS[f"sort.{parts['sort']}"][0]
            parts["sort_en"] = _SORTS_EN.get(parts["sort"], parts["sort"])
        return _FINDINGS[finding.code][self.language == "en"].format(**parts)

    def role(self, held: Held) -> str:
        """A role's name, with its Chinese title where that is wanted."""
        name = f"{held.zh} {held.role}" if self.language == "zh" and held.zh else held.role
        return f"{name} [{self('glass')}]" if held.glass else name

    def purposes(self, held: Held, review: AccessReview) -> str:
        """The purposes a power opens."""
        named = review.purposes if self.language == "zh" else {}
        comma = "、" if self.language == "zh" else ", "
        return comma.join(named.get(p) or p for p in held.purposes) or self("no_purpose")

    def granted(self, held: Held) -> str:
        """Since when a power is held, and by whose grant."""
        if held.by == "init":
            return self("by_init", _day(held.since))
        return self("by", _day(held.since), held.by_name or held.by)

    def until(self, held: Held) -> str:
        """The last day of a power."""
        if not held.last_day:
            return self("no_end")
        return self("over", held.last_day) if held.over else held.last_day

    def used(self, held: Held) -> str:
        """When a power was last used: a day, never, or not since a day."""
        if held.used is not None:
            return _day(held.used)
        return self("never") if held.unused_ever else self("not_since", _day(held.looked))

    def attested(self, holder: Holder, day: str) -> list[tuple[str, bool]]:
        """Each attestation on file or needed, and whether it is wanting on a day (ISO)."""
        alike: dict[str, list[str]] = {}
        for kind in sorted({*holder.needs, *holder.attested}):
            name = self(kind) if kind in _WORDS else kind
            alike.setdefault(holder.attested.get(kind, ""), []).append(name)
        found = []
        for last, names in sorted(alike.items()):
            joined = self.joined(names)
            if not last:
                found.append((self("missing", joined), True))
            else:
                over = last < day
                found.append((self("holds", joined, self("over", last) if over else last), over))
        return found

    def joined(self, names: Sequence[str]) -> str:
        """Two or more names as one phrase."""
        return ("与" if self.language == "zh" else " and ").join(names)

    def agency(self, view: AgencyView | None) -> str:
        """Where an agency's contract stands, on one line."""
        if view is None or not view.ends:
            return self("no_contract")
        state = self(f"state.{view.state}")
        return self("contract", view.reference, view.starts, view.ends, state)

    def about(self, review: AccessReview) -> list[str]:
        """What stands under the title: tenant, day and policy, what was looked at, how many."""
        colon, stop = ("：", "。") if self.language == "zh" else (": ", ". ")
        facts = [("tenant", review.tenant), ("day", review.day), ("policy", review.policy[:16])]
        first = stop.join(f"{self(key)}{colon}{text}" for key, text in facts)
        if review.sandbox:
            first += stop + self("sandbox")
        disabled = sum(holder.disabled for holder in review.holders)
        levels = [finding.level for finding in review.findings]
        counts = self(
            "counts",
            people=len(review.holders) - disabled,
            disabled=disabled,
            errors=levels.count("error"),
            warnings=levels.count("warning"),
            infos=levels.count("info"),
        )
        return [first, self("looked", review.since), counts]


def groups(review: AccessReview, words: Words) -> list[tuple[str, list[Holder]]]:
    """Everyone under a title: the house's own, each agency with its people, and the disabled ones apart."""
    views = {view.agency: view for view in review.agencies}
    found: dict[str, list[Holder]] = {}
    for holder in review.holders:
        if not holder.disabled:
            found.setdefault(holder.agency, []).append(holder)
    titled = [
        (
            words("agency", views[agency].name, words.agency(views[agency]))
            if agency in views
            else words("house"),
            sorted(holders, key=lambda h: h.principal != agency),
        )
        for agency, holders in found.items()
    ]
    gone = [holder for holder in review.holders if holder.disabled]
    return [*titled, *([(words("disabled"), gone)] if gone else [])]


def _day(instant: int) -> str:
    return today(instant).isoformat()
