"""Commands about principals: new, add, list, attest, grant, withdraw, rotate, disable."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli import messages, parsing
from cli.context import Call, command, write_secret
from cli.output import Alarm
from vault.errors import Denied, Invalid, NotFound

if TYPE_CHECKING:
    from vault.granting import Enrolment
    from vault.identity import Candidate
    from vault.ledger.registry import Principal

Id = Annotated[str, typer.Argument(help="The principal's id.")]
Role = Annotated[str, typer.Argument(help="The role.")]
Asked = Annotated[
    str | None,
    typer.Option("--request", metavar="REQUEST", help="The approval, where the policy asks for one."),
]
Place = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Its principal file (0600) [DIR/NAME.principal]."),
]
Enrolled = Annotated[
    Path | None,
    typer.Option(
        "--candidate", metavar="FILE", help="What `principal new` printed: its owner keeps the key."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]


def register(app: typer.Typer) -> None:
    """Add the commands to their group."""
    command(app, "new")(new)
    command(app, "add")(add)
    command(app, "list")(list_)
    command(app, "attest")(attest)
    command(app, "grant")(grant)
    command(app, "withdraw")(withdraw)
    command(app, "identify")(identify)
    command(app, "rotate")(rotate)
    command(app, "disable")(disable)


def new(
    call: Call,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Its principal file (0600).")],
    algorithm: Annotated[str, typer.Option("--algorithm", help="Ed25519 or P-256.")] = "Ed25519",
    principal: Annotated[
        str | None,
        typer.Option("--for", metavar="ID", help="A new key for the id you have, for `principal rotate`."),
    ] = None,
    force: Force = False,
) -> None:
    """Make your own principal file, and print its public half for an admin to add; needs no vault."""
    from vault.identity import PRINCIPAL, Identity

    fresh = Identity.fresh(algorithm)
    if principal is not None:
        if not PRINCIPAL.fullmatch(principal):
            raise Invalid(
                "not a principal's id", code="invalid_principal", field="for", remedy="cvault principal list"
            )
        fresh = Identity(principal=principal, key=fresh.key)
    path = call.claim(out, force=force)
    write_secret(path, fresh.to_json())
    call.out.document(fresh.candidate)
    call.out.note("principal.new", file=path)


def add(
    call: Call,
    *,
    name: Annotated[str, typer.Option("--name", help="What people call it.")],
    role: Annotated[list[str], typer.Option("--role", "--roles", help="A role; repeatable, or a,b.")],
    out: Place = None,
    candidate: Enrolled = None,
    sort: Annotated[
        Literal["person", "service", "agency"], typer.Option("--sort", help="What it is.")
    ] = "person",
    person: Annotated[
        str,
        typer.Option("--person", metavar="STAFF_NO", help="Staff number: one person is known by it."),
    ] = "",
    agency: Annotated[str, typer.Option("--agency", metavar="ID", help="The agency it belongs to.")] = "",
    until: Annotated[
        list[str] | None, typer.Option("--until", metavar="ROLE=DAY", help="A role's last day; repeatable.")
    ] = None,
    attested: Annotated[
        str | None,
        typer.Option("--attested", metavar="DAY|no", help="Both attestations' last day [a year from today]."),
    ] = None,
    request: Asked = None,
    force: Force = False,
) -> None:
    """Add a principal; on your word, with both attestations for a year unless --attested says otherwise.

    With --candidate the key stays with whoever made it; without, a principal file is written here.
    """
    from vault.granting import Enrolment

    if attested not in {None, "no"}:
        parsing.day(attested, "attested")
    roles = tuple(part for text in role for part in parsing.names(text) or ())
    more = Enrolment(
        sort=sort,
        person=person,
        agency=agency,
        until=parsing.days_by_role(until or []),
        attested="" if attested == "no" else attested,
        request=request,
    )
    if candidate is not None:
        _enrol(call, candidate, name, roles, more)
        return
    stem = "".join(c if c.isalnum() or c in "-_." else "-" for c in name)
    path = call.claim(out or call.folder / f"{stem}.principal", force=force)
    with call.open() as vault:
        room = vault.granting(call.tenant)
        fresh = room.add_principal(call.identity(vault), name=name, roles=roles, more=more)
    write_secret(path, fresh.to_json())
    if call.out.json:
        call.out.document({"principal": fresh.principal, "file": str(path), "roles": sorted(set(roles))})
    call.out.note("principal.added", principal=fresh.principal, file=path)


def _enrol(call: Call, candidate: Path, name: str, roles: tuple[str, ...], more: Enrolment) -> None:
    known = _candidate(call, candidate)
    with call.open() as vault:
        room = vault.granting(call.tenant)
        room.enrol(call.identity(vault), name=name, roles=roles, candidate=known, more=more)
    if call.out.json:
        call.out.document({"principal": known.principal, "file": None, "roles": sorted(set(roles))})
    call.out.note("principal.enrolled", principal=known.principal)


def _candidate(call: Call, path: Path) -> Candidate:
    from vault.identity import Candidate

    return Candidate.from_json(call.read(path, "candidate"))


def list_(call: Call) -> None:
    """List everyone who may act, for an admin, a data protection officer or an auditor."""
    with call.open() as vault:
        found = vault.granting(call.tenant).principals(call.identity(vault))
        day = vault.tenancy(call.tenant).today().isoformat()
    items = [_row(p) for p in found]
    if call.out.json:
        call.out.document({"items": items})
        return
    names = {p.id: p.name for p in found}
    shown = (
        "principal",
        "name",
        "sort",
        "agency",
        "roles",
        "attested",
        "staff_no",
        "disabled",
        "added",
        "by",
    )
    call.out.table(
        [messages.text(f"column.{name}") for name in shown],
        [
            (row["principal"], row["name"], messages.text(f"sort.{row['sort']}"),
             names.get(row["agency"], ""), _roles(row), _attested(row, day), _yes(on=row["staff_number"]),
             _yes(on=row["disabled"]), row["added"], names.get(row["by"], row["by"]))
            for row in items
        ],
    )  # fmt: skip


def last_days(until: dict[str, int]) -> dict[str, str]:
    """The instants at which roles end (µs UTC), as the last days on which they are held."""
    from vault.config import today

    return {role: today(end - 1).isoformat() for role, end in sorted(until.items())}


def _row(p: Principal) -> dict[str, Any]:
    """A principal as JSON has it; the staff number's handle stays where it is."""
    from vault.config import iso

    return {
        "principal": p.id,
        "name": p.name,
        "roles": list(p.roles),
        "disabled": p.disabled,
        "added": iso(p.added),
        "by": p.by,
        "sort": p.sort,
        "agency": p.agency,
        "until": last_days(p.until),
        "attested": p.attested,
        "staff_number": bool(p.person),
    }


def _yes(*, on: bool) -> str:
    return messages.text("yes") if on else ""


def _roles(row: dict[str, Any]) -> str:
    ends = row["until"]
    return ", ".join(f"{role} (≤ {ends[role]})" if role in ends else role for role in row["roles"])


def _attested(row: dict[str, Any], day: str) -> str:
    """The attestations with their last days; marked where one is over."""
    over = [kind for kind, last in row["attested"].items() if last < day]
    said = ", ".join(
        f"{messages.text(f'attestation.{kind}')} {last}"
        + (f" ({messages.text('attested.over')})" if kind in over else "")
        for kind, last in sorted(row["attested"].items())
    )
    return Alarm(said) if over else said or messages.text("none")


def attest(
    call: Call,
    principal: Id,
    until: Annotated[str, typer.Option("--until", help="The last day on which they hold, YYYY-MM-DD.")],
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="confidentiality or training; repeatable [both].")
    ] = None,
    reference: Annotated[
        str, typer.Option("--reference", help="Where they are filed; no personal data.")
    ] = "",
) -> None:
    """Record until when somebody else's confidentiality agreement and training hold."""
    from vault.ledger.powers import ATTESTATIONS

    parsing.day(until, "until")
    kinds = tuple(kind) if kind else ATTESTATIONS
    with call.open() as vault:
        room = vault.granting(call.tenant)
        changed = room.attest(call.identity(vault), principal, kinds, until, reference)
    _changed(call, changed)
    call.out.note("principal.attested", principal=principal, until=until)


def grant(
    call: Call,
    principal: Id,
    role: Role,
    until: Annotated[str | None, typer.Option("--until", help="Its last day, YYYY-MM-DD.")] = None,
    request: Asked = None,
) -> None:
    """Grant somebody else a role."""
    parsing.day(until, "until")
    with call.open() as vault:
        room = vault.granting(call.tenant)
        changed = room.grant_role(call.identity(vault), principal, role, until=until, request=request)
    _changed(call, changed)
    call.out.note("principal.granted", principal=principal, role=role)


def withdraw(call: Call, principal: Id, role: Role) -> None:
    """Take a role away: its tokens are refused from the next entry on."""
    with call.open() as vault:
        changed = vault.granting(call.tenant).withdraw_role(call.identity(vault), principal, role)
    _changed(call, changed)
    call.out.note("principal.withdrawn", principal=principal, role=role)


def identify(
    call: Call,
    principal: Id,
    person: Annotated[
        str, typer.Option("--person", metavar="STAFF_NO", help="Kept as a keyed handle alone.")
    ],
) -> None:
    """Put somebody's staff number on file, by which one person under two names is known."""
    with call.open() as vault:
        vault.granting(call.tenant).identify(call.identity(vault), principal, person)
    if call.out.json:
        call.out.document({"principal": principal, "identified": True})
    call.out.note("principal.identified", principal=principal)


def _changed(call: Call, principal: Principal) -> None:
    if call.out.json:
        call.out.document(_row(principal))


def rotate(
    call: Call,
    principal: Annotated[str | None, typer.Argument(help="Whose key [your own].")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Your own: the new principal file (0600), the same id."),
    ] = None,
    candidate: Annotated[
        Path | None,
        typer.Option(
            "--candidate", metavar="FILE", help="Somebody's who lost it: their `principal new --for ID`."
        ),
    ] = None,
    algorithm: Annotated[str, typer.Option("--algorithm", help="With --out: Ed25519 or P-256.")] = "Ed25519",
    request: Asked = None,
    force: Force = False,
) -> None:
    """Put a new key in the place of an old one; the id, roles and name stay."""
    if (out is None) == (candidate is None):
        raise Invalid(
            "a new key of your own goes to --out, one that somebody else made comes by --candidate",
            code="invalid_usage",
            field="out",
            remedy="give one of them",
        )
    if candidate is not None:
        _replace(call, principal, _candidate(call, candidate), request)
        return
    path = call.claim(out or Path(), force=force)
    _renew(call, principal, path, algorithm)


def _replace(call: Call, principal: str | None, fresh: Candidate, request: str | None) -> None:
    """An admin puts the key there that somebody made for their id; with another id the file is no use."""
    if fresh.principal != principal:
        raise Invalid(
            "the new key was not made for this principal's id",
            code="invalid_principal",
            field="candidate",
            remedy="its owner runs: cvault principal new --for ID --out FILE",
        )
    with call.open() as vault:
        room = vault.granting(call.tenant)
        room.rotate(call.identity(vault), fresh.principal, fresh, request=request)
    _rotated(call, fresh.principal, None)


def _renew(call: Call, principal: str | None, path: Path, algorithm: str) -> None:
    """A new key of one's own: kept before the vault takes it, in place of an old file only afterwards."""
    from vault.identity import Identity

    with call.open() as vault:
        old = call.identity(vault)
        if principal not in {None, old.principal}:
            raise Invalid(
                "somebody else's key is made by them",
                code="invalid_usage",
                field="principal",
                remedy="they run `principal new --for ID`; then give --candidate",
            )
        fresh = Identity(principal=old.principal, key=Identity.fresh(algorithm).key)
        kept = call.claim(path.with_name(f"{path.name}.new"), force=False)
        write_secret(kept, fresh.to_json())
        try:
            vault.granting(call.tenant).rotate(old, old.principal, fresh.candidate)
        except (Denied, Invalid, NotFound):
            kept.unlink()
            raise
    kept.replace(path)
    _rotated(call, old.principal, path)


def _rotated(call: Call, principal: str, path: Path | None) -> None:
    if call.out.json:
        call.out.document({"principal": principal, "file": None if path is None else str(path)})
    if path is None:
        call.out.note("principal.replaced", principal=principal)
    else:
        call.out.note("principal.rotated", principal=principal, file=path)


def disable(call: Call, principal: Id) -> None:
    """Disable a principal: its tokens are refused from the next entry on. An agency's people go with it."""
    with call.open() as vault:
        vault.granting(call.tenant).disable(call.identity(vault), principal)
    if call.out.json:
        call.out.document({"principal": principal, "disabled": True})
    call.out.note("principal.disabled", principal=principal)
