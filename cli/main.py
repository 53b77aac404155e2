"""`cvault`: the command line. Wires the groups together and turns usage errors into the house's form."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from pathlib import Path
from typing import Any, Final

import typer

from cli import (
    access,
    admin,
    agencies,
    alarms,
    amending,
    audits,
    cases,
    glass,
    handovers,
    holds,
    imports,
    incidents,
    log,
    login,
    migrate,
    policy,
    principals,
    reach,
    records,
    requests,
    retention,
    schema,
    status,
    tokens,
)
from cli.options import SHARED
from cli.output import Output
from vault.errors import Invalid, VaultError

_HELP: Final = """An encrypted vault for collections records (贷后催收).

Role-masked reads under purpose tokens, a verifiable access log, retention purges.
"""
_CLICK_ERROR: Final = typer.BadParameter.__mro__[2]
"""The base of every usage error, which typer doesn't export by name."""


def _app() -> typer.Typer:
    app = typer.Typer(
        name="cvault",
        help=_HELP,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        pretty_exceptions_show_locals=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_shared_options())
    for part in (imports, amending, records, status, admin, login):
        part.register(app)
    groups = (
        ("access", "Who holds which power, for how long, and what to mend.", access),
        ("token", "Purpose tokens: issue, narrow, show, revoke.", tokens),
        ("principal", "Who may act.", principals),
        ("agency", "Agencies: contracts, ends, what they owe.", agencies),
        ("request", "What needs another person's yes.", requests),
        ("glass", "Break-glass: a role in need, an alarm, a review.", glass),
        ("case", "Cases: opened, assigned, recalled, closed.", cases),
        ("policy", "Which role sees what, and why.", policy),
        ("log", "The access log: ask, verify, prove.", log),
        ("audit", "Audits: what an auditor may be given, and its key.", audits),
        ("alarm", "Alarms about the vault's own use: rules, delivery, honey records.", alarms),
        ("incident", "A leak, change or loss of data: clocks, and whom it touched.", incidents),
        ("reach", "Numbers by rule: hours, caps, contact persons.", reach),
        ("migrate", "A live table: move it in, prove that it arrived.", migrate),
    )
    for name, text, part in groups:
        group = typer.Typer(no_args_is_help=True, help=text, rich_markup_mode=None)
        part.register(group)
        app.add_typer(group, name=name)
    for name, text, fill in (
        ("tenant", "Tenants: one keeper of personal information each.", admin.register_tenants),
        ("keys", "Epochs and key folders.", admin.register_keys),
        ("schema", "Kinds and fields: check, compare, put in force.", schema.register),
        ("retention", "What must go, what must stay, and the proof.", retention.register),
        ("hold", "Legal holds.", holds.register),
        ("handover", "Files of cases for an agency (案件移交).", handovers.register),
        ("subject", "People: merged, split, refusing, found twice.", amending.register_subjects),
    ):
        group = typer.Typer(no_args_is_help=True, help=text, rich_markup_mode=None)
        fill(group)
        app.add_typer(group, name=name)
    return app


def _shared_options() -> Any:
    """The callback that takes the common options before a command's name."""

    def options(**given: Any) -> None:
        given.pop("ctx").obj = given

    parameters = [
        inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for n, (annotation, default) in SHARED.items()
    ]
    parameters.append(inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context))
    options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    options.__annotations__ = {p.name: p.annotation for p in parameters}
    return options


app: Final = _app()


def main() -> None:
    """Run `cvault` with the process's arguments and leave with its exit code."""
    if sys.stderr is None:
        # Closed: what is said to people goes nowhere, and no file gets a descriptor that messages go to.
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the process
    if sys.stdout is None:
        # Before anything is read and logged: an answer that nobody gets must not count as given.
        error = VaultError("stdout is closed", remedy="send it to a file, a pipe or /dev/null")
        Output(json="--json" in sys.argv).error(error)
        sys.exit(error.exit_code)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run `cvault` with these arguments; returns the exit code."""
    try:
        code = app(arguments, prog_name="cvault", standalone_mode=False)
    except typer.Abort:
        return 130
    except BrokenPipeError:
        # The reader went away; without this the interpreter complains once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if not isinstance(error, _CLICK_ERROR):
            raise
        return _usage(error, json="--json" in arguments)
    return int(code or 0)


def _usage(error: Any, *, json: bool) -> int:
    """Say how a command line went wrong. Stray arguments aren't repeated: they may be values."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return 2
    message = str(error.format_message()).rstrip(".")
    if "unexpected extra argument" in message:
        message = "unexpected extra arguments; values are never arguments but come on stdin"
    path = error.ctx.command_path if error.ctx else "cvault"
    Output(json=json).error(Invalid(message, code="invalid_usage", remedy=f"{path} --help"))
    return 2


if __name__ == "__main__":
    main()
