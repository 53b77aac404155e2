"""Commands that look a vault over: status and doctor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from cli import messages
from cli.context import Call, command
from cli.output import Alarm
from vault.errors import VaultError

if TYPE_CHECKING:
    from vault.ledger.registry import Request
    from vault.tenancy import Tenancy
    from vault.vault import Vault

Finding = dict[str, str]
_OTHERS: Final = 0o077
"""The permission bits of everybody but the owner."""
_TABLES: Final = frozenset({"records", "log", "witness", "epochs", "owed"})
_LEVELS: Final = ("error", "warning", "info")


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    command(app, "status")(status)
    command(app, "doctor")(doctor)


def epochs(t: Tenancy) -> list[dict[str, Any]]:
    """The tenant's epochs with their dates as ISO 8601."""
    from vault.config import iso

    return [
        {
            "epoch": row.epoch,
            "created": iso(row.created),
            "retired": iso(row.retired) if row.retired else None,
            "destroy_after": iso(row.destroy_after) if row.destroy_after else None,
            "destroyed": iso(row.destroyed) if row.destroyed else None,
        }
        for row in t.stores.keys.epochs(t.name)
    ]


def status(call: Call) -> None:
    """Show what is in the vault, without any record: counts, log, epochs, open plans, policy, keys held."""
    from cli import witnessing

    with call.open() as vault:
        said = standing(call, vault)
    if call.out.json:
        call.out.document(said)
        return
    lines = [(name, _said(value)) for name, value in said.items() if name not in _TABLES]
    call.out.table(("", ""), lines, title="SANDBOX 沙箱" if said["sandbox"] else "")
    call.out.table(("kind", "records"), list(said["records"].items()))
    call.out.table(("", ""), [(n, said["log"][n]) for n in ("origin", "size", "last")], title="log")
    call.out.table(("", ""), list(witnessing.rows(said["witness"])), title="witness")
    call.out.table(("epoch", "created", "retired", "destroyed"), [
        (e["epoch"], e["created"], e["retired"], e["destroyed"]) for e in said["epochs"]
    ])  # fmt: skip
    if rows := list(_owed(said["owed"])):
        columns = [messages.text(f"column.{name}") for name in ("owes", "who", "due")]
        call.out.table(columns, rows, title=messages.text("owed.title"))


def _owed(said: dict[str, Any]) -> Iterator[tuple[object, object, object]]:
    """What is owed, a row each: what is overdue stands out."""
    for row in said["incidents"]:
        yield _incident(row), row["incident"], _due(row["due"], overdue=row["overdue"])
    if said["policy_waiting"]:
        yield Alarm(messages.text("owed.policy")), said["policy_waiting"][:16], ""
    for request in said["waiting"]:
        yield messages.text("owed.request"), request, ""
    for row in said["reviews"]:
        yield messages.text("owed.review"), row["glass"], _due(row["due"], overdue=row["overdue"])
    for row in said["agencies"]:
        yield messages.text("owed.return"), row["name"], _due(row["due"], overdue=row["overdue"])
    for row in said["attestations"]:
        kind = messages.text(f"attestation.{row['kind']}")
        yield f"{messages.text('owed.attestation')}: {kind}", row["principal"], row["until"]


def _incident(row: dict[str, Any]) -> str:
    told = f"{messages.text('owed.incident')}: {row['clock']} {row['mark']}"
    return Alarm(told) if row["overdue"] else told


def _due(when: str, *, overdue: bool) -> str:
    return Alarm(f"{when} {messages.text('overdue')}") if overdue else when


def _said(value: object) -> object:
    return ", ".join(map(str, value)) or "–" if isinstance(value, list) else value


def standing(call: Call, vault: Vault) -> dict[str, Any]:
    """What `status` says, as JSON has it."""
    from cli import witnessing
    from cli.owed import owed
    from vault.config import iso
    from vault.ledger.registry import Plan, PolicyInForce, Request

    t, settings = vault.tenancy(call.tenant), vault.config.settings
    t.demand_history()
    registry, now = t.journal.registry(), t.clock()
    head = t.stores.ledger.head(t.name)
    counts = {kind: t.stores.records.count(t.name, kind) for kind in t.schema.kinds}
    debts, known = owed(t, registry), registry.find(PolicyInForce, "policy")
    done = {plan.id for plan in registry.all(Plan) if plan.state == "done"}
    return {
        "vault": str(call.folder.absolute()),
        "id": settings.id,
        "sandbox": settings.sandbox,
        "applies_to": settings.applies_to,
        "node": settings.node,
        "tenant": t.name,
        "tenants": vault.tenants,
        "policy": known.hash if known and debts["policy_waiting"] else t.policy.hash,
        "schema": t.schema.hash,
        "compartments": sorted(t.keys.held),
        "plans": [p.id for p in registry.all(Plan) if p.id not in done],
        "requests": [r.id for r in registry.all(Request) if _waits(r, now) and r.id not in done],
        "records": {kind: count for kind, count in counts.items() if count},
        "log": {
            "origin": t.keys.origin,
            "size": head.size if head else 0,
            "last": iso(head.last_t) if head else None,
            "checkpoint": t.journal.checkpoint(),
        },
        "witness": witnessing.said(t),
        "epochs": epochs(t),
        "owed": debts,
    }


def doctor(call: Call) -> int:
    """Look for what endangers the vault: file modes, key folder, stores, policy, rules, clock, log head."""
    findings = [*_files(call.folder, call.keys or _key_folder(call.folder))]
    try:
        with call.open() as vault:
            findings += [*_settings(vault)]
            for tenant in vault.tenants:
                findings += [*_tenant(vault, tenant)]
    except VaultError as error:
        findings.append(_finding("error", "open", error.message, error.remedy))
    findings.sort(key=lambda finding: _LEVELS.index(finding["level"]))
    failed = any(finding["level"] == "error" for finding in findings)
    if call.out.json:
        call.out.document({"ok": not failed, "findings": findings})
    else:
        call.out.table(
            ("level", "check", "message", "remedy"),
            [(f["level"], f["check"], f["message"], f["remedy"]) for f in findings],
        )
        if not failed:
            call.out.note("doctor.well")
    return 1 if failed else 0


def _finding(level: str, check: str, message: str, remedy: str) -> Finding:
    return {"level": level, "check": check, "message": message, "remedy": remedy}


def _key_folder(folder: Path) -> Path:
    """Where the settings say the keys are; the usual place if they can't be read, which `open` reports."""
    from vault.config import Config

    try:
        return Config.load(folder).keys_folder
    except (VaultError, OSError):
        return folder / "keys"


def _alarm_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """The secret that signs what goes to the web hook, and the file that names staff, if there are any."""
    from vault.config import Config

    try:
        alarms = Config.load(folder).settings.alarms
    except (VaultError, OSError):
        return [], []
    return ([folder / alarms.secret] if alarms.secret else [], [folder / alarms.file] if alarms.file else [])


def _files(folder: Path, keys: Path) -> Iterator[Finding]:
    """Secrets that others may read are an error, other files a warning."""
    alarms, told = _alarm_files(folder)
    secret = {*folder.glob("*.principal"), keys, *keys.rglob("*"), *alarms}
    for path in sorted({*secret, *folder.glob("*.db"), *folder.glob("*.toml"), *told, folder}):
        if path.exists() and path.stat().st_mode & _OTHERS:
            level = "error" if path in secret else "warning"
            mode = "700" if path.is_dir() else "600"
            yield _finding(level, "modes", f"others than the owner may open {path}", f"chmod {mode} {path}")


def _settings(vault: Vault) -> Iterator[Finding]:
    folder = vault.config.folder.resolve()
    if vault.provider.folder.resolve().is_relative_to(folder):
        yield _finding(
            "warning", "keys", "the keys lie beside the stores: whoever copies the folder has both",
            "move keys/ elsewhere and name it in vault.toml",
        )  # fmt: skip
    if vault.config.settings.sandbox:
        yield _finding("info", "sandbox", "this is a learning vault", "make another one for real data")


def _protectors(t: Tenancy) -> Iterator[Finding]:
    """Whether the policy lets anybody open an incident: one from before there was the action doesn't."""
    if not any("protect" in grant.actions for grant in t.policy.file.grants):
        yield _finding(
            "warning", "policy", f"{t.name}: nobody may open an incident",
            'add the action "protect" to a grant of the data protection officer: docs/incidents.md',
        )  # fmt: skip


def _tenant(vault: Vault, tenant: str) -> Iterator[Finding]:
    """Policy, clock, head and epochs of one tenant."""
    from cli import witnessing
    from vault import alarm_rules
    from vault.access.policy_lint import lint
    from vault.grounds import own_text
    from vault.journal import CLOCK_TOLERANCE
    from vault.retention import rules

    t = vault.tenancy(tenant)
    for found in lint(t.policy, t.schema):
        yield _finding(found.level, "policy", f"{tenant}: {found.where}: {found.message}", found.remedy)
    if tenant == vault.tenants[0]:
        for notice in rules.lint(t.rules, t.today()):
            level = "error" if notice.level == "error" else "info"
            yield _finding(level, "rules", f"{notice.rule}: {notice.message}", "docs/retention.md")
    yield from _protectors(t)
    for rule, why in alarm_rules.weaker(alarm_rules.merged(own_text(vault.config.folder))):
        yield _finding(
            "warning", "alarms", f"{tenant}: alarm rule {rule} watches less than as shipped: {why}",
            f"mend {alarm_rules.FILE}, or know why: docs/alarms.md",
        )  # fmt: skip
    try:
        head = t.journal.checked(t.stores.ledger.head(tenant))
        t.demand_history()
        t.journal.check_cases()
    except VaultError as error:
        yield _finding("error", "log", f"{tenant}: {error.message}", error.remedy or "cvault log verify")
        return
    for level, message, remedy in witnessing.problems(t):
        yield _finding(level, "witness", f"{tenant}: {message}", remedy)
    yield from _pins(t)
    try:
        t.demand_schema()
    except VaultError as error:
        yield _finding("error", "schema", f"{tenant}: {error.message}", error.remedy)
    if head.last_t > t.clock() + CLOCK_TOLERANCE:
        yield _finding(
            "error", "clock", f"{tenant}: the clock is behind the log's last entry", "set the clock"
        )
    due = [
        row.epoch
        for row in t.stores.keys.epochs(tenant)
        if row.destroy_after is not None and row.destroyed is None and row.destroy_after <= t.clock()
    ]
    if due:
        yield _finding(
            "warning", "epochs", f"{tenant}: {len(due)} retired epochs are due", "cvault keys destroy"
        )


def _pins(t: Tenancy) -> Iterator[Finding]:
    """Whether the log's newest checkpoint is kept where the ledger's keeper can't reach it."""
    from vault.pinning import Pins

    pins = t.journal.pins or Pins(t.config.keys_folder, t.name)
    if not pins.writable:
        yield _finding(
            "warning",
            "pin",
            messages.text("doctor.pin_fixed", tenant=t.name),
            "cvault log checkpoint, kept elsewhere",
        )
    elif pins.read() is None:
        yield _finding("info", "pin", messages.text("doctor.no_pin", tenant=t.name), "cvault log verify")


def _waits(request: Request, now: int) -> bool:
    """Whether a request can still be approved or used; neither one that served nor one that was refused."""
    return request.expires > now and not request.used and request.refused is None
