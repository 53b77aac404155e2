"""The demo's acts up to the forged log: import, five roles, a refusal, the access log and its proofs."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from cli import synthetic
from cli.demo_stage import ENDED, Stage, copy_vault, demand, refusal_of
from cli.demo_story import cell
from vault.access.tokens import Limits
from vault.auditing import Line, Question
from vault.errors import Denied, Tampered
from vault.ledger import proof
from vault.model import MAIN, ShownField
from vault.schema import builtin
from vault.taking import Imported
from vault.vault import Vault

VIEWERS: Final = ("collector", "agency_collector", "dialer", "legal", "auditor")
_SHORT: Final = {"agency_collector": "agency"}
_THIRD: Final = ("contact_person.name", "contact_person.phone")
_NOTHING: Final = ShownField(view="HIDDEN", value=None)
_SHOWN_NAMES: Final = 4
_FIRST_LOOKED_AT: Final = 2
"""The borrower of the story is the first good row from here that has a contact person: one at M3."""


def people_and_files(stage: Stage) -> dict[str, Path]:
    """Two tenants with a person for each role, and an export file for each."""
    story = stage.story
    with story.chapter("set_up", "A vault, its people, two creditors' files", "建库、人员、两家委托方的文件"):
        stage.hire()
        stage.contract(None)
        exports = {}
        for tenant, prefix in ((MAIN, "AJ"), (ENDED, "XH")):
            path = exports[tenant] = stage.extras / f"export-{tenant}.csv"
            seed = stage.seed + (tenant != MAIN)
            synthetic.write_csv(path, stage.counts[tenant], seed, stage.today, prefix=prefix)
        story.say(
            f"Vault {stage.folder}: a sandbox of a collection agency. Each role is a person of its own.",
            f"保险库 {stage.folder}: 催收机构的学习库 (sandbox), 每个角色各有其人。",
        )
        story.say(
            f"Exports of {stage.counts[MAIN]} and {stage.counts[ENDED]} made-up borrowers, M1 to M6+.",
            f"两份导出文件, 虚构借款人 {stage.counts[MAIN]} 名和 {stage.counts[ENDED]} 名, 账龄 M1 至 M6+。",
        )
    return exports


def imports(stage: Stage, exports: dict[str, Path]) -> dict[str, Imported]:
    """Both files go in; the reports say which rows did not."""
    story = stage.story
    done: dict[str, Imported] = {}
    with story.chapter("import", "Import: good rows in, bad rows named", "导入: 好行入库, 坏行列明"):
        for tenant, path in exports.items():
            with story.progress(f"import {path.name}", f"导入 {path.name}") as progress:
                made = stage.vault.writing(tenant).import_file(
                    stage.token(tenant, "importer"),
                    path,
                    kind="borrower",
                    report=stage.extras / f"import-{tenant}.report.jsonl",
                    progress=progress,
                )
            done[tenant] = made
            stored = ", ".join(f"{builtin().kind(k).zh} {k} {n}" for k, n in made.stored.items())
            story.say(
                f"{tenant}: {made.rows} rows ({made.encoding}), stored {stored}; {made.rejected} refused.",
                f"{tenant}: 读取 {made.rows} 行 ({made.encoding}), 入库 {stored}; 拒收 {made.rejected} 行。",
            )
        story.say(
            f"Why each row was refused, without any of its values: {done[MAIN].report}",
            f"拒收原因 (不含任何数据值): {done[MAIN].report}",
        )
    return done


def choose(stage: Stage) -> tuple[str, list[str]]:
    """A living borrower out of the file: case number, and ids of borrower, loan and contact person.

    The collector finds them by the telephone number, as when that number calls.
    """
    bad = synthetic.bad_rows(stage.counts[MAIN])
    rows = enumerate(synthetic.export(stage.counts[MAIN], stage.seed, stage.today))
    row = next(r for n, r in rows if n >= _FIRST_LOOKED_AT and n not in bad and r[11])
    reading, token = stage.vault.reading(MAIN), stage.token(MAIN, "collector")
    found = reading.find(token, field="phone", value=row[3], fields=("name",))
    return row[0], [found.items[0].record, f"loan:{row[0]}", f"contact_person:{row[0]}/1"]


def side_by_side(stage: Stage, case: str, records: Sequence[str]) -> dict[str, dict[str, str]]:
    """Borrower, loan and contact person as five roles get them: views by role and field."""
    story = stage.story
    with story.chapter("roles", "One borrower, five pairs of eyes", "同一借款人, 五种角色所见"):
        shown = {role: _seen(stage, role, case, records) for role in VIEWERS}
        titles = _titles()
        names = [name for name in titles if name in _THIRD or _anyone_sees(name, shown)]
        views = {
            role: {name: fields.get(name, _NOTHING).view for name in names} for role, fields in shown.items()
        }
        story.table(
            (story.pick("field", "字段"), *(_SHORT.get(role, role) for role in VIEWERS)),
            ((titles[name], *(cell(shown[role].get(name, _NOTHING)) for role in VIEWERS)) for name in names),
        )
        story.say(
            "— is hidden. A compartment in which a role may see nothing is not opened for it; masks are"
            " sealed under a key of their own.",
            "— 为隐藏: 角色无权的分区不会为其打开; 掩码值另用密钥加密。",
        )
        story.say(
            f"The agency's token is bound to this case, {case}; no other opens with it.",
            f"委外催收员的令牌仅限本案 {case}, 打不开其他案件。",
        )
        story.say(
            "The auditor sees the log and no borrower. Contact persons owe nothing: nobody here sees one.",
            "审计员看日志, 不看借款人; 联系人不欠债, 五种角色都看不到。",
        )
    return views


def _anyone_sees(name: str, shown: Mapping[str, Mapping[str, ShownField]]) -> bool:
    """Whether a role sees a value in this field; one that the file left empty would only fill the table."""
    values = [fields[name].value for fields in shown.values() if name in fields]
    return any(value is not None and bytes(value) != b"null" for value in values)


def _titles() -> dict[str, str]:
    """Titles of `kind.field` for people."""
    return {
        f"{kind}.{field.name}": f"{field.zh} {field.name}"
        for kind in ("borrower", "loan", "contact_person")
        for field in builtin().kind(kind).fields.values()
    }


def _seen(stage: Stage, role: str, case: str, records: Sequence[str]) -> dict[str, ShownField]:
    """What a role gets, by `kind.field`; an agency's token is bound to the case."""
    limits = Limits(cases=frozenset({case})) if role == "agency_collector" else None
    try:
        disclosure = stage.vault.reading(MAIN).read(stage.token(MAIN, role, limits), records)
    except Denied:
        return {}
    return {f"{one.kind}.{name}": field for one in disclosure.items for name, field in one.fields.items()}


def refusal(stage: Stage, borrower: str) -> str:
    """The collector asks for more than the role shows; the code of the refusal."""
    story = stage.story
    with story.chapter("refusal", "A read that is refused", "一次被拒绝的读取"):
        reading, token = stage.vault.reading(MAIN), stage.token(MAIN, "collector")
        code = refusal_of(lambda: reading.read(token, [borrower], fields=("id_number",)))
        story.say(
            f"The collector asks for the ID number: {code}. The refusal is an entry of the log as well.",
            f"催收员请求身份证号: {code}。拒绝本身也记入日志。",
        )
    return code


def access_log(stage: Stage, borrower: str) -> tuple[int, int]:
    """What the auditor is told of the borrower: how many entries, and the one whose receipt was checked."""
    story, auditing = stage.story, stage.vault.auditing(MAIN)
    with story.chapter("log", "Who saw this borrower, and why", "谁看过这名借款人, 为何"):
        lines = auditing.ask(stage.token(MAIN, "auditor"), Question(subject=borrower))
        story.table(
            ("#", "UTC", "who", "purpose", "what", "fields", "outcome"),
            (
                (
                    str(line.index), line.time[11:], line.actor_name, line.purpose,
                    f"{line.kind} {line.about}", _fields(line), f"{line.outcome} {line.reason}".strip(),
                )
                for line in lines
            ),
        )  # fmt: skip
        index = next(line.index for line in lines if line.role == "legal" and line.about == "borrower")
        receipt = auditing.receipt(index)
        proven = proof.check(receipt, auditing.stub(index), stage.vault.vkey(MAIN))
        (stage.extras / f"receipt-{index}.txt").write_text(receipt, "utf-8")
        story.say(
            f"Receipt of entry {index}: proven to stand in the log of {proven.size} entries, with the"
            " public key alone.",
            f"第 {index} 条的回执: 仅凭公钥即可证明它在共 {proven.size} 条的日志之中。",
        )
    return len(lines), index


def verification(stage: Stage) -> int:
    """Every entry against head and checkpoints; how many there are."""
    story = stage.story
    with story.chapter("verify", "The whole log, checked", "核验整本日志"):
        checked = stage.vault.auditing(MAIN).verify(stage.token(MAIN, "auditor"))
        story.say(
            f"{checked.size} entries, {checked.signed} signed checkpoints, root {checked.root[:16]}…: whole.",
            f"{checked.size} 条, 签名检查点 {checked.signed} 个, 根 {checked.root[:16]}…: 完好。",
        )
    return checked.size


def forgery(stage: Stage, index: int) -> int:
    """In a copy, blame entry `index` on somebody else; the index that verification names, the same."""
    story, copy = stage.story, stage.extras / "tampered"
    with story.chapter("tampered", "A forged copy of the log", "一份被篡改的日志副本"):
        copy_vault(stage.folder, copy)
        blamed = stage.people[MAIN, "collector"].principal
        with closing(sqlite3.connect(copy / "ledger.db")) as ledger, ledger:
            ledger.execute("UPDATE entries SET actor = ? WHERE tenant = ? AND idx = ?", (blamed, MAIN, index))
        caught = None
        with Vault.open(copy) as forged:
            try:
                forged.auditing(MAIN).walk()
            except Tampered as error:
                caught = error.index
        demand(caught == index, "the forged entry is named")
        story.say(
            f"Entry {index} was changed to blame the collector: verification names entry {caught}.",
            f"第 {index} 条被改成催收员所为: 核验指出第 {caught} 条。",
        )
    return index


def _fields(line: Line) -> str:
    """The fields an entry showed, by view."""
    by_view: dict[str, list[str]] = {}
    for name, view in line.fields.items():
        by_view.setdefault(view, []).append(name)
    return "; ".join(f"{view}: {_few(names)}" for view, names in sorted(by_view.items()))


def _few(names: Sequence[str]) -> str:
    """The first names, and how many more."""
    more = len(names) - _SHOWN_NAMES
    return ", ".join(names[:_SHOWN_NAMES]) + (f" +{more}" if more > 0 else "")
