"""`cvault log list`: who saw whose data, when and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal, cast

import typer

from cli import log_rows, parsing
from cli.context import Call, command
from cli.log_rows import Bom, Csv, Form, Jsonl, Since, Text, Until
from cli.options import LARGEST
from vault.errors import Invalid
from vault.model import ENTRY_KINDS, PURPOSES, REASONS, ROLES

if TYPE_CHECKING:  # the rooms are imported by the commands that need them, so that --help stays fast
    from collections.abc import Iterator

    from vault.auditing import Line
    from vault.vault import Vault

OUTCOMES: Final = ("ok", "denied", "not_found", "failed")
View = Literal["clear", "masked"] | None
VIEWS: Final = ("clear", "masked")
_SHOWN: Final = ("index", "time", "kind", "actor_name", "for", "about", "fields", "outcome")
_FEW: Final = 4
"""Fields of a view that a table names; `--json` and `--csv` name all."""
COLUMNS: Final = (
    "index", "time", "kind", "actor", "actor_name", "role", "purpose", "case", "subject", "record", "about",
    "fields", "outcome", "reason", "policy", "token", "detail",
)  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the command to its group."""
    command(app, "list")(list_)


def list_(
    call: Call,
    *,
    subject: Annotated[
        Text, typer.Option("--subject", help="A subject's id, or one of their records'.")
    ] = None,
    ref: Annotated[Text, typer.Option("--ref", help="The subject by KIND:EXTERNAL_ID of a record.")] = None,
    actor: Annotated[Text, typer.Option("--actor", help="A principal, by id or name.")] = None,
    role: Annotated[Text, typer.Option("--role", help="Entries of this role.")] = None,
    purpose: Annotated[Text, typer.Option("--purpose", help="Entries for this purpose.")] = None,
    kind: Annotated[Text, typer.Option("--kind", help="Entries of this kind: read, search, deny, …")] = None,
    field: Annotated[
        Text, typer.Option("--field", help="Entries that showed it: borrower.id_number.")
    ] = None,
    view: Annotated[
        Text, typer.Option("--view", help="clear, or masked and no more; with --field: that field.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="As --view clear.")] = False,
    case: Annotated[Text, typer.Option("--case", help="Entries about this case; opens bodies.")] = None,
    outcome: Annotated[Text, typer.Option("--outcome", help="ok, denied, not_found, failed.")] = None,
    reason: Annotated[Text, typer.Option("--reason", help="Why it was refused: role_denied, …")] = None,
    node: Annotated[Text, typer.Option("--node", help="Entries that this node wrote.")] = None,
    token_prefix: Annotated[
        Text, typer.Option("--token-prefix", metavar="HEX", help="How the token's digest begins.")
    ] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Entries at most.")] = 100,
    all_: Annotated[bool, typer.Option("--all", help="No limit; written page by page.")] = False,
    after: Annotated[
        int | None, typer.Option("--after", min=0, max=LARGEST, help="Only behind this index.")
    ] = None,
    newest: Annotated[bool, typer.Option("--newest", help="The newest first.")] = False,
    csv: Csv = None,
    jsonl: Jsonl = False,
    bom: Bom = False,
) -> None:
    """Ask the log who saw whose data, when and why. The question is an entry too."""
    from vault.auditing import Question

    form = log_rows.form(call, csv=csv, jsonl=jsonl, bom=bom)
    question = Question(
        subject=subject if ref is None else parsing.refs([ref])[0], actor=actor, field=field, clear=clear,
        case=case, node=node,
        role=parsing.one_of(role, ROLES, "role"), purpose=parsing.one_of(purpose, PURPOSES, "purpose"),
        kind=parsing.one_of(kind, ENTRY_KINDS, "kind"), reason=parsing.one_of(reason, REASONS, "reason"),
        outcome=parsing.one_of(outcome, OUTCOMES, "outcome"),
        view=cast("View", parsing.one_of(view, VIEWS, "view")), token=_hex(token_prefix),
        since=parsing.instant(since, "since"), until=parsing.instant(until, "until"),
        limit=None if all_ else limit, after=after, newest_first=newest,
    )  # fmt: skip
    with call.open() as vault:
        lines = vault.auditing(call.tenant).stream(call.credential(vault, "auditor", "audit"), question)
        if all_ or form.shape not in {"json", "table"}:
            show(call, form, lines)
            return
        _whole(call, found := list(lines), limit, newest=newest)
        if not found and actor and not _known(vault, call.tenant, actor):
            call.out.note("ask.nobody")


def _known(vault: Vault, tenant: str, actor: str) -> bool:
    """Whether a principal has this id or name: of a misspelt one, nothing found says nothing."""
    from vault.ledger.registry import Principal

    return any(actor in {p.id, p.name} for p in vault.tenancy(tenant).journal.recent().all(Principal))


def _whole(call: Call, lines: list[Line], limit: int, *, newest: bool) -> None:
    """One document or table, and where the next page begins."""
    if call.out.json:
        call.out.document({"items": lines, "after": lines[-1].index if len(lines) == limit else None})
        return
    show(call, log_rows.TABLE, iter(lines))
    if len(lines) == limit:
        call.out.note("log.more_newest" if newest else "log.more", after=lines[-1].index)


def cells(line: Line, names: tuple[str, ...]) -> tuple[object, ...]:
    """A line as a row."""
    return tuple(_fields(line.fields) if name == "fields" else getattr(line, name) for name in names)


def show(call: Call, form: Form, lines: Iterator[Line]) -> int:
    """Write lines as `log list` does; how many."""
    if form.shape == "table":
        count = log_rows.write(call, form, _SHOWN, lines, _brief)
        if not count:
            call.out.note("ask.none")
        return count
    return log_rows.write(call, form, COLUMNS, lines, lambda line: cells(line, COLUMNS))


def _brief(line: Line) -> tuple[object, ...]:
    """A line as people read it: fewer columns, each breaking between words."""
    return (
        line.index, line.time.replace("T", " ").removesuffix("Z"), line.kind, line.actor_name,
        _joined(line.role, line.purpose), _joined(line.about, line.record), _views(line.fields),
        _joined(line.outcome, line.reason),
    )  # fmt: skip


def _joined(*parts: str | None) -> str:
    return " ".join(part for part in parts if part)


def _views(shown: dict[str, str]) -> str:
    """What was shown by view, CLEAR first; `+3` for those left out."""
    found: dict[str, list[str]] = {"CLEAR": [], "MASKED": []}
    for name, view in shown.items():
        found.setdefault(view.upper(), []).append(name)
    return "; ".join(
        f"{view}: {', '.join(names[:_FEW])}" + (f" +{len(names) - _FEW}" if len(names) > _FEW else "")
        for view, names in found.items()
        if names
    )


def _fields(shown: dict[str, str]) -> str:
    return ", ".join(f"{name}={view.lower()}" for name, view in shown.items())


def _hex(text: str | None) -> str | None:
    """How a digest begins.

    Raises:
        Invalid: That isn't hex.
    """
    if text is None:
        return None
    lower = text.lower()
    if not lower or len(lower) > 16 or not set(lower) <= set("0123456789abcdef"):  # noqa: PLR2004 - digits kept
        raise Invalid(
            "--token-prefix: not how a digest begins", code="invalid_token_prefix", field="token_prefix",
            remedy="give 1 to 16 hex digits, as `log list --json` shows them",
        )  # fmt: skip
    return lower
