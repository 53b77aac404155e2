"""docs/import.md: its table of columns is the alias table, and its formats page names what there is."""

from __future__ import annotations

from pathlib import Path

from vault.intake.headers import aliases
from vault.intake.layouts import COMPUTING, LAYOUTS, MANDATORY, QUALIFIED, kind_of, required
from vault.schema import BANDS, TYPES, Schema, builtin

DOCS = Path(__file__).parents[3] / "docs"
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
