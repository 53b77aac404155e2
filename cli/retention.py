"""Commands that let data go: retention rules, plans, their execution and its certificates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from cli import parsing
from cli.context import Call, command, write_secret
from vault.errors import Invalid, NotFound, Tampered

if TYPE_CHECKING:
    from vault.ledger.note import VKey
    from vault.vault import Vault

PlanId = Annotated[str, typer.Argument(metavar="PLAN", help="The plan's id.")]


def register(app: typer.Typer) -> None:
    """Add the retention commands to their group."""
    command(app, "rules")(rules)
    command(app, "plan", chooses=True)(plan)
    command(app, "execute", chooses=True)(execute)
    command(app, "certificate")(certificate)
    command(app, "verify")(verify)


def rules(call: Call) -> None:
    """Show every retention rule with its source, its rank and how sure it is."""
    from vault.retention.rules import builtin

    found = builtin()
    if call.out.json:
        call.out.document({"digest": found.digest, "items": found.rules, "versions": found.versions})
        return
    call.out.table(
        (
            "rule",
            "kinds",
            "applies to",
            "effect",
            "rank",
            "source",
            "counts from",
            "period",
            "certainty",
            "profile",
        ),
        [
            (
                rule.id,
                ", ".join(rule.kinds),
                ", ".join(rule.applies_to),
                rule.effect,
                rule.rank,
                rule.cited,
                " / ".join(rule.anchor),
                rule.period,
                rule.status,
                rule.profile,
            )
            for rule in found.rules
        ]
        + [
            (
                v.id,
                ", ".join(v.kinds),
                "agency, lender",
                "expire",
                "",
                v.gloss_en,
                "replaced",
                v.period,
                v.status,
                v.profile,
            )
            for v in found.versions
        ],
    )


def plan(
    call: Call,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="The day to decide for, YYYY-MM-DD [today].")
    ] = None,
) -> None:
    """Decide for every record what must go; changes nothing. Execute it once a second person approved."""
    day = parsing.day(as_of, "as_of")
    with call.open() as vault, call.out.progress("plan") as progress:
        credential = call.credential(vault, "dpo", "administration")
        made = vault.erasing(call.tenant).plan(credential, as_of=day, progress=progress)
    if call.out.json:
        call.out.document(
            {
                "plan": made.id,
                "as_of": made.as_of,
                "counts": made.counts,
                "by_rule": made.by_rule,
                "digest": made.digest,
            }
        )
        return
    call.out.table(
        ("plan", "erase", "restrict", "keep"),
        [(made.id, *(made.counts.get(n, 0) for n in ("erase", "restrict", "keep")))],
    )
    titles = list(dict.fromkeys(key for row in made.by_rule for key in row if key != "missing"))
    call.out.table(titles, [[row.get(key) for key in titles] for row in made.by_rule])
    for (action, anchor), count in _lacking(made.by_rule).items():
        call.out.note(f"plan.lack.{action}", count=count, anchor=anchor)
    call.out.note("plan.made", plan=made.id, as_of=made.as_of)
    call.out.note("plan.next", plan=made.id)


def _lacking(rows: Iterable[Mapping[str, object]]) -> Counter[tuple[str, str]]:
    """How many records lack which anchor, by what becomes of them; one rule decides about each record."""
    found: Counter[tuple[str, str]] = Counter()
    for row in rows:
        missing = row.get("missing")  # a plan made before this was counted has none
        for anchor, count in missing.items() if isinstance(missing, dict) else ():
            found[str(row["action"]), anchor] += count
    return found


def execute(
    call: Call,
    plan: PlanId,
    yes: Annotated[bool, typer.Option("--yes", help="In a sandbox: record your own approval.")] = False,
) -> None:
    """Carry out an approved plan; run again after a crash, it finishes what it began."""
    with call.open() as vault, call.out.progress("execute") as progress:
        credential = call.credential(vault, "dpo", "administration")
        done = vault.erasing(call.tenant).execute(credential, plan, yes=yes, progress=progress)
    folder = call.folder / "certificates"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = (folder / f"{done.plan}.json").absolute()
    write_secret(path, done.certificate.encode())
    if call.out.json:
        call.out.document(
            {
                "plan": done.plan,
                "erased": done.erased,
                "restricted": done.restricted,
                "remaining": done.remaining,
                "certificate": str(path),
            }
        )
    else:
        call.out.table(
            ("plan", "erased", "restricted", "remaining"),
            [(done.plan, done.erased, done.restricted, done.remaining)],
        )
    call.out.note("plan.done", erased=done.erased, restricted=done.restricted, remaining=done.remaining)
    call.out.note("certificate.written", file=path)


def certificate(
    call: Call,
    plan: PlanId,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where it goes [stdout].")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Print the certificate of an executed plan; it holds no personal data."""
    path = None if out is None else call.claim(out, force=force)
    with call.open() as vault:
        text = vault.erasing(call.tenant).certificate(plan)
    if path is None:
        typer.echo(text)
        return
    write_secret(path, text.encode())
    if call.out.json:
        call.out.document({"plan": plan, "certificate": str(path)})
    call.out.note("certificate.written", file=path)


def verify(
    call: Call,
    cert: Annotated[Path, typer.Argument(metavar="CERT", help="The certificate file.")],
    vkey: Annotated[
        Path | None, typer.Option("--vkey", help="A file with the log's public key [DIR/log.vkey].")
    ] = None,
) -> None:
    """Check a certificate's signature, and that the log still holds the entries it names."""
    from vault.ledger.certificate import open_certificate

    text = call.read(cert, "certificate").decode("utf-8", "replace")
    _demand_certificate(cert, text)
    here = (call.folder / "vault.toml").exists()
    said = open_certificate(text.removesuffix("\n"), _key(call, vkey, here=here))
    if here:
        with call.open() as vault:
            _in_log(vault, call.tenant, said)
    if call.out.json:
        call.out.document({"signature": "ok", "log": "ok" if here else None, "certificate": said})
    else:
        call.out.table(("", ""), [(k, v) for k, v in said.items() if not isinstance(v, (dict, list))])
    call.out.note("certificate.good")
    call.out.note("certificate.logged" if here else "certificate.alone")


def _demand_certificate(path: Path, text: str) -> None:
    """Demand a JSON object with any part of a certificate: another file is a slip, not a forgery.

    Raises:
        Invalid: It is none.
    """
    try:
        members = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        members = {}
    if members.keys().isdisjoint(("certificate", "signature")):
        raise Invalid(
            f"{path}: not a certificate", code="invalid_file", field="certificate",
            remedy="give the file that `cvault retention execute` or `certificate` wrote",
        )  # fmt: skip


def _key(call: Call, path: Path | None, *, here: bool) -> VKey:
    """The log's public key: from the file named, else from the vault's own."""
    from vault.ledger.note import VKey

    if path is None and call.tenant != "main" and here:
        with call.open() as vault:
            return vault.vkey(call.tenant)
    data = call.read(path or call.folder / "log.vkey", "vkey")
    return VKey.parse(data.decode("utf-8", "replace").strip())


def _in_log(vault: Vault, tenant: str, said: dict[str, Any]) -> None:
    """Demand that the entries a certificate names stand in the log, as what it calls them.

    Raises:
        Tampered: One is missing or of another kind, or the certificate is another log's.
    """
    from vault.ledger import stub

    room = vault.auditing(tenant)
    if said.get("origin") != room.vkey.name:
        raise Tampered(
            "the certificate speaks of another log", remedy="give the --vault and --tenant it names"
        )
    for kind, index in dict(said["entries"]).items():
        try:
            found = stub.decode(room.stub(int(index))).k
        except NotFound:
            found = ""
        if found != kind:
            raise Tampered(
                "the log lacks an entry that the certificate names",
                index=int(index),
                remedy="cvault log verify",
            )
