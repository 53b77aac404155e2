"""Commands that make and run a vault: init, demo, approve, tenants, keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from cli import parsing
from cli.context import Call, command, first_principal, write_secret
from cli.output import program
from vault.errors import Invalid

if TYPE_CHECKING:
    from vault.config import Stores

Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="The first principal's file (0600).")]


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    command(app, "init")(init)
    command(app, "demo")(demo)
    command(app, "approve")(approve)


def register_tenants(app: typer.Typer) -> None:
    """Add the tenant commands to their group."""
    command(app, "add")(tenant_add)
    command(app, "list")(tenant_list)
    command(app, "contract")(tenant_contract)


def register_keys(app: typer.Typer) -> None:
    """Add the key commands to their group."""
    command(app, "status")(keys_status)
    command(app, "destroy", chooses=True)(keys_destroy)
    command(app, "export")(keys_export)


def init(
    call: Call,
    directory: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="The vault's folder [--vault].")
    ] = None,
    applies_to: Annotated[
        Literal["agency", "lender"], typer.Option("--applies-to", help="Whose duties apply.")
    ] = "agency",
    stores: Annotated[
        Path | None, typer.Option("--stores", help="TOML: the URLs of records, index, keys, ledger.")
    ] = None,
    out: Out = None,
    force: Force = False,
) -> None:
    """Make a vault, its keys and a first principal. With --sandbox: one to learn in, marked so for ever."""
    from vault.vault import Vault

    folder = (directory or call.folder).absolute()
    call.demand_folder(folder, "vault", "name a folder that isn't there yet")
    if call.keys is not None:
        call.demand_folder(call.keys, "keys", "name a folder that isn't there yet")
    path = out or first_principal(folder, "main")
    if out is not None or path.exists():
        call.claim(path, force=force)
    vault, identity = Vault.init(
        folder,
        keys=call.keys,
        applies_to=applies_to,
        sandbox=call.sandbox,
        passphrase=call.passphrase,
        stores=None if stores is None else _stores(call, stores),
    )
    with vault:
        write_secret(path, identity.to_json())
        keys = vault.provider.folder.absolute()
    if call.out.json:
        call.out.document(
            {
                "vault": str(folder),
                "principal": identity.principal,
                "file": str(path.absolute()),
                "keys": str(keys),
                "sandbox": call.sandbox,
            }
        )
        return
    call.out.note("init.done", vault=folder)
    call.out.note("init.principal", file=path)
    if call.sandbox:
        call.out.note("init.sandbox")
    call.out.note("init.next")
    for line in _next_steps(folder, path, sandbox=call.sandbox):
        typer.echo(f"  {line}", err=True)


def _stores(call: Call, path: Path) -> Stores:
    """The stores' URLs from a file: they may hold passwords, so they are no arguments."""
    from vault.config import Stores

    try:
        return msgspec.toml.decode(call.read(path, "stores"), type=Stores)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        raise Invalid(
            f"{path}: not the stores' URLs", code="invalid_file", field="stores",
            remedy='write records = "…", index = "…", keys = "…", ledger = "…"',
        ) from None  # fmt: skip


def _next_steps(folder: Path, principal: Path, *, sandbox: bool) -> list[str]:
    """Commands that work as they stand, but for the export's name."""
    at = f"{program()} --vault {folder}"
    if sandbox:
        return [
            f"{at} --sandbox import EXPORT.csv --kind borrower",
            f"{at} --sandbox list --where 'stage=M3'",
            f"{at} --sandbox log list",
        ]
    importer = principal.with_name("importer.principal")
    return [
        f"{at} principal add --name importer --role importer --as {principal} --out {importer}",
        f"{at} token issue --as {importer} --role importer --purpose import --ttl 1h --out import.token",
        f"{at} import EXPORT.csv --kind borrower --token import.token",
        f"{at} doctor",
    ]


def demo(
    call: Call,
    directory: Annotated[
        Path | None, typer.Option("--dir", metavar="DIR", help="Where [./cvault-demo].")
    ] = None,
    borrowers: Annotated[int | None, typer.Option("--borrowers", help="How many, made up [2000].")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Another seed, other people.")] = None,
) -> None:
    """Tell the whole story on made-up data: import, masked views, a denied read, the log, a purge."""
    from cli.demo import DEFAULT_BORROWERS, DEFAULT_SEED, demo_command

    many = DEFAULT_BORROWERS if borrowers is None else borrowers
    demo_command(directory, many, DEFAULT_SEED if seed is None else seed, call.out.json)


def approve(
    call: Call, request: Annotated[str, typer.Argument(help="The request's id, or a plan's.")]
) -> None:
    """Give one's yes to somebody else's request (four eyes)."""
    with call.open() as vault:
        given = vault.granting(call.tenant).approve(call.identity(vault), request)
    if call.out.json:
        call.out.document(
            {
                "request": given.id,
                "what": given.what,
                "digest": given.digest,
                "approvals": len(given.approvals),
                "quorum": max(1, given.quorum),
            }
        )
    quorum = max(1, given.quorum)
    call.out.note("approved", request=given.id, count=len(given.approvals), quorum=quorum)


def tenant_add(
    call: Call,
    name: Annotated[str, typer.Argument(help="1-40 of a-z, 0-9 and -.")],
    out: Out = None,
    force: Force = False,
) -> None:
    """Add a tenant with keys, epoch and log of its own, on the word of an admin of `main`."""
    path = call.claim(out or first_principal(call.folder, name), force=force)
    with call.open() as vault:
        fresh = vault.add_tenant(call.identity(vault), name)
        write_secret(path, fresh.to_json())
        key = vault.vkey(name).text()
    if call.out.json:
        call.out.document({"tenant": name, "principal": fresh.principal, "file": str(path), "vkey": key})
    call.out.note("tenant.added", tenant=name, file=path)


def tenant_list(call: Call) -> None:
    """List the tenants this node has keys of."""
    with call.open() as vault:
        found = [{"tenant": name, "origin": vault.vkey(name).name} for name in vault.tenants]
    if call.out.json:
        call.out.document({"items": found})
    else:
        call.out.table(("tenant", "log"), [(row["tenant"], row["origin"]) for row in found])


def tenant_contract(
    call: Call,
    party: Annotated[str, typer.Option("--party", help="The creditor that placed the cases.")],
    starts: Annotated[str, typer.Option("--starts", help="First day, YYYY-MM-DD.")],
    ends: Annotated[
        str | None, typer.Option("--ends", help="Last day, YYYY-MM-DD; open if left out.")
    ] = None,
) -> None:
    """Record the contract under which a creditor placed its cases here, and its end (PIPL 21)."""
    first, last = parsing.day(starts, "starts"), parsing.day(ends, "ends")
    if first and last and last < first:
        raise Invalid(
            "the contract ends before it starts", code="invalid_ends", field="ends", remedy="check both days"
        )
    with call.open() as vault:
        vault.granting(call.tenant).set_contract(call.identity(vault), party=party, starts=starts, ends=ends)
    if call.out.json:
        call.out.document({"tenant": call.tenant, "starts": starts, "ends": ends})
    call.out.note("tenant.contract")


def keys_status(call: Call) -> None:
    """Show the epochs and the compartments whose keys this node holds."""
    from cli.status import epochs

    with call.open() as vault:
        t = vault.tenancy(call.tenant)
        rows = epochs(t)
        held, whole, generation = sorted(t.keys.held), t.keys.whole, t.stores.keys.generation(t.name)
    if call.out.json:
        call.out.document({"compartments": held, "whole": whole, "generation": generation, "epochs": rows})
        return
    call.out.line(", ".join(held))
    titles = ("epoch", "created", "retired", "destroy_after", "destroyed")
    call.out.table(titles, [[row[name] for name in titles] for row in rows])


def keys_destroy(call: Call) -> None:
    """Destroy the retired epochs whose grace has passed: stale copies of the key store die with them."""
    with call.open() as vault:
        room = vault.erasing(call.tenant)
        gone = room.destroy_epochs(call.credential(vault, "dpo", "administration"))
    if call.out.json:
        call.out.document({"destroyed": gone})
    call.out.note("keys.destroyed", epochs=", ".join(map(str, gone)) or "–")


def keys_export(
    call: Call,
    compartments: Annotated[str, typer.Option("--compartments", help="What the node may open: masked, …")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new key folder.")],
    request: Annotated[
        str | None, typer.Option("--request", help="Another person's approval, of `keys`.")
    ] = None,
) -> None:
    """Write a key folder for a node that may open only some compartments (a masked node: `masked`)."""
    call.demand_folder(out, "out", "name a folder that isn't there yet")
    wanted = frozenset(parsing.names(compartments) or ())
    with call.open() as vault:
        vault.export_keys(call.identity(vault), out, wanted, call.passphrase, request)
    if call.out.json:
        call.out.document({"keys": str(out.absolute()), "compartments": sorted(wanted)})
    call.out.note("keys.exported", folder=out.absolute(), compartments=", ".join(sorted(wanted)))
