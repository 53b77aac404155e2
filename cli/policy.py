"""Commands about the policy: they look at it and need no token; `apply` puts the vault's file in force."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.context import Call, command, write_open
from vault.errors import Denied, Invalid, VaultError
from vault.model import PURPOSES, ROLES

if TYPE_CHECKING:
    from vault.access.conditions import Situation
    from vault.access.policy import Policy

Failed = VaultError.exit_code
Named = Annotated[Path | None, typer.Option("--policy", help="A policy file [the vault's].")]
Source = Annotated[Path | None, typer.Argument(metavar="[FILE]", help="A policy file [the vault's].")]


def register(app: typer.Typer) -> None:
    """Add the policy commands to their group."""
    command(app, "check")(check)
    command(app, "explain")(explain)
    command(app, "diff")(diff)
    command(app, "test")(test_)
    command(app, "publish")(publish)
    command(app, "apply")(apply)


def load(call: Call, path: Path | None) -> Policy:
    """A policy: from a file, else the tenant's own, else the vault's; without a vault, the built-in one."""
    from vault.access.policy import Policy, default_text
    from vault.schema_own import load as schema

    own = call.folder / f"policy-{call.tenant}.toml"
    path = path or (own if own.exists() else call.folder / "policy.toml")
    if path == call.folder / "policy.toml" and not (call.folder / "vault.toml").exists():
        return Policy.load(default_text(), schema(call.folder))
    data = call.read(path, "policy").replace(b"\r\n", b"\n").replace(b"\r", b"\n")  # as opening a vault does
    return Policy.load(data.decode("utf-8", "replace"), schema(call.folder))


def check(call: Call, file: Source = None) -> None:
    """Check a policy; exits 2 where it must not be used."""
    from vault.access.policy_lint import demand_sound, lint

    policy = load(call, file)
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
    file: Named = None,
    given: Annotated[
        str | None,
        typer.Option("--given", metavar="a,b", help="What is so of the record: minor,deceased,case=closed,…"),
    ] = None,
) -> None:
    """Show what a role sees for a purpose, field by field, and which grant or condition says so."""
    from vault.access.policy_explain import asked
    from vault.access.policy_explain import explain as explained

    _demand_word(role, ROLES, "role")
    _demand_word(purpose, PURPOSES, "purpose")
    policy, situation = load(call, file), _situation(given)
    cell = policy.cell(role, purpose)
    rows = explained(policy, role, purpose, situation)
    conditions = asked(policy, role, purpose, situation)
    if call.out.json:
        call.out.document(
            {
                "role": role,
                "purpose": purpose,
                "actions": sorted(cell.actions),
                "case_bound": policy.case_bound(role, purpose),
                "finds": [{"kind": k, "field": f, "cap": cap} for (k, f), cap in sorted(cell.finds.items())],
                "attestations": policy.attestations(role),
                "conditions": conditions,
                "items": rows,
            }
        )
        return
    kinds = policy.schema.kinds
    call.out.table(
        ("kind", "field", "", "view", "grant", "why", "condition", "why"),
        [
            (r.kind, r.field, kinds[r.kind].fields[r.field].zh, r.view, r.grant, r.source,
             f"not {r.condition}" if r.condition else ", ".join(r.when), r.condition_source)
            for r in rows
        ],
        title=f"{role} + {purpose}: {', '.join(sorted(cell.actions))}",
    )  # fmt: skip
    if conditions:
        said = {True: "yes", False: "no", None: ""}
        call.out.table(
            ("condition", "asks", "holds", "why"),
            [(c.name, c.terms, said[c.holds], c.source) for c in conditions],
        )


def _situation(given: str | None) -> Situation | None:
    """What `--given` says; None without it, which means at best."""
    from vault.access import policy_trials

    if given is None:
        return None
    words = [word.strip() for word in given.split(",") if word.strip()]
    return policy_trials.situation(policy_trials.given(words), _today())


def _today() -> date:
    """The Asia/Shanghai date: these commands run without a vault, and so without its clock."""
    from vault.config import SHANGHAI

    return datetime.now(SHANGHAI).date()


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

    found = changes(load(call, old), load(call, new))
    if call.out.json:
        call.out.document({"items": found})
        return
    for change in found:
        call.out.line(f"{'+' if change.widening else '-'} {change.sentence}")
    if not found:
        call.out.note("policy.same")


def test_(call: Call, file: Source = None) -> int:  # noqa: PT028 - a command, not a test of pytest's
    """Run the tests that a policy brings along; exits 1 where one fails."""
    from vault.access.policy_trials import run

    policy = load(call, file)
    outcomes = run(policy, _today())
    failed = sum(not outcome.passed for outcome in outcomes)
    if call.out.json:
        call.out.document(
            {
                "policy": policy.hash,
                "passed": len(outcomes) - failed,
                "failed": failed,
                "items": outcomes,
            }
        )
    else:
        call.out.table(
            ("", "test", "expected", "got", "condition", "why"),
            [
                ("ok" if o.passed else "FAILED", o.name, o.expected, o.got, o.condition, o.source)
                for o in outcomes
            ],
        )
    call.out.note("policy.tested", passed=len(outcomes) - failed, failed=failed)
    return Failed if failed else 0


def publish(
    call: Call,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Ends in .html, .md or .json.")],
    lang: Annotated[
        str | None, typer.Option("--lang", metavar="zh|en", help="Its language [the locale's].")
    ] = None,
    file: Named = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write the register of purposes: what for, on which basis, who sees what, how long (PIPL 7, 17)."""
    from cli import messages, publishing
    from vault.access.purposes import register as registered
    from vault.retention.rules import PROFILES, builtin

    form = publishing.demand_format(out)
    language = lang or ("zh" if messages.chinese() else "en")
    _demand_word(language, publishing.LANGUAGES, "lang")
    path = call.claim(out, force=force)
    policy = load(call, file)
    page = publishing.Page(
        "en" if language == "en" else "zh", policy.hash, _today().isoformat(), _applies_to(call) or PROFILES
    )
    kept = publishing.retention(builtin(), policy.schema.kinds, page)
    rows = registered(policy, retention=kept, recipients=_recipients(call))
    write_open(path, publishing.render(rows, page, form))
    if call.out.json:
        call.out.document({"file": str(path), "purposes": len(rows), "policy": policy.hash})
    call.out.note("policy.published", purposes=len(rows), file=path)


def _recipients(call: Call) -> dict[str, list[str]]:
    """The agencies under contract for each purpose (PIPL 17 ¶1, 21); none where there is no vault."""
    from vault.engaging import recipients

    if not (call.folder / "vault.toml").exists():
        return {}
    with call.open() as vault:
        return recipients(vault.tenancy(call.tenant).journal.registry(), _today())


def _applies_to(call: Call) -> tuple[str, ...]:
    """Whose retention duties apply in the vault; empty where there is none."""
    from vault.config import Config

    if not (call.folder / "vault.toml").exists():
        return ()
    return (Config.load(call.folder).settings.applies_to,)


def apply(call: Call) -> None:
    """Put the vault's policy file in force; one that shows anybody more waits for another person's yes."""
    from vault.access.policy import Policy
    from vault.access.policy_diff import diff as changes
    from vault.ledger.registry import PolicyInForce

    with call.open() as vault:
        t = vault.tenancy(call.tenant)
        file = t.policy
        before = t.journal.registry().find(PolicyInForce, "policy")
        t.start()
        waits = t.waiting
        text = before.text if before is not None else ""
        wider = [c for c in changes(Policy.load(text, t.schema), file) if c.widening] if waits else []
    changed = before is None or before.hash != t.policy.hash
    if call.out.json:
        call.out.document({"policy": t.policy.hash, "waiting": waits, "changed": changed, "widenings": wider})
    if waits:
        if not call.out.json:
            call.out.table(("widening",), [(c.sentence,) for c in wider])
        raise Denied(
            "the policy file shows somebody more, and waits for another person's approval",
            code="approval_required",
            field="policy",
            remedy="cvault request open policy --file FILE --reason T; once approved: cvault policy apply",
        )
    call.out.note("policy.applied" if changed else "policy.in_force", policy=t.policy.hash)
