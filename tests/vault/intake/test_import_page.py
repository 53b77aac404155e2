"""docs/import.md: its table of columns is the alias table, and its formats page names what there is."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

from vault.intake import open_export
from vault.intake.headers import aliases
from vault.intake.layouts import COMPUTING, LAYOUTS, MANDATORY, QUALIFIED, kind_of, required
from vault.schema import BANDS, TYPES, Schema, builtin

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
BEGIN, END = "<!-- columns: begin -->\n", "<!-- columns: end -->"


def columns() -> str:
    """The table as the page must have it; print it to mend the page."""
    schema = builtin()
    lines = []
    for kind in LAYOUTS:
        lines += [f"\n### `--kind {kind}`\n", "| field | needed | headers |", "|---|---|---|"]
        every = LAYOUTS[kind][: MANDATORY.get(kind, 1)]
        for target, (_, *titles) in aliases(schema, kind).items():
            part, _, name = target.rpartition(".")
            field = None if target in COMPUTING else schema.kind(kind_of(part)).fields[name]
            needed = ("yes" if part in every else "if any") if target in required(schema, part) else ""
            own = [field.zh] if field and part == kind_of(part) and (kind, part) not in QUALIFIED else []
            lines.append(f"| `{target}` | {needed} | {', '.join(dict.fromkeys([*own, *titles]))} |")
    return "\n".join(lines) + "\n\n"


def test_table_of_columns_is_the_alias_table() -> None:
    """Who reads the page knows every header that is understood, and no other."""
    page = (DOCS / "import.md").read_text("utf-8")
    assert page.partition(BEGIN)[2].partition(END)[0] == columns()


def test_format_page_names_types_and_bands() -> None:
    """The schema's format page has every type and band, and its example loads."""
    page = (DOCS / "formats" / "schema.md").read_text("utf-8")
    assert all(f"`{word}`" in page for word in (*TYPES, *BANDS))
    example = page.partition("```toml\n")[2].partition("```")[0]
    assert set(Schema.load(example).kind("borrower").fields) == {"phone", "customer_no"}


def test_every_code_of_the_intake_is_explained() -> None:
    """Who meets a code in a report or an error finds it on the page of imports, or of services."""
    files = [ROOT / "vault" / name for name in ("stocking.py", "matching.py", "crypto/foreign.py")]
    files += [*(ROOT / "vault/intake").glob("*.py"), *(ROOT / "vault/stores").glob("foreign*.py")]
    source = "".join(path.read_text("utf-8") for path in files)
    codes = set(re.findall(r'code(?:: str)? ?= ?"((?:invalid|previously)_[a-z_]+)"', source))
    codes |= {f"invalid_{kind}" for kind in TYPES}
    pages = "".join((DOCS / name).read_text("utf-8") for name in ("import.md", "services.md"))
    assert len(codes) > 35
    assert {code for code in codes if f"`{code}`" not in pages} == {"invalid_type"}  # a schema's fault


def test_the_example_of_a_result_file_gives_what_the_page_says(tmp_path: Path) -> None:
    """The page's rows under the page's map: two attempts, a promise, a visit and a repayment."""
    page = (DOCS / "import.md").read_text("utf-8")
    for name, word in (("in.csv", "csv"), ("map.toml", "toml")):
        part = page.partition("### Result files")[2].partition(f"```{word}\n")[2].partition("```")[0]
        (tmp_path / name).write_text(part, encoding="utf-8")
    export = open_export(
        tmp_path / "in.csv", builtin(), kind="result", mapping=tmp_path / "map.toml",
        today=dt.date(2026, 11, 23),
    )  # fmt: skip
    assert export.unknown == []
    assert [[draft.kind for draft in row.drafts] for row in export.rows()] == [
        ["contact_attempt", "promise"],
        ["contact_attempt", "visit"],
        ["repayment"],
    ]
