"""Commands that look at the policy; they change nothing and need no token."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.context import Call, command
from vault.errors import Invalid
from vault.model import PURPOSES, ROLES

if TYPE_CHECKING:
    from vault.access.policy import Policy

Source = Annotated[Path | None, typer.Argument(metavar="[FILE]", help="A policy file [the vault's].")]


def register(app: typer.Typer) -> None:
    """Add the policy commands to their group."""
    command(app, "check")(check)
    command(app, "explain")(explain)
    command(app, "diff")(diff)


def _load(call: Call, path: Path | None) -> Policy:
    """A policy: from a file, else the tenant's own, else the vault's; without a vault, the built-in one."""
    from vault.access.policy import Policy, default_text
    from vault.schema_own import load

    own = call.folder / f"policy-{call.tenant}.toml"
    path = path or (own if own.exists() else call.folder / "policy.toml")
    if path == call.folder / "policy.toml" and not (call.folder / "vault.toml").exists():
        return Policy.load(default_text(), load(call.folder))
    return Policy.load(call.read(path, "policy").decode("utf-8", "replace"), load(call.folder))


def check(call: Call, file: Source = None) -> None:
    """Check a policy; exits 2 where it must not be used."""
    from vault.access.policy_lint import demand_sound, lint

    policy = _load(call, file)
    findings = lint(policy, policy.schema)
    if call.out.json:
        call.out.document({"policy": policy.hash, "sandbox": policy.sandbox, "findings": findings})
    else:
        call.out.line(policy.hash)
        if findings:
            call.out.table(
                ("level", "where", "message", "remedy"),
                [(f.level, f.where, f.message, f.remedy) for f in findings],
            )
    demand_sound(policy, policy.schema)
    call.out.note("policy.sound")


def explain(
    call: Call,
    role: Annotated[str, typer.Argument(help="The role.")],
    purpose: Annotated[str, typer.Argument(help="The purpose.")],
    file: Annotated[Path | None, typer.Option("--policy", help="A policy file [the vault's].")] = None,
) -> None:
    """Show what a role sees for a purpose, field by field, and which grant says so."""
    from vault.access.policy_diff import explain as explained

    _demand_word(role, ROLES, "role")
    _demand_word(purpose, PURPOSES, "purpose")
    policy = _load(call, file)
    cell = policy.cell(role, purpose)
    rows = explained(policy, role, purpose)
    if call.out.json:
        call.out.document(
            {
                "role": role,
                "purpose": purpose,
                "actions": sorted(cell.actions),
                "case_bound": policy.case_bound(role, purpose),
                "finds": [{"kind": k, "field": f, "cap": cap} for (k, f), cap in sorted(cell.finds.items())],
                "items": rows,
            }
        )
        return
    kinds = policy.schema.kinds
    call.out.table(
        ("kind", "field", "", "view", "grant", "why"),
        [(r.kind, r.field, kinds[r.kind].fields[r.field].zh, r.view, r.grant, r.source) for r in rows],
        title=f"{role} + {purpose}: {', '.join(sorted(cell.actions))}",
    )


def _demand_word(word: str, known: Sequence[str], argument: str) -> None:
    """Demand a word of a closed list: a slip of the pen is no denial.

    Raises:
        Invalid: It is none; names the argument.
    """
    if word not in known:
        raise Invalid(
            f"{argument.upper()}: no such {argument}",
            code="invalid_usage",
            field=argument,
            remedy="use one of: " + ", ".join(known),
        )


def diff(
    call: Call,
    old: Annotated[Path, typer.Argument(help="The policy as it was.")],
    new: Annotated[Path, typer.Argument(help="The policy as it would be.")],
) -> None:
    """Say what a change of policy would show to whom; widenings first."""
    from vault.access.policy_diff import diff as changes

    found = changes(_load(call, old), _load(call, new))
    if call.out.json:
        call.out.document({"items": found})
        return
    for change in found:
        call.out.line(f"{'+' if change.widening else '-'} {change.sentence}")
    if not found:
        call.out.note("policy.same")
