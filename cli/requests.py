"""Commands about what needs another person's yes: request open, list, show, check, refuse (four eyes)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli import messages, parsing
from cli.context import Call, command
from cli.output import Alarm
from vault.errors import Denied, Invalid, NotFound

if TYPE_CHECKING:
    from vault.approving import RequestView
    from vault.tenancy import Tenancy
    from vault.vault import Vault

_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "bulk_read": ("rows", "purpose"),
    "minors": ("ids",),
    "hold_release": ("number", "ids"),
    "unrestrict": ("ids",),
    "policy": ("file",),
    "unseal": ("agency",),
    "power": ("name", "role"),
    "keys": ("detail",),
}
"""What is asked for, and the options that say exactly what it touches."""
_MAY: Final[Mapping[str, tuple[str, ...]]] = {
    "minors": ("purpose",),
    "hold_release": ("purpose",),
    "unrestrict": ("purpose",),
}
_HOUR: Final = 3600 * 1_000_000

What = Annotated[str, typer.Argument(metavar="WHAT", help=", ".join(_NEEDS))]
Id = Annotated[str, typer.Argument(metavar="REQUEST", help="The request's id.")]
Ids = Annotated[Path | None, typer.Option("--ids", metavar="FILE", help="One record id a line; - is stdin.")]
File = Annotated[Path | None, typer.Option("--file", help="policy: the file to put in force.")]
Number = Annotated[str | None, typer.Option("--number", help="hold_release: the order's number.")]
Agency = Annotated[str | None, typer.Option("--agency", help="unseal: the agency's id.")]
Name = Annotated[str | None, typer.Option("--name", help="power: a new name, an id, or 'key of ID'.")]
Role = Annotated[list[str] | None, typer.Option("--role", help="power: a role; repeatable.")]
Detail = Annotated[str | None, typer.Option("--detail", help="keys: e.g. 'export masked'.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is in the log, so no personal data.")]


def register(app: typer.Typer) -> None:
    """Add the commands to their group."""
    command(app, "open")(open_)
    command(app, "list")(list_)
    command(app, "show")(show)
    command(app, "check")(check)
    command(app, "refuse")(refuse)


def open_(
    call: Call,
    what: What,
    *,
    reason: Reason,
    ids: Ids = None,
    rows: Annotated[int | None, typer.Option("--rows", min=1, help="bulk_read: how many records.")] = None,
    purpose: Annotated[str | None, typer.Option("--purpose", help="The purpose it is used for.")] = None,
    file: File = None,
    number: Number = None,
    agency: Agency = None,
    name: Name = None,
    role: Role = None,
    detail: Detail = None,
) -> None:
    """Ask for something that needs another person's yes."""
    given: dict[str, Any] = {
        "ids": ids, "rows": rows, "purpose": purpose, "file": file, "number": number, "agency": agency,
        "name": name, "role": role, "detail": detail,
    }  # fmt: skip
    _demand_fit(what, given)
    about = _about(call, what, given)
    with call.open() as vault:
        made = vault.granting(call.tenant).ask(
            call.identity(vault), what, about, reason=reason, purpose=purpose or "",
            rows=rows or (len(about) if what == "minors" else 0), agency=agency or "",
        )  # fmt: skip
        t = vault.tenancy(call.tenant)
        said = _item(t, _view(made))
    if call.out.json:
        call.out.document(said)
    else:
        call.out.line(made.id)
    call.out.note("request.opened", request=made.id, of=" / ".join(made.of), quorum=made.quorum)


def _demand_fit(what: str, given: Mapping[str, Any]) -> None:
    """Demand the options that say what is asked for, and no others: one unused would approve nothing.

    Raises:
        Invalid: Nothing of this name is asked for here, an option is missing, or one doesn't belong.
    """
    parsing.one_of(what, tuple(_NEEDS), "what")
    here = {name for name, value in given.items() if value not in (None, [])}
    lacking = [name for name in _NEEDS[what] if name not in here]
    stray = sorted(here - {*_NEEDS[what], *_MAY.get(what, ())})
    if lacking or stray:
        wrong = (lacking or stray)[0]
        raise Invalid(
            f"--{wrong}: {'missing' if lacking else 'means nothing'} for {what}",
            code="invalid_usage",
            field=wrong,
            remedy="give " + ", ".join(f"--{name}" for name in _NEEDS[what]),
        )


def _about(call: Call, what: str, given: Mapping[str, Any]) -> Sequence[str]:
    """Exactly what is touched, in the form that its use gives: another form would be another request."""
    if what == "bulk_read":
        return ()
    if what == "policy":
        return (_policy_hash(call, given["file"]),)
    if what == "unseal":
        return (given["agency"],)
    if what == "power":
        roles = {part for text in given["role"] for part in parsing.names(text) or ()}
        return (given["name"], *sorted(roles))
    if what == "keys":
        return (given["detail"],)
    records = sorted(set(_ids(call, given["ids"])))
    return (given["number"], *records) if what == "hold_release" else records


def _ids(call: Call, path: Path) -> list[str]:
    data = call.stdin() if str(path) == "-" else call.read(path, "ids")
    found = parsing.lines(path, data)
    if not found:
        raise Invalid("no record is named", code="invalid_usage", field="ids", remedy="write one id a line")
    return found


def _policy_hash(call: Call, path: Path) -> str:
    """The hash of a policy file, once it is known that it could be put in force."""
    from cli.policy import load
    from vault.access.policy_lint import demand_sound

    policy = load(call, path)
    demand_sound(policy, policy.schema)
    return policy.hash


def _view(request: Any) -> RequestView:
    from vault.approving import RequestView

    return RequestView(request=request, state="waiting", counted=0)


def _item(t: Tenancy, view: RequestView) -> dict[str, Any]:
    """A request as JSON has it."""
    from vault.config import iso

    r, registry = view.request, t.journal.recent()
    return {
        "request": r.id,
        "what": r.what,
        "state": view.state,
        "by": r.by,
        "by_name": t.name_of(registry, r.by),
        "reason": r.reason,
        "purpose": r.purpose,
        "rows": r.rows,
        "agency": r.agency,
        "created": iso(r.created),
        "expires": iso(r.expires),
        "quorum": r.quorum,
        "of": r.of,
        "counted": view.counted,
        "approvals": [
            {"principal": a.principal, "name": t.name_of(registry, a.principal), "at": iso(a.at)}
            for a in r.approvals
        ],
        "refused": None
        if r.refused is None
        else {"principal": r.refused.principal, "name": t.name_of(registry, r.refused.principal)},
        "used": iso(r.used) if r.used else None,
        "digest": r.digest,
    }


def list_(
    call: Call,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those that wait for a yes.")] = False,
) -> None:
    """List requests: one's own; all of them for those who approve or audit."""
    with call.open() as vault:
        found = vault.granting(call.tenant).requests(call.identity(vault))
        t, now = vault.tenancy(call.tenant), vault.clock()
        found = [view for view in found if view.state == "waiting" or not waiting]
        items = [_item(t, view) for view in found]
    if call.out.json:
        call.out.document({"items": items})
        return
    shown = ("request", "who", "what", "why", "rows", "left", "approvals", "state")
    call.out.table(
        [messages.text(f"column.{name}") for name in shown],
        [
            (i["request"], i["by_name"], i["what"], i["reason"], i["rows"] or "",
             _left(view.request.expires - now) if view.state in {"waiting", "approved"} else "",
             f"{view.counted}/{max(1, i['quorum'])}", _state(view.state))
            for view, i in zip(found, items, strict=True)
        ],
    )  # fmt: skip


def _state(state: str) -> str:
    said = messages.text(f"request.state.{state}")
    return Alarm(said) if state == "refused" else said


def _left(span: int) -> str:
    """How long still, in days and hours, rounded down; below an hour in minutes."""
    hours = max(0, span) // _HOUR
    if not hours:
        return messages.text("left.minutes", minutes=max(0, span) // (_HOUR // 60))
    return messages.text("left.hours", days=hours // 24, hours=hours % 24)


def show(call: Call, request: Id) -> None:
    """Show one request: who asks for what, who may approve it, who has."""
    with call.open() as vault:
        view = _found(call, vault, request)
        said = _item(vault.tenancy(call.tenant), view)
    if call.out.json:
        call.out.document(said)
    else:
        call.out.table(("", ""), [(name, _said(value)) for name, value in said.items()])


def _found(call: Call, vault: Vault, request: str) -> RequestView:
    views = vault.granting(call.tenant).requests(call.identity(vault))
    found = next((view for view in views if view.request.id == request), None)
    if found is None:
        raise NotFound("no such request")
    return found


def check(
    call: Call,
    request: Id,
    *,
    ids: Ids = None,
    file: File = None,
    number: Number = None,
    agency: Agency = None,
    name: Name = None,
    role: Role = None,
    detail: Detail = None,
) -> int:
    """Compare a request with what one was told it touches, before saying yes: its digest is that or not."""
    from vault.approvals import digest_of

    given: dict[str, Any] = {
        "ids": ids, "file": file, "number": number, "agency": agency, "name": name, "role": role,
        "detail": detail,
    }  # fmt: skip
    with call.open() as vault:
        found = _found(call, vault, request).request
    _demand_fit(found.what, given | {n: True for n in ("rows", "purpose") if n in _NEEDS.get(found.what, ())})
    same = digest_of(found.what, _about(call, found.what, given)) == found.digest
    if call.out.json:
        call.out.document({"request": found.id, "what": found.what, "same": same, "digest": found.digest})
    call.out.note("request.same" if same else "request.other", request=found.id, what=found.what)
    return 0 if same else Denied.exit_code


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return str(value["name"])
    if isinstance(value, (list, tuple)):
        return ", ".join(_said(v) for v in value) or "–"
    return "–" if value in (None, "", 0) else str(value)


def refuse(call: Call, request: Id, reason: Reason) -> None:
    """Say no to a request, which ends it; whoever asked withdraws it the same way."""
    with call.open() as vault:
        done = vault.granting(call.tenant).refuse(call.identity(vault), request, reason)
    if call.out.json:
        call.out.document({"request": done.id, "what": done.what, "state": "refused"})
    call.out.note("request.refused", request=done.id)
