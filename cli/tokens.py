"""Commands about purpose tokens: issue, narrow, accept, show, revoke."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import parsing
from cli.context import Call, command, write_secret
from vault.errors import Invalid

FieldViews = Annotated[
    str | None, typer.Option("--fields", help="name=masked,phone=clear; unlisted is HIDDEN.")
]
Cases = Annotated[str | None, typer.Option("--cases", help="Only these case numbers: a,b.")]
Life = Annotated[str | None, typer.Option("--ttl", help="How long it lives: 15m, 2h, 3600s [15m].")]
Uses = Annotated[
    int | None, typer.Option("--max-uses", min=1, max=2**31 - 1, help="How many requests it serves.")
]
Depth = Annotated[int | None, typer.Option("--depth", min=0, help="How often it may be narrowed on [0].")]
Audience = Annotated[str | None, typer.Option("--audience", help="Only these nodes: masked, clear.")]
Actions = Annotated[str | None, typer.Option("--actions", help="Only these: read,find.")]
Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the token file goes (0600).")]
Ticket = Annotated[
    str, typer.Option("--ticket", help="A reference of the reason; a number, no personal data.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]


def register(app: typer.Typer) -> None:
    """Add the commands to their group."""
    command(app, "issue")(issue)
    command(app, "narrow")(narrow)
    command(app, "accept")(accept)
    command(app, "show")(show)
    command(app, "revoke")(revoke)


def issue(
    call: Call,
    *,
    role: Annotated[str, typer.Option("--role", help="A role that the principal holds.")],
    purpose: Annotated[str, typer.Option("--purpose", help="Why: one of the role's purposes.")],
    out: Out,
    cases: Cases = None,
    fields: FieldViews = None,
    ttl: Life = None,
    max_uses: Uses = None,
    depth: Depth = None,
    audience: Audience = None,
    actions: Actions = None,
    ticket: Ticket = "",
    force: Force = False,
) -> None:
    """Issue a purpose token to the principal of --as, and write it to a file."""
    path = call.claim(out, force=force)
    limits = parsing.limits(
        fields=fields, cases=cases, life=ttl, max_uses=max_uses, depth=depth, audience=audience,
        actions=actions, folder=call.folder,
    )  # fmt: skip
    with call.open() as vault:
        credential = vault.granting(call.tenant).issue(
            call.identity(vault), role=role, purpose=purpose, limits=limits, ticket=ticket
        )
    _written(call, path, credential.to_json(), credential.expires, role, purpose)


def narrow(
    call: Call,
    *,
    source: Annotated[Path, typer.Option("--in", metavar="FILE", help="The token file to narrow.")],
    out: Out,
    cases: Cases = None,
    fields: FieldViews = None,
    ttl: Life = None,
    max_uses: Uses = None,
    depth: Depth = None,
    audience: Audience = None,
    actions: Actions = None,
    candidate: Annotated[
        Path | None,
        typer.Option(
            "--for", metavar="FILE", help="Who gets it: what their `principal new` printed; they `accept` it."
        ),
    ] = None,
    ticket: Ticket = "",
    force: Force = False,
) -> None:
    """Hand on less of a token: adds a link, offline, with its own key alone.

    With --for only the owner of that principal file can use the result; without, whoever has the file.
    """
    from vault.access import tokens
    from vault.crypto.sign import SigningKey, token_bytes
    from vault.identity import Candidate
    from vault.journal import microseconds

    path = call.claim(out, force=force)
    limits = parsing.limits(
        fields=fields, cases=cases, life=ttl, max_uses=max_uses, depth=depth, audience=audience,
        actions=actions, folder=call.folder,
    )  # fmt: skip
    held = tokens.Credential.from_json(call.read(source, "in"))
    to = None if candidate is None else Candidate.from_json(call.read(candidate, "for")).key()
    less = tokens.narrow(
        held,
        limits,
        now_us=microseconds(),
        jti=token_bytes(16),
        holder=SigningKey.generate() if to is None else None,
        to=to,
        ticket=ticket,
    )
    _written(call, path, less.to_json(), less.expires, "", "")


def accept(
    call: Call,
    *,
    source: Annotated[Path, typer.Option("--in", metavar="FILE", help="The token file narrowed for you.")],
    out: Out,
    force: Force = False,
) -> None:
    """Put your own key, of --as, beside a token that was narrowed for you; offline."""
    from vault.access import tokens

    path = call.claim(out, force=force)
    held = tokens.Credential.from_json(call.read(source, "in"))
    taken = tokens.accept(held, call.principal().signing)
    _written(call, path, taken.to_json(), taken.expires, "", "")


def _written(call: Call, path: Path, data: bytes, expires: int, role: str, purpose: str) -> None:
    from vault.config import iso

    write_secret(path, data)
    if call.out.json:
        call.out.document({"file": str(path), "expires": iso(expires)})
    if role:
        call.out.note("token.issued", role=role, purpose=purpose, expires=iso(expires), file=path)
    else:
        call.out.note("token.written", expires=iso(expires), file=path)


def show(
    call: Call,
    source: Annotated[
        Path | None, typer.Option("--in", metavar="FILE", help="The token file [--token].")
    ] = None,
) -> None:
    """Show what a token allows, without its text or key. The token is checked against the vault."""
    from vault.access.tokens import Credential
    from vault.config import iso

    path = source or call.token
    if path is None:
        raise Invalid("no token is named", code="invalid_usage", field="token", remedy="give --in FILE")
    credential = Credential.from_json(call.read(path, "token"))
    with call.open() as vault:
        grant = vault.tenancy(call.tenant).verified(credential.token).grant
    uses = [link.max_uses for link in grant.links if link.max_uses is not None]
    said = {
        "principal": grant.principal,
        "tenant": grant.tenant,
        "role": grant.role,
        "purpose": grant.purpose,
        "actions": sorted(grant.actions),
        "fields": None if grant.fields is None else {n: v.name for n, v in sorted(grant.fields.items())},
        "cases": None if grant.cases is None else sorted(grant.cases),
        "audience": sorted(grant.audience),
        "not_before": iso(grant.not_before),
        "expires": iso(grant.expires),
        "max_uses": min(uses) if uses else None,
        "depth": grant.depth,
        "links": len(grant.links),
        "tickets": [link.ticket for link in grant.links],
        "issued": iso(grant.issued),
        "token": grant.links[-1].digest.hex()[:16],
        "policy": grant.policy,
    }
    if call.out.json:
        call.out.document(said)
    else:
        call.out.table(("", ""), [(name, _said(value)) for name, value in said.items()])


def _said(value: object) -> object:
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, dict):
        return ", ".join(f"{name}={view}" for name, view in value.items())
    return "–" if value is None else value


def revoke(
    call: Call,
    source: Annotated[
        Path | None, typer.Option("--in", metavar="FILE", help="The token file [--token].")
    ] = None,
) -> None:
    """Revoke a token and everything narrowed from it; who it was issued to, or an admin, may."""
    from vault.access.tokens import Credential

    path = source or call.token
    if path is None:
        raise Invalid("no token is named", code="invalid_usage", field="token", remedy="give --in FILE")
    credential = Credential.from_json(call.read(path, "token"))
    with call.open() as vault:
        vault.granting(call.tenant).revoke(call.identity(vault), credential)
    if call.out.json:
        call.out.document({"revoked": True})
    call.out.note("token.revoked")
