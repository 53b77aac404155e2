"""Commands about who else vouches for the log: witness policy, show, run; pin; stamp."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli import messages, parsing, witnessing
from cli.context import Call, command, write_open
from vault.errors import Invalid, Unavailable

if TYPE_CHECKING:
    from types import FrameType

    from vault.auditing import Auditing, Round, Stamp
    from vault.courier import Courier

_PARTIAL: Final = 6
_SECOND: Final = 1_000_000
_LONGEST: Final = 86_400 * _SECOND
"""µs between rounds at most: the tail is open that long."""
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, max=600, help="Seconds for each exchange.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the group `log`."""
    group = typer.Typer(
        no_args_is_help=True, help="Outside parties that cosign the log.", rich_markup_mode=None
    )
    command(group, "policy", chooses=True)(policy)
    command(group, "show")(show)
    command(group, "run")(run)
    app.add_typer(group, name="witness")
    command(app, "pin")(pin)
    command(app, "stamp")(stamp)


def policy(
    call: Call,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A policy of c2sp.org/tlog-policy.")],
    *,
    request: Annotated[str | None, typer.Option("--request", help="The approval, if it takes one.")] = None,
) -> None:
    """Say who the log's witnesses are and how many of them it takes; an entry, and a second person's yes."""
    try:
        text = call.read(file, "policy").decode()
    except UnicodeDecodeError:
        raise Invalid(
            "the policy is not UTF-8",
            code="invalid_witness_policy",
            field="policy",
            remedy="write it in UTF-8",
        ) from None
    with call.open() as vault:
        credential = call.credential(vault, "admin", "administration")
        digest = vault.auditing(call.tenant).set_witnesses(credential, text, request)
    if call.out.json:
        call.out.document({"policy": digest})
    call.out.note("witness.policy", digest=digest[:16])


def show(call: Call) -> None:
    """Show the witnesses, their quorum, and how far the log has run ahead of them."""
    with call.open() as vault:
        t = vault.tenancy(call.tenant)
        said = witnessing.said(t)
        found = t.watch.policy(t.journal.registry())
        row = vault.auditing(call.tenant).witnesses()
    listed = [
        {"name": w.name, "vkey": w.key.text(), "url": w.url or None}
        for w in (found.witnesses.values() if found else ())
    ]
    if call.out.json:
        call.out.document(said | {"policy": row.text if row else None, "items": listed})
        return
    call.out.table(("", ""), list(witnessing.rows(said)))
    if not listed:
        call.out.note("witness.unset")
        return
    columns = ("name", "vkey", "url")
    call.out.table(columns, [tuple(one[name] for name in columns) for one in listed])


def run(
    call: Call,
    *,
    every: Annotated[
        str | None, typer.Option("--every", help="Go on, a round each 60s, 15m or 2h, until stopped.")
    ] = None,
    timeout: Timeout = 10.0,
) -> int:
    """Ask every witness for a cosignature on the newest checkpoint; needs no token."""
    from vault.courier import Http

    pause = None if every is None else _pause(every)
    with call.open() as vault, _stopping() as stop:
        room, courier = vault.auditing(call.tenant), Http(timeout)
        if pause is None:
            done = room.round(courier)
            _report(call, done)
            return _code(done)
        rounds, last = _rounds(call, room, courier, pause, stop)
    if call.out.json:
        call.out.document({"rounds": rounds, "last": None if last is None else _said(last)})
    call.out.note("witness.ended", rounds=rounds)
    return 0


def _rounds(
    call: Call, room: Auditing, courier: Courier, pause: float, stop: threading.Event
) -> tuple[int, Round | None]:
    """Round after round until told to stop; a store or log out of reach for a while ends nothing.

    Raises:
        Tampered: A witness has seen another log: nothing is gained by asking on.
    """
    rounds, last = 0, None
    while not stop.is_set():
        try:
            last = room.round(courier)
        except Unavailable as error:
            call.out.note("witness.retry", code=error.code)
        else:
            rounds += 1
            _tell(call, last)
        stop.wait(pause)
    return rounds, last


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, instead of breaking off in the middle of a round."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(_: int, __: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _pause(text: str) -> float:
    try:
        pause = parsing.ttl(text) or 0
    except Invalid:
        pause = 0
    if not 0 < pause <= _LONGEST:
        raise Invalid(
            "not a span of time",
            code="invalid_every",
            field="every",
            remedy="write 60s, 15m or 2h, a day at most",
        )
    return pause / _SECOND


def _report(call: Call, done: Round) -> None:
    if call.out.json:
        call.out.document(_said(done))
        return
    if done.outcomes:
        rows = [(one.name, one.state, one.why) for one in done.outcomes]
        call.out.table(messages.titles("witness", "state", "cause"), rows)
    _tell(call, done)


def _tell(call: Call, done: Round) -> None:
    if done.skipped:
        call.out.note("witness.skipped", size=done.size)
        return
    cosigned = sum(one.state in {"cosigned", "had"} for one in done.outcomes)
    witnessed = messages.text("yes") if done.witnessed else "–"
    call.out.note(
        "witness.round", size=done.size, cosigned=cosigned, asked=len(done.outcomes), witnessed=witnessed
    )


def _said(done: Round) -> dict[str, Any]:
    return {
        "size": done.size,
        "skipped": done.skipped,
        "witnessed": done.witnessed,
        "anchor": done.anchor,
        "items": [
            {"witness": one.name, "state": one.state, "why": one.why, "time": one.time or None}
            for one in done.outcomes
        ],
    }


def _code(done: Round) -> int:
    """0 once it counts as witnessed; 6 if some cosigned but too few, 7 if nobody did."""
    if done.witnessed:
        return 0
    return (
        _PARTIAL if any(one.state in {"cosigned", "had"} for one in done.outcomes) else Unavailable.exit_code
    )


def pin(
    call: Call,
    *,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where it goes [stdout].")] = None,
    cosigned: Annotated[
        bool, typer.Option("--cosigned", help="The newest checkpoint that witnesses have cosigned.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Print a checkpoint's three lines, to be kept outside: no later export may contradict them."""
    path = None if out is None else call.claim(out, force=force)
    with call.open() as vault:
        text = vault.auditing(call.tenant).pin(cosigned=cosigned)
    if path is not None:
        write_open(path, text.encode())
        call.out.note("pin.written", file=path)
    if call.out.json:
        call.out.document({"pin": text} | ({} if path is None else {"file": str(path)}))
    elif path is None:
        typer.echo(text, nl=False)


def stamp(
    call: Call,
    *,
    authority: Annotated[
        str | None, typer.Option("--authority", metavar="NAME", help="The name it is kept under.")
    ] = None,
    url: Annotated[str | None, typer.Option("--url", help="The authority's address: https.")] = None,
    query: Annotated[
        Path | None, typer.Option("--query", metavar="FILE", help="Write the query (.tsq) and ask nobody.")
    ] = None,
    reply: Annotated[
        Path | None, typer.Option("--reply", metavar="FILE", help="Take the authority's reply (.tsr).")
    ] = None,
    roots: Annotated[
        Path | None, typer.Option("--roots", metavar="PEM", help="The authority's root certificate.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the newest reply that is kept.")
    ] = None,
    timeout: Timeout = 10.0,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Have the newest checkpoint stamped by an RFC 3161 authority; needs no token."""
    given = [
        name for name, value in (("url", url), ("query", query), ("reply", reply), ("out", out)) if value
    ]
    if len(given) != 1:
        raise _usage("give exactly one of --url, --query, --reply and --out")
    if (url or reply) and not (authority and roots):
        raise _usage("a reply is checked and kept: give --authority and --roots")
    target = query or out
    path = None if target is None else call.claim(target, force=force)
    with call.open() as vault:
        room = vault.auditing(call.tenant)
        if path is None:
            _take(call, room, authority or "", url, reply, call.read(roots or Path(), "roots"), timeout)
        elif query is not None:
            write_open(path, room.stamp_query())
            _wrote(call, "stamp.query", path)
        else:
            found = room.stamped(authority)
            write_open(path, found.reply)
            _show(call, found, path)


def _take(
    call: Call,
    room: Auditing,
    authority: str,
    url: str | None,
    reply: Path | None,
    roots: bytes,
    timeout: float,
) -> None:
    from vault.courier import Http

    if url is not None:
        found = room.stamp(Http(timeout), authority, url, roots)
    else:
        found = room.take_stamp(authority, call.read(reply or Path(), "reply"), roots)
    if call.out.json:
        call.out.document({"size": found.size, "authority": found.authority, "at": found.at})
    call.out.note("stamp.kept", size=found.size, at=found.at, authority=found.authority)


def _wrote(call: Call, key: str, path: Path) -> None:
    if call.out.json:
        call.out.document({"file": str(path)})
    call.out.note(key, file=path)


def _show(call: Call, found: Stamp, path: Path) -> None:
    """What the reply stamps goes to stdout, byte for byte, for whoever verifies it with other tools."""
    if call.out.json:
        call.out.document(
            {"size": found.size, "authority": found.authority, "text": found.text, "file": str(path)}
        )
        return
    typer.echo(found.text, nl=False)
    call.out.note("stamp.written", size=found.size, authority=found.authority, file=path)


def _usage(message: str) -> Invalid:
    return Invalid(message, code="invalid_usage", remedy="cvault log stamp --help")
