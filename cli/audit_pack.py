"""`cvault audit pack`: a folder with what an external compliance audit asks of this system (PIPL 54)."""

from __future__ import annotations

import html
import json
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from cli import messages
from cli.context import Call, write_secret
from vault.errors import Invalid, Tampered

if TYPE_CHECKING:
    from vault.access.tokens import Credential
    from vault.auditing import Auditing
    from vault.packing import Item
    from vault.tenancy import Tenancy
    from vault.vault import Vault

FORMAT: Final = "cvault/audit-pack/v1"
_LOADS_NOTHING: Final = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE: Final = (
    "body{font:14px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#111}"
    "table{border-collapse:collapse;width:100%}td,th{border:1px solid #999;padding:.3em .5em;text-align:left;"
    "vertical-align:top}th{background:#eee}td{overflow-wrap:anywhere}small{color:#444}"
    "@media print{body{margin:0;max-width:none;font-size:11px}tr{break-inside:avoid}"
    "thead{display:table-header-group}}"
)
_MOST_ALARMS: Final = 10_000


def pack(
    call: Call,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder, or an empty one (0700).")],
    months: Annotated[
        int,
        typer.Option("--months", min=0, max=120, help="Summaries of so many months, the running one last."),
    ] = 12,
) -> None:
    """Write what an audit asks of this system: each item with its evidence, or said to be organisational."""
    call.demand_folder(directory, "directory", "name a new folder")
    if directory.exists() and any(directory.iterdir()):
        raise Invalid(
            f"{directory} is not empty", code="invalid_file", field="directory", remedy="name a new folder"
        )
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    with call.open() as vault, call.out.progress("pack") as progress:
        credential = call.credential(vault, "auditor", "audit")
        packer = _Packer(call, vault, credential, directory)
        steps = (packer.facts, packer.pages, lambda: packer.summaries(months), packer.alarms, packer.proofs)
        for number, step in enumerate(steps):
            if progress is not None:
                progress(number, len(steps))
            step()
        index, digest = packer.index()
    if call.out.json:
        call.out.document({"directory": str(directory.absolute()), "index": index, "sha256": digest})
    else:
        call.out.line(digest)
    call.out.note("pack.made", directory=directory.absolute(), entry=index)


class _Packer:
    """A pack that is being written."""

    def __init__(self, call: Call, vault: Vault, credential: Credential, directory: Path) -> None:
        self.call, self.vault, self.credential, self.directory = call, vault, credential, directory
        self.tenancy: Tenancy = vault.tenancy(call.tenant)
        self.room: Auditing = vault.auditing(call.tenant)
        self.written: dict[str, str] = {}

    def put(self, name: str, data: bytes) -> None:
        """A file of the pack, 0600; its digest goes into the index."""
        path = self.directory / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_secret(path, data)
        self.written[name] = sha256(data).hexdigest()

    def document(self, name: str, value: object) -> None:
        """A JSON file that people can read too."""
        self.put(name, msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=1) + b"\n")

    def facts(self) -> None:
        """What the registry, the rules and the log show."""
        for name, value in self.room.gathered(self.credential):
            self.document(name, value)

    def pages(self) -> None:
        """What people sign: the register of purposes, the policy, the access review, the status."""
        from cli import access_page, publishing
        from cli.access_words import Words
        from cli.status import standing
        from vault.access.purposes import register
        from vault.engaging import recipients

        language = messages.chinese()
        t, registry = self.tenancy, self.tenancy.journal.registry()
        page = publishing.Page(
            "zh" if language else "en", t.policy.hash, t.today().isoformat(),
            (self.vault.config.settings.applies_to,),
        )  # fmt: skip
        kept = publishing.retention(t.rules, t.schema.kinds, page)
        rows = register(t.policy, retention=kept, recipients=recipients(registry, t.today()))
        self.put("purposes.html", publishing.render(rows, page, ".html"))
        self.put("policy.toml", self._policy())
        review = self.vault.reviewing(self.call.tenant).review_access(self.call.identity(self.vault))
        self.put("access-review.html", access_page.page(review, Words("zh" if language else "en")))
        self.document("status.json", standing(self.call, self.vault))

    def _policy(self) -> bytes:
        """The policy in force: the registry has its text, but in a vault from before it did."""
        from vault.ledger.registry import PolicyInForce

        known = self.tenancy.journal.registry().find(PolicyInForce, "policy")
        text = known.text if known is not None else ""
        return (text or (self.call.folder / "policy.toml").read_text("utf-8")).encode()

    def summaries(self, months: int) -> None:
        """A page for each of the last months that has entries."""
        from cli.summary_page import page

        for month in _last(self.tenancy.today(), months):
            found = self.room.summarise(self.credential, month)
            if found.entries:
                self.put(f"log-summary/{month}.html", page(found))

    def alarms(self) -> None:
        """The alarms raised, and the rules that raise them."""
        from cli.alarms import item

        found = self.room.alarms(self.credential, limit=_MOST_ALARMS)
        rules = [item(rule) for rule in self.room.alarm_rules().rules]
        self.document("alarms.json", {"items": found, "rules": rules})

    def proofs(self) -> None:
        """The whole tree, for anybody's tools, and what the vault's own check of it says."""
        self.document("verification.json", self.room.verify(self.credential))
        self.room.export(self.credential, self.directory / "tiles")
        self.written["tiles"] = sha256((self.directory / "tiles" / "checkpoint").read_bytes()).hexdigest()
        self.put("log.vkey", (self.vault.vkey(self.call.tenant).text() + "\n").encode())

    def index(self) -> tuple[int, str]:
        """The index, as JSON and as a page; its digest is entered. The entry's index, and the digest."""
        from vault.packing import items, missing

        lacking = [
            name for name in missing([*self.written, *_folders(self.written)]) if name != "log-summary"
        ]
        if lacking:
            raise Tampered(
                f"the pack lacks {', '.join(lacking)}", remedy="report this: it is a fault of ours"
            )
        from vault.config import iso

        made = iso(self.tenancy.clock())
        about = {"format": FORMAT, "origin": self.tenancy.keys.origin, "made": made}
        listed = [msgspec.structs.asdict(item) | {"files": self._files(item)} for item in items()]
        text = json.dumps(about | {"items": listed, "sha256": self.written}, ensure_ascii=False, indent=1)
        write_secret(self.directory / "index.json", text.encode() + b"\n")
        digest = sha256(text.encode() + b"\n").hexdigest()
        write_secret(
            self.directory / "index.html", _page(about, [(i, self._files(i)) for i in items()], digest)
        )
        return self.room.packed(self.credential, digest), digest

    def _files(self, item: Item) -> list[str]:
        """The files of an item: a folder stands for those in it, the tiles for themselves."""
        found = []
        for name in item.evidence:
            found += (
                [name]
                if name in self.written
                else sorted(one for one in self.written if one.startswith(f"{name}/"))
            )
        return found


def _folders(names: dict[str, str]) -> set[str]:
    return {name.partition("/")[0] for name in names if "/" in name}


def _last(today: date, months: int) -> list[str]:
    """The last months, like `2026-10`, the running one last."""
    found, day = [], today
    for _ in range(months):
        found.append(f"{day:%Y-%m}")
        day = day.replace(day=1) - timedelta(days=1)
    return found[::-1]


def _page(about: dict[str, str], rows: list[tuple[Item, list[str]]], digest: str) -> bytes:
    """The index as a page to print: what is asked, its source, and the evidence or who has it."""
    quote, say = html.escape, messages.text
    title, side = quote(say("pack.title")), 0 if messages.chinese() else 1
    parts = [
        f'<!doctype html>\n<html lang="{"zh" if messages.chinese() else "en"}"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_LOADS_NOTHING}">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>\n<h1>{title}</h1>",
        f"<p>{quote(about['origin'])}<br>{quote(about['made'])}<br><small>index.json {digest}</small></p>",
        f"<p>{quote(say('pack.about'))}<br>{quote(say('pack.check'))}</p><table><thead><tr>",
        *(f"<th scope=col>{quote(say(f'pack.{name}'))}</th>" for name in ("item", "source", "evidence")),
        "</tr></thead><tbody>",
    ]
    for item, names in rows:
        links = [f'<a href="{quote(name)}">{quote(name)}</a>' for name in names]
        if item.organisational is not None:
            links.append(f"<b>{quote(say('pack.organisational'))}</b>: {quote(item.organisational[side])}")
        mark = quote(say(f"pack.{item.certainty}"))
        parts.append(
            f"<tr><td>{quote(item.title[side])}</td><td>{quote(item.source)}<br><small>{mark}</small></td>"
            f"<td>{'<br>'.join(links) or quote(say('pack.none'))}</td></tr>"
        )
    return "\n".join([*parts, "</tbody></table></body></html>", ""]).encode()
