"""Commands about principals: new, add, list, disable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import parsing
from cli.context import Call, command, write_secret


def register(app: typer.Typer) -> None:
    """Add the commands to their group."""
    command(app, "new")(new)
    command(app, "add")(add)
    command(app, "list")(list_)
    command(app, "disable")(disable)


def new(
    call: Call,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Its principal file (0600).")],
    algorithm: Annotated[str, typer.Option("--algorithm", help="Ed25519 or P-256.")] = "Ed25519",
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Make your own principal file, and print its public half for an admin to add; needs no vault."""
    from vault.identity import Identity

    fresh = Identity.fresh(algorithm)
    path = call.claim(out, force=force)
    write_secret(path, fresh.to_json())
    call.out.document(fresh.candidate)
    call.out.note("principal.new", file=path)


def add(
    call: Call,
    name: Annotated[str, typer.Option("--name", help="What people call it.")],
    role: Annotated[list[str], typer.Option("--role", "--roles", help="A role; repeatable, or a,b.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Its principal file (0600) [DIR/NAME.principal]."),
    ] = None,
    candidate: Annotated[
        Path | None,
        typer.Option(
            "--candidate", metavar="FILE", help="What `principal new` printed: its owner keeps the key."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Add a principal with roles granted by the principal of --as.

    With --candidate the key stays with whoever made it; without, a principal file is written here.
    """
    roles = tuple(part for text in role for part in parsing.names(text) or ())
    if candidate is not None:
        _enrol(call, candidate, name, roles)
        return
    stem = "".join(c if c.isalnum() or c in "-_." else "-" for c in name)
    path = call.claim(out or call.folder / f"{stem}.principal", force=force)
    with call.open() as vault:
        fresh = vault.granting(call.tenant).add_principal(call.identity(vault), name=name, roles=roles)
    write_secret(path, fresh.to_json())
    if call.out.json:
        call.out.document({"principal": fresh.principal, "file": str(path), "roles": sorted(set(roles))})
    call.out.note("principal.added", principal=fresh.principal, file=path)


def _enrol(call: Call, candidate: Path, name: str, roles: tuple[str, ...]) -> None:
    from vault.identity import Candidate

    known = Candidate.from_json(call.read(candidate, "candidate"))
    with call.open() as vault:
        vault.granting(call.tenant).enrol(call.identity(vault), name=name, roles=roles, candidate=known)
    if call.out.json:
        call.out.document({"principal": known.principal, "file": None, "roles": sorted(set(roles))})
    call.out.note("principal.enrolled", principal=known.principal)


def list_(call: Call) -> None:
    """List everyone who may act, for an admin, a data protection officer or an auditor."""
    from vault.config import iso

    with call.open() as vault:
        found = vault.granting(call.tenant).principals(call.identity(vault))
    items = [
        {
            "principal": p.id,
            "name": p.name,
            "roles": list(p.roles),
            "disabled": p.disabled,
            "added": iso(p.added),
            "by": p.by,
        }
        for p in found
    ]
    if call.out.json:
        call.out.document({"items": items})
        return
    call.out.table(
        ("principal", "name", "roles", "disabled", "added", "by"),
        [(p.id, p.name, ", ".join(p.roles), "yes" if p.disabled else "", iso(p.added), p.by) for p in found],
    )


def disable(call: Call, principal: Annotated[str, typer.Argument(help="The principal's id.")]) -> None:
    """Disable a principal: its tokens are refused from the next entry on."""
    with call.open() as vault:
        vault.granting(call.tenant).disable(call.identity(vault), principal)
    if call.out.json:
        call.out.document({"principal": principal, "disabled": True})
    call.out.note("principal.disabled", principal=principal)
