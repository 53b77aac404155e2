"""The register of purposes as a page: HTML that loads and runs nothing, Markdown, or JSON (PIPL 7, 17)."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from vault.errors import Invalid

if TYPE_CHECKING:
    from vault.access.purposes import FieldRow, KindRow, PurposeRow
    from vault.retention.rules import Rule, RuleSet
    from vault.schema import KindSpec

Language = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")
FORMATS: Final = (".html", ".md", ".json")

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "title": ("个人信息处理目的登记表", "Register of purposes"),
    "policy": ("策略", "Policy"),
    "day": ("日期", "As of"),
    "applies": ("适用主体", "Applies to"),
    "agency": ("受托催收机构", "a collection agency"),
    "lender": ("委托方（金融机构）", "a lender"),
    "marks": (
        "来源标注：[V] 已核对原文；[S] 二手来源；[M] 凭记忆，待核对",
        "Sources: [V] the text was read; [S] a secondary source states it; [M] from memory, to be checked",
    ),
    "basis": ("合法性基础（个人信息保护法第13条第1款）", "Lawful basis (PIPL 13 ¶1)"),
    "item": ("第（{0}）项：{1}", "item {0}: {1}"),
    "no_basis": ("未登记", "not registered"),
    "source": ("依据", "Source"),
    "until": ("基础有效至", "Basis holds until"),
    "pipia": ("个人信息保护影响评估", "Impact assessment (PIPL 55-56)"),
    "pipia_until": ("{0}，有效至 {1}", "{0}, until {1}"),
    "no_pipia": ("未登记", "none registered"),
    "roles": ("可依此目的处理的岗位", "Roles that act for it"),
    "nobody": ("未授予任何岗位", "granted to nobody"),
    "reach": ("范围", "Reach"),
    "restricted": ("含已封存记录", "records sealed off too"),
    "past": ("含已被更正的旧版本", "versions that were replaced too"),
    "conditions": ("使用条件", "Conditions"),
    "recipients": ("接收方（受托人）", "Recipients (entrusted)"),
    "no_recipients": ("未登记", "none registered"),
    "kind": ("信息种类", "Kind"),
    "masked": ("去标识化显示", "Shown de-identified"),
    "clear": ("完整显示", "Shown in full"),
    "retention": ("保存期限", "Kept"),
    "nothing": ("不显示任何个人信息。", "No personal information is shown."),
    "sensitive": ("* 按敏感个人信息保护（个人信息保护法第28条）", "* protected as sensitive (PIPL 28)"),
    "floor": ("至少保存至", "at least until"),
    "ceiling": ("至多保存至", "at most until"),
    "trigger": ("应予删除：", "deleted at"),
    "after": ("{1} 起 {0}", "{0} after {1}"),
    "years": ("年", " years"),
    "months": ("个月", " months"),
    "days": ("天", " days"),
}
_ANCHORS: Final[dict[str, tuple[str, str]]] = {
    "imported_on": ("导入日", "import"),
    "placed_on": ("委案日", "placement"),
    "settled_on": ("结清日", "settlement"),
    "relationship_ended_on": ("业务关系结束日", "the end of the business relationship"),
    "consent_withdrawn_on": ("撤回同意日", "withdrawal of consent"),
    "contact_refused_on": ("拒绝联系日", "refusal of contact"),
    "last_demand_on": ("最后一次催告日", "the last demand"),
    "listed_on": ("列入名单日", "listing"),
    "contract_ended_on": ("委托合同终止日", "the end of the contract"),
}
_MARKS: Final = {"verified": "[V]", "secondary": "[S]", "memory": "[M]", "practice": "[practice]"}
_STYLE: Final = (
    "body{font:15px/1.6 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;width:100%;margin:.5em 0}"
    "td,th{border:1px solid #bbb;padding:.3em .6em;text-align:left;vertical-align:top}"
    "td,th{overflow-wrap:anywhere}th:first-child,td:first-child{min-width:5em}"
    "@page{size:A4;margin:15mm}@media print{body{margin:0;max-width:none;font-size:10px}"
    "tr{break-inside:avoid}h2{break-after:avoid}thead{display:table-header-group}}"
)


_LOADS_NOTHING: Final = "default-src 'none'; style-src 'unsafe-inline'"


class Page(NamedTuple):
    """What a page says beside its rows.

    Attributes:
        language: Of its titles; a source stands as the policy has it.
        policy: The policy's hash (hex).
        day: The day it was made, ISO.
        applies_to: Whose retention duties apply: "agency", "lender" or both.
    """

    language: Language
    policy: str
    day: str
    applies_to: Sequence[str]

    def word(self, key: str, *parts: object) -> str:
        """A fixed word in the page's language."""
        return _WORDS[key][self.language == "en"].format(*parts)

    @property
    def made(self) -> str:
        """When it was made, from which policy, and for whom."""
        whom = ", ".join(self.word(profile) for profile in self.applies_to)
        parts = (("day", self.day), ("policy", self.policy), ("applies", whom))
        return ". ".join(f"{self.word(key)}: {text}" for key, text in parts)

    def name(self, zh: str, en: str) -> str:
        """The title of something that has one in each language."""
        return en if self.language == "en" else zh


def demand_format(path: Path) -> str:
    """The format that a file's extension names.

    Raises:
        Invalid: It names none.
    """
    if path.suffix not in FORMATS:
        raise Invalid(
            f"{path}: no such format",
            code="invalid_usage",
            field="out",
            remedy="end it in " + ", ".join(FORMATS),
        )
    return path.suffix


def render(rows: Sequence[PurposeRow], page: Page, form: str) -> bytes:
    """The whole page.

    Args:
        rows: `vault.access.purposes.register`.
        page: Language, policy and day.
        form: One of `FORMATS`.
    """
    if form == ".json":
        document = {"policy": page.policy, "day": page.day, "purposes": rows}
        return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
    return (_html(rows, page) if form == ".html" else _markdown(rows, page)).encode()


def retention(rules: RuleSet, kinds: Mapping[str, KindSpec], page: Page) -> dict[str, str]:
    """How long each kind is kept, in words with sources: the rules that are applied here (`vault.retention`).

    Args:
        rules: The rules; a floor of lower rank that nobody answers for is not applied, and not said.
        kinds: The schema's.
        page: Its language, and whose duties apply.
    """
    found = {}
    for name, spec in kinds.items():
        applied = [rules.applicable(spec.keep_like or name, profile) for profile in page.applies_to]
        bound = [r for a in applied for r in (*a.triggers, *a.floors, *a.lower, *a.ceilings)]
        found[name] = "; ".join(dict.fromkeys(_rule(rule, page) for rule in bound))
    return found


def _rule(rule: Rule, page: Page) -> str:
    anchors = " / ".join(page.name(*_ANCHORS.get(name, (name, name))) for name in rule.anchor)
    length = _length(rule.period, page)
    when = page.word("after", length, anchors) if length else anchors
    return f"{page.word(rule.effect)} {when} ({rule.cited} {_MARKS[rule.status]})"


def _length(period: str, page: Page) -> str:
    from vault.retention.period import parse

    found = parse(period)
    parts = ((found.years, "years"), (found.months, "months"), (found.days, "days"))
    return " ".join(f"{number}{page.word(unit)}" for number, unit in parts if number)


def _facts(row: PurposeRow, page: Page) -> list[tuple[str, str]]:
    """What is said of a purpose beside its fields: title and text."""
    from vault.access.purposes import BASES

    basis = page.word("no_basis")
    if row.basis is not None:
        basis = page.word("item", row.basis, page.name(*BASES[row.basis]))
    assessed = page.word("no_pipia")
    if row.pipia is not None:
        assessed = page.word("pipia_until", row.pipia.id, row.pipia.until.isoformat())
    reach = [page.word(key) for key, there in (("restricted", row.restricted), ("past", row.past)) if there]
    facts = [
        ("basis", basis),
        ("source", row.source),
        ("until", row.legal_basis_until),
        ("pipia", assessed),
        ("roles", ", ".join(page.name(r.zh, r.role) for r in row.roles) or page.word("nobody")),
        ("reach", ", ".join(reach)),
        ("conditions", "; ".join(f"{c.name} ({c.terms}): {c.source}" for c in row.conditions)),
        ("recipients", ", ".join(row.recipients) or page.word("no_recipients")),
    ]
    return [(page.word(key), text) for key, text in facts if text]


def _cells(kind: KindRow, page: Page) -> tuple[str, str, str, str]:
    """A kind's line in the table: its title, fields masked, fields in full, how long it is kept."""
    whole = [_title(f, page) for f in kind.fields if f.whole]
    masked = [_title(f, page) for f in kind.fields if not f.whole]
    return page.name(kind.zh, kind.en), ", ".join(masked), ", ".join(whole), kind.retention


def _title(field: FieldRow, page: Page) -> str:
    return page.name(field.zh, field.en) + ("*" if field.sensitive else "")


def _heads(page: Page) -> list[str]:
    return [page.word(key) for key in ("kind", "masked", "clear", "retention")]


def _heading(row: PurposeRow, page: Page) -> str:
    return f"{row.zh} ({row.purpose})" if page.language == "zh" else f"{row.purpose} ({row.zh})"


def _legend(page: Page) -> tuple[str, str, str]:
    return page.made, page.word("sensitive"), page.word("marks")


def _html(rows: Sequence[PurposeRow], page: Page) -> str:
    """One file that stands alone; everything in it is escaped, and its policy lets nothing load or run."""
    quote = html.escape
    title = quote(page.word("title"))
    parts = [
        f'<!doctype html>\n<html lang="{page.language}"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_LOADS_NOTHING}">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>\n<h1>{title}</h1>",
        "<p>" + "<br>".join(quote(line) for line in _legend(page)) + "</p>",
    ]
    for row in rows:
        parts.append(f'<h2 id="{quote(row.purpose)}">{quote(_heading(row, page))}</h2>\n<table>')
        parts += [
            f"<tr><th>{quote(name)}</th><td>{quote(text)}</td></tr>" for name, text in _facts(row, page)
        ]
        parts.append("</table>")
        if not row.kinds:
            parts.append(f"<p>{quote(page.word('nothing'))}</p>")
            continue
        parts.append("<table><tr>" + "".join(f"<th>{quote(head)}</th>" for head in _heads(page)) + "</tr>")
        for kind in row.kinds:
            cells = "".join(f"<td>{quote(cell)}</td>" for cell in _cells(kind, page))
            parts.append(f"<tr>{cells}</tr>")
        parts.append("</table>")
    return "\n".join([*parts, "</body></html>", ""])


def _markdown(rows: Sequence[PurposeRow], page: Page) -> str:
    quote = _plain
    lines = [f"# {page.word('title')}", ""]
    for line in _legend(page):
        lines += [quote(line), ""]
    for row in rows:
        lines += [f"## {quote(_heading(row, page))}", ""]
        lines += [f"- {quote(name)}: {quote(text)}" for name, text in _facts(row, page)]
        lines.append("")
        if not row.kinds:
            lines += [page.word("nothing"), ""]
            continue
        heads = _heads(page)
        lines += ["| " + " | ".join(map(quote, heads)) + " |", "|---" * len(heads) + "|"]
        lines += ["| " + " | ".join(map(quote, _cells(kind, page))) + " |" for kind in row.kinds]
        lines.append("")
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Text that Markdown takes as it is: one line, no mark-up and no HTML."""
    flat = html.escape(" ".join(text.split()), quote=False)
    return "".join(f"\\{c}" if c in "\\`*_[]|#" else c for c in flat)
